"""Upstreams without a network: httpx transports that a test steers, and a wire that keeps its bytes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import httpcore
import httpx

Pairs = list[tuple[bytes, bytes]]


class Recording(httpx.AsyncBaseTransport):
    """Reads each request to its end, keeps it, and answers with what ``answer`` gives."""

    def __init__(self, answer: Callable[[], httpx.Response] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.bodies: list[list[bytes]] = []
        self.closed = 0
        self._answer = answer or (lambda: httpx.Response(200, content=b"ok"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Keep the request and answer."""
        self.requests.append(request)
        self.bodies.append([piece async for piece in stream_of(request)])
        return self._answer()

    async def aclose(self) -> None:
        """Count."""
        self.closed += 1

    @property
    def request(self) -> httpx.Request:
        """The one request."""
        (request,) = self.requests
        return request

    @property
    def target(self) -> object:
        """The exact target of the one request."""
        return self.request.extensions["target"]

    @property
    def headers(self) -> Pairs:
        """The headers of the one request, as they were given."""
        return list(self.request.headers.raw)


class Raising(Recording):
    """Fails instead of answering: with each of ``errors`` in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self._errors = list(errors)
        self.hosts: list[tuple[str, int | None]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Fail or answer."""
        self.hosts.append((request.url.host, request.url.port))
        if self._errors:
            raise self._errors.pop(0)
        return await super().handle_async_request(request)


class Steps(httpx.AsyncBaseTransport):
    """Runs a coroutine function on each request and notes in ``cancelled`` when it is cancelled."""

    def __init__(self, handle: Callable[[httpx.Request], Awaitable[httpx.Response]]) -> None:
        self.cancelled = asyncio.Event()
        self.reached = asyncio.Event()
        self._handle = handle

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Handle, and note a cancellation."""
        self.reached.set()
        try:
            return await self._handle(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Pieces(httpx.AsyncByteStream):
    """A body that a test steers: pieces and errors, each given out when it is asked for."""

    def __init__(self, *pieces: bytes | Exception | None) -> None:
        self.given = 0
        self.closed = asyncio.Event()
        self.waiting = asyncio.Event()
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        for piece in pieces:
            self.put(piece)

    def put(self, piece: bytes | Exception | None) -> None:
        """The next piece; an error is raised, None is the end."""
        self._queue.put_nowait(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.waiting.set()
            piece = await self._queue.get()
            self.waiting.clear()
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            self.given += 1
            yield piece

    async def aclose(self) -> None:
        """Note that the body was given up or done with."""
        self.closed.set()


def stream_of(request: httpx.Request) -> httpx.AsyncByteStream:
    """The request's body as a transport reads it."""
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return request.stream


def streaming(pieces: httpx.AsyncByteStream, headers: Iterable[tuple[bytes, bytes]] = ()) -> httpx.Response:
    """An answer with ``pieces`` for a body."""
    return httpx.Response(200, headers=list(headers), stream=pieces)


class Wire(httpcore.AsyncNetworkBackend):
    """A network of memory: keeps what is written and lets each connection read ``answer`` and then its end.

    One that ``hangs`` never ends: who reads on waits for ever.
    """

    def __init__(self, *answer: bytes, hangs: bool = False) -> None:
        self.written = b""
        self.closed = 0
        self.hangs = hangs
        self.hanging = asyncio.Event()
        self.connected: list[tuple[str, int]] = []
        self._answer = answer

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's contract
        local_address: str | None = None,
        socket_options: object = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to anywhere."""
        self.connected.append((host, port))
        return _WireStream(self, list(self._answer))


class _WireStream(httpcore.AsyncNetworkStream):
    def __init__(self, wire: Wire, unread: list[bytes]) -> None:
        self._wire = wire
        self._unread = unread

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        await asyncio.sleep(0)
        if self._wire.hangs and not self._unread:
            self._wire.hanging.set()
            await asyncio.Event().wait()
        return self._unread.pop(0) if self._unread else b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await asyncio.sleep(0)
        self._wire.written += buffer

    async def aclose(self) -> None:
        self._wire.closed += 1
        await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> None:
        del info


class WireTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport, parser and all, over a ``Wire``."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(network_backend=wire)
