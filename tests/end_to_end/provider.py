"""A scripted provider: a real server in a thread of its own that records what reaches it and answers as told.

Made of asyncio streams and ssl alone; nothing of the package under test is used.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from wire import Wire


@dataclass(frozen=True)
class Request:
    """A request's head as it stood on the wire."""

    raw: bytes
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class Exchange:
    """One request and the connection it came on; scripts answer through it."""

    request: Request
    wire: Wire
    rest: bytearray
    body: bytearray = field(default_factory=bytearray)
    read_to_end: bool = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """The request's body as it comes; ends early when the connection does."""
        if self.request.values(b"transfer-encoding"):
            async for piece in self._chunks():
                yield piece
        else:
            async for piece in self._exactly(int((self.request.values(b"content-length") or [b"0"])[0])):
                yield piece
        self.read_to_end = self.wire.gone_at is None

    async def read_body(self) -> bytes:
        """The request's whole body, which is kept."""
        async for piece in self.pieces():
            self.body += piece
        return bytes(self.body)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.wire.write(data)

    async def until_gone(self) -> None:
        """Read and throw away until the other side leaves."""
        while await self.wire.read():
            pass

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            if not self.rest:
                self.rest += await self.wire.read()
            if not self.rest:
                return
            piece = bytes(self.rest[:size])
            del self.rest[:size]
            size -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        size = 1
        while size:
            size = int(await self._line() or b"0", 16)
            async for piece in self._exactly(size):
                yield piece
            await self._line()

    async def _line(self) -> bytes:
        line = await _until(self.wire, self.rest, b"\r\n")
        return b"" if line is None else line.removesuffix(b"\r\n")


Script = Callable[[Exchange], Awaitable[None]]


class Gate:
    """Lets a script go on, one step for each ``open`` of the test."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._steps = asyncio.Semaphore(0)

    def open(self) -> None:
        """Allow one more step; called from the test's thread."""
        self._loop.call_soon_threadsafe(self._steps.release)

    async def passed(self) -> None:
        """Wait for a step to be allowed; raises ``TimeoutError`` after half a minute."""
        await asyncio.wait_for(self._steps.acquire(), 30)


class Provider:
    """A server on 127.0.0.1 while inside ``with``: https with a certificate (PEM, with its key), plain http without.

    ``script`` answers each request; a ``mute`` server accepts connections and says nothing. ``wires`` and
    ``exchanges``: what has come since ``start_over``, ``failures``: what went wrong in scripts.
    """

    def __init__(self, certificate: Path | None, script: Script) -> None:
        self.script = script
        self.wires: list[Wire] = []
        self.exchanges: list[Exchange] = []
        self.failures: list[BaseException] = []
        self.port = 0
        self.mute = False
        self._certificate = certificate
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="provider")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._loop.close()

    def start_over(self, script: Script) -> None:
        """Forget what has come and answer with ``script`` from now on."""
        self.script = script
        self.wires.clear()
        self.exchanges.clear()
        self.failures.clear()

    def gate(self) -> Gate:
        """A closed gate for a script of this provider."""
        return Gate(self._loop)

    def only_exchange(self) -> Exchange:
        """The one exchange that there has been; waits a moment for it."""
        wait_until(lambda: bool(self.exchanges))
        assert len(self.exchanges) == 1
        return self.exchanges[0]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._stop.wait()
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        wire = Wire(reader, writer, self._context())
        self.wires.append(wire)
        try:
            await self._converse(wire)
        except asyncio.CancelledError:
            pass  # the provider stops; streams complain about cancelled handlers
        except (ConnectionError, ssl.SSLError):
            pass  # the gateway left while a script was sending
        except Exception as error:  # noqa: BLE001 - shown by the fixture, in the test's own thread
            self.failures.append(error)
        finally:
            await wire.aclose()

    async def _converse(self, wire: Wire) -> None:
        rest = bytearray()
        while self.mute and await wire.read():
            pass
        if not await wire.handshake() or await self._was_misdialled(wire, rest):
            return
        while not wire.closed:
            head = await _until(wire, rest, b"\r\n\r\n")
            if head is None:
                return
            exchange = Exchange(_parsed(head), wire, rest)
            self.exchanges.append(exchange)
            await self.script(exchange)
            if not wire.closed and not exchange.read_to_end:
                await exchange.read_body()

    async def _was_misdialled(self, wire: Wire, rest: bytearray) -> bool:
        """TLS spoken to a plain server is answered as such servers do."""
        if self._certificate is not None:
            return False
        rest += await wire.read()
        if not rest.startswith(b"\x16"):
            return False
        await wire.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        while await wire.read():
            pass
        return True

    def _context(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        # One context a connection, since the name that was asked for is reported to the context.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        return context


def wait_until(true: Callable[[], bool], seconds: float = 25.0) -> None:
    """Wait for something to become true; fails when it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.001)


async def _until(wire: Wire, rest: bytearray, mark: bytes) -> bytes | None:
    """What comes up to and with ``mark``; None when the connection ends before. The surplus stays in ``rest``."""
    while mark not in rest:
        data = await wire.read()
        if not data:
            return None
        rest += data
    end = rest.index(mark) + len(mark)
    found = bytes(rest[:end])
    del rest[:end]
    return found


def _parsed(head: bytes) -> Request:
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ")
    pairs = (line.split(b":", 1) for line in lines)
    return Request(head, method, target, tuple((name, value.strip(b" \t")) for name, value in pairs))
