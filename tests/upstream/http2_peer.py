"""Upstreams that speak HTTP/2 by the h2 library, on loopback sockets: scripts say what they answer, and what not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes
from scripted import PATIENCE, soon

from gateway_filters.upstream.http2 import Http2Transport
from gateway_filters.upstream.origin import Origin

Pairs = tuple[tuple[bytes, bytes], ...]
Script = Callable[["Peer"], Awaitable[None]]
E = TypeVar("E", bound=Event)


class Request:
    """A request as it arrives: its fields in order, what there is of its body, and the fields behind it."""

    def __init__(self, stream: int, fields: Pairs) -> None:
        self.stream = stream
        self.fields = fields
        self.body = bytearray()
        self.trailers: Pairs = ()
        self.ended = False

    def value(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for key, value in self.fields if key == name), None)


class Peer:
    """One connection as the upstream has it. What comes is kept by kind and, unless ``holding``, acknowledged."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.h2 = H2Connection(H2Configuration(client_side=False))
        self.requests: dict[int, Request] = {}
        self.resets: list[tuple[int, ErrorCodes | int]] = []
        self.goodbyes: list[ConnectionTerminated] = []
        self.acknowledged: list[bytes] = []
        self.most_open = 0
        self.holding = False
        self.gone = False
        self.broken = ""
        self.reader = reader
        self.writer = writer
        self._changed = asyncio.Condition()
        self._given = 0

    def greet(self, settings: dict[SettingCodes | int, int] | None = None) -> None:
        """Begin with SETTINGS."""
        self.h2.update_settings(settings or {})
        # Ours are in force at once: the transport must keep to what it has been told, as soon as it can know.
        self.h2.local_settings.acknowledge()
        self.h2.clear_outbound_data_buffer()
        self.h2.initiate_connection()
        self.flush()

    async def request(self) -> Request:
        """The next request, as soon as its head is there."""
        await self.until(lambda: len(self.requests) > self._given)
        self._given += 1
        return list(self.requests.values())[self._given - 1]

    async def whole_request(self) -> Request:
        """The next request with its body."""
        request = await self.request()
        await self.until(lambda: request.ended)
        return request

    def open(self, done: set[int]) -> list[Request]:
        """The requests that are not among those ``done``."""
        return [request for stream, request in self.requests.items() if stream not in done]

    def gave_up(self, request: Request) -> bool:
        """Whether the request's stream was reset, or the connection is gone."""
        return self.gone or any(stream == request.stream for stream, _ in self.resets)

    async def until(self, true: Callable[[], bool], *, patience: float | None = PATIENCE) -> None:
        """Wait for something to have come."""
        async with asyncio.timeout(patience), self._changed:
            await self._changed.wait_for(true)

    def answer(
        self,
        request: Request | int,
        body: bytes = b"ok",
        *,
        status: int = 200,
        headers: Pairs = (),
        ends: bool = True,
        trailers: Pairs = (),
    ) -> None:
        """Answer with a body that fits the windows."""
        stream = request if isinstance(request, int) else request.stream
        self.head(stream, status, headers, ends=ends and not body and not trailers)
        if body:
            self.data(stream, body, ends=ends and not trailers)
        if trailers:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()

    def head(self, stream: int, status: int, headers: Pairs = (), *, ends: bool = False) -> None:
        """Send the head of an answer."""
        self.h2.send_headers(stream, [(b":status", b"%d" % status), *headers], end_stream=ends)
        self.flush()

    def data(self, stream: int, body: bytes, *, ends: bool = False) -> None:
        """Send a piece of a body."""
        for start in range(0, len(body), 16384):
            piece = body[start : start + 16384]
            self.h2.send_data(stream, piece, end_stream=ends and start + 16384 >= len(body))
        self.flush()

    async def stream_out(self, stream: int, size: int) -> None:
        """Send that many bytes, as fast as the windows allow, and end; raises when the stream has been given up."""
        while size:
            await self.until(lambda: self.gone or self.h2.local_flow_control_window(stream) > 0, patience=None)
            if self.gone:
                return
            piece = min(size, self.h2.local_flow_control_window(stream), 16384)
            size -= piece
            self.data(stream, bytes(piece), ends=not size)
            await self.writer.drain()

    def flush(self) -> None:
        """Send what the library has ready."""
        self.raw(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        if data and not self.writer.transport.is_closing():
            self.writer.write(data)

    async def read(self) -> None:
        """Take what comes until the other side leaves."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await self.reader.read(65536):
                try:
                    for event in self.h2.receive_data(data):
                        self._note(event)
                except ProtocolError as error:
                    self.broken = repr(error)
                self.flush()
                await self._tell()
        self.gone = True
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _note(self, event: Event) -> None:
        match event:
            case RequestReceived():
                fields = tuple((name, value) for name, value in event.headers)
                self.requests[event.stream_id] = Request(event.stream_id, fields)
                self.most_open = max(self.most_open, self.h2.open_inbound_streams)
            case DataReceived():
                self.requests[event.stream_id].body += event.data
                if not self.holding:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.requests[event.stream_id].ended = True
            case TrailersReceived():
                self.requests[event.stream_id].trailers = tuple((name, value) for name, value in event.headers)
            case StreamReset():
                self.resets.append((event.stream_id, event.error_code))
            case ConnectionTerminated():
                self.goodbyes.append(event)
            case SettingsAcknowledged():
                self.acknowledged.append(b"settings")
            case PingAckReceived():
                self.acknowledged.append(event.ping_data)
            case _:
                pass


class Upstream2:
    """An upstream that serves each connection with ``script``; ``peers`` are all there have been."""

    def __init__(self, script: Script, *, greets: bool) -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self._script = script
        self._greets = greets
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> list[Request]:
        """All requests, connection by connection."""
        return [request for peer in self.peers for request in peer.requests.values()]

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        if self._greets:
            peer.greet()
        reading = asyncio.create_task(peer.read())
        # Streams complain about handlers that are cancelled when the upstream stops.
        with contextlib.suppress(ConnectionError, StreamClosedError, asyncio.CancelledError):
            try:
                await self._script(peer)
                await reading
            finally:
                reading.cancel()
        writer.close()

    async def stop(self) -> None:
        """End all scripts; raises what went wrong in one."""
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            # Over TLS, early releases of Python 3.11 cannot abort what is closed already.
            with contextlib.suppress(AttributeError):
                peer.writer.transport.abort()
        await asyncio.sleep(0.01)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome


@asynccontextmanager
async def upstream2(
    script: Script, *, tls: ssl.SSLContext | None = None, greets: bool = True
) -> AsyncGenerator[Upstream2]:
    """A scripted upstream on a port of 127.0.0.1, which begins with SETTINGS unless its script does."""
    scripted = Upstream2(script, greets=greets)
    server = await asyncio.start_server(scripted.accept, "127.0.0.1", 0, ssl=tls)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        await scripted.stop()


@asynccontextmanager
async def client2(
    port: int,
    *,
    limit: int | None = None,
    queue: int = 1000,
    expiry: float = 45.0,
    tls: ssl.SSLContext | None = None,
    patience: float = PATIENCE * 2,
) -> AsyncGenerator[Http2Transport]:
    """Our transport to that port; when it is closed, no stream and no task may be left."""
    origin = Origin("https" if tls else "http", "127.0.0.1", port, "provider.test" if tls else None)
    before = asyncio.all_tasks()
    transport = Http2Transport(origin, tls, limit=limit, queue=queue, expiry=expiry)
    try:
        async with asyncio.timeout(patience):
            yield transport
    finally:
        await transport.aclose()
    await soon(lambda: not [each for each in asyncio.all_tasks() - before if "http2" in repr(each.get_coro())])


def serving(answers: Callable[[Peer, Request], None]) -> Script:
    """Answers each request, when it is whole, with what ``answers`` does."""

    async def script(peer: Peer) -> None:
        done: set[int] = set()
        while True:
            await peer.until(lambda: peer.gone or any(each.ended for each in peer.open(done)), patience=None)
            for request in [each for each in peer.open(done) if each.ended]:
                done.add(request.stream)
                answers(peer, request)
            if peer.gone:
                return

    return script


def ok(peer: Peer, request: Request) -> None:
    """200 ok."""
    peer.answer(request)


def pairs(headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """Plain pairs."""
    return tuple((name, value) for name, value in headers)
