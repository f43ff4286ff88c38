"""Raw upstreams on loopback sockets: exact bytes out, exact bytes seen, and our client in front of them."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway_filters import Clocks
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.transport import IncomingResponse, OutgoingRequest, Transport

PATIENCE = 25.0  # on a busy machine
Script = Callable[["Peer"], Awaitable[None]]
Pairs = tuple[tuple[bytes, bytes], ...]


class Peer:
    """One connection as the upstream has it; ``heads`` are the requests' heads that came on it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.heads: list[bytes] = []
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next request's head."""
        self.heads.append(await self.reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; raises ``ConnectionError`` when nobody takes them."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError  # uvloop has another error for that
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self) -> bytes:
        """Read until the other side leaves; gives what came."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read()
        return b""

    def end(self) -> None:
        """Close with a FIN, over TLS with a close_notify."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Scripted:
    """An upstream that serves each connection with ``script``; ``peers`` are all there have been."""

    def __init__(self, script: Script) -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def heads(self) -> list[bytes]:
        """All heads, connection by connection."""
        return [head for peer in self.peers for head in peer.heads]

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        # Streams complain about handlers that are cancelled when the upstream stops.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            await self._script(peer)
            await peer.until_gone()
        writer.close()

    async def stop(self) -> None:
        """End all scripts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            # Over TLS, early releases of Python 3.11 cannot abort what is closed already.
            with contextlib.suppress(AttributeError):
                peer.writer.transport.abort()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def upstream(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncGenerator[Scripted]:
    """A scripted upstream on a port of this machine."""
    scripted = Scripted(script)
    server = await asyncio.start_server(scripted.accept, host, 0, ssl=tls, backlog=1000)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        await scripted.stop()


@asynccontextmanager
async def client(
    port: int, *, limit: int | None = None, queue: int = 1000, expiry: float = 45.0
) -> AsyncGenerator[NativeTransport]:
    """Our transport to that port."""
    transport = NativeTransport(Origin("http", "127.0.0.1", port), limit=limit, queue=queue, expiry=expiry)
    try:
        async with asyncio.timeout(PATIENCE * 2):
            yield transport
    finally:
        await transport.aclose()


def serving(*answers: bytes) -> Script:
    """Gives each answer to a request without a body in turn, the last one for ever."""

    async def script(peer: Peer) -> None:
        for number in range(1_000_000):
            await peer.head()
            await peer.send(answers[min(number, len(answers) - 1)])

    return script


def together(number: int) -> Script:
    """Answers when that many requests are there at once, and from then on at once."""
    arrived: list[bytes] = []
    all_there = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            arrived.append(await peer.head())
            if len(arrived) == number:
                all_there.set()
            await all_there.wait()
            await peer.send(OK)

    return script


def closing(answer: bytes) -> Script:
    """Gives one answer and ends the connection."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        peer.end()

    return script


def get(target: bytes = b"/", headers: Pairs = ((b"host", b"a"),), method: str = "GET") -> OutgoingRequest:
    """A request without a body."""
    return OutgoingRequest(method, target, headers, None)


def post(body: bytes | AsyncIterator[bytes], *, length: int | None = None, method: str = "POST") -> OutgoingRequest:
    """A request with a body, in chunks unless its length is known."""
    size = len(body) if isinstance(body, bytes) else length
    frame = (b"transfer-encoding", b"chunked") if size is None else (b"content-length", b"%d" % size)
    return OutgoingRequest(method, b"/", ((b"host", b"a"), frame), body)


async def pieces(*given: bytes | Exception, then: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """A body in pieces; ``then`` is waited for after them."""
    for each in given:
        if isinstance(each, Exception):
            raise each
        yield each
    if then is not None:
        await then.wait()


async def ask(transport: Transport, request: OutgoingRequest, clocks: Clocks | None = None) -> "Answered":
    """Send a request and read its answer to the end."""
    return await whole(await transport.send(request, clocks or Clocks()))


async def whole(response: IncomingResponse) -> "Answered":
    """An answer with its body."""
    try:
        body = b"".join([piece async for piece in response.chunks()])
    finally:
        await response.aclose()
    return Answered(response.status, response.headers, body)


class Answered:
    """A whole answer."""

    def __init__(self, status: int, headers: Pairs, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def soon(true: Callable[[], bool]) -> None:
    """Wait for something that should happen at once."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


class Steps:
    """Counts: something that a script waits for, step by step."""

    def __init__(self) -> None:
        self._semaphore = asyncio.Semaphore(0)

    def go(self) -> None:
        """One step."""
        self._semaphore.release()

    async def passed(self) -> None:
        """Wait for a step."""
        async with asyncio.timeout(PATIENCE):
            await self._semaphore.acquire()
