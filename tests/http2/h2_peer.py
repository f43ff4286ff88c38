"""A client that sends any frame it likes (hyperframe, hpack), and a server in this process for it to send them to."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.http1.limits import Limits
from gateway_filters.http1.protocol import GatewayProtocol
from gateway_filters.http1.watch import Watch
from gateway_filters.http2 import PREFACE, Http2Connection, Http2Limits
from gateway_filters.http2.faults import ErrorCode
from gateway_filters.negotiation import Negotiation

Field = tuple[bytes, bytes]
Kind = TypeVar("Kind", bound=Frame)
PATIENCE = 25.0  # on a busy machine
GET: tuple[Field, ...] = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"test"), (b":path", b"/"))
POST: tuple[Field, ...] = ((b":method", b"POST"), *GET[1:])


@dataclass
class Answer:
    """What came on one stream."""

    heads: list[dict[bytes, bytes]] = field(default_factory=list[dict[bytes, bytes]])
    body: bytes = b""
    ended: bool = False
    reset: ErrorCode | None = None

    @property
    def status(self) -> int:
        """The status of the first head."""
        return int(self.heads[0][b":status"])


class Peer:
    """One connection; ``frames`` are all that came, ``answers`` what they mean for each stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.frames: list[Frame] = []
        self.answers: dict[int, Answer] = {}
        self.encoder = Encoder()
        self._decoder = Decoder()
        self._pings = 0

    def greet(self, settings: dict[int, int] | None = None) -> None:
        """The preface and the first settings."""
        self.writer.write(PREFACE)
        self.send(SettingsFrame(0, settings=settings or {}))

    def send(self, *frames: Frame) -> None:
        """Send frames as they are."""
        self.writer.write(b"".join(frame.serialize() for frame in frames))

    def ask(self, stream: int, fields: Iterable[Field] = GET, *, end: bool = True) -> None:
        """Send a head."""
        frame = HeadersFrame(stream, self.encoder.encode(list(fields)), flags=["END_HEADERS"])
        if end:
            frame.flags.add("END_STREAM")
        self.send(frame)

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send a frame of a body."""
        self.send(DataFrame(stream, data, flags=["END_STREAM"] if end else []))

    def widen(self, stream: int, increment: int) -> None:
        """Open a window."""
        self.send(WindowUpdateFrame(stream, increment))

    def reset(self, stream: int, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """Give a stream up."""
        self.send(RstStreamFrame(stream, error_code=code))

    def deaf(self) -> None:
        """Read nothing from now on.

        What the system keeps meanwhile is left to it: a window that shrinks may stop what is sent the other way, too,
        for all of what comes behind its edge is dropped, and what that acknowledges with it (RFC 9293 3.8.6).
        """
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    async def flood(self, frames: Callable[[int], bytes], closed: Callable[[], bool]) -> None:
        """Send what ``frames`` gives for one stream after the other, until the server has had enough of it.

        How much that is depends on the system, which keeps more or less for who does not read.
        """
        async with asyncio.timeout(PATIENCE):
            for stream in range(1, 2**31, 2):
                self.writer.write(frames(stream))
                if stream % 100 == 1:
                    await asyncio.sleep(0)
                if closed():
                    return

    def hear(self) -> None:
        """Read again."""
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    async def frame(self) -> Frame:
        """The next frame; raises ``IncompleteReadError`` at the end."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(9)
            frame, length = Frame.parse_frame_header(memoryview(head))
            frame.parse_body(memoryview(await self.reader.readexactly(length)))
        self.frames.append(frame)
        self._note(frame)
        return frame

    async def until(self, kind: type[Kind]) -> Kind:
        """The next frame of a kind."""
        while not isinstance(frame := await self.frame(), kind):
            pass
        return frame

    async def answer(self, stream: int) -> Answer:
        """The answer on a stream, whole or reset."""
        while not (answer := self.answers.setdefault(stream, Answer())).ended and answer.reset is None:
            await self.frame()
        return answer

    async def goaway(self) -> ErrorCode:
        """Why the connection ends; nothing comes after that."""
        frame = await self.until(GoAwayFrame)
        assert await self.rest() == b""
        return ErrorCode(frame.error_code)

    async def rest(self) -> bytes:
        """What comes until the connection ends."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def settle(self) -> None:
        """Wait until the server has seen all that was sent, and the apps have had their turn."""
        for _ in range(2):
            self._pings += 1
            payload = b"%08d" % self._pings
            self.send(PingFrame(0, payload))
            while (await self.until(PingFrame)).opaque_data != payload:
                pass

    def _note(self, frame: Frame) -> None:
        answer = self.answers.setdefault(frame.stream_id, Answer())
        if isinstance(frame, HeadersFrame):
            answer.heads.append(
                {bytes(name): bytes(value) for name, value in self._decoder.decode(frame.data, raw=True)}
            )
        elif isinstance(frame, DataFrame):
            answer.body += frame.data
        elif isinstance(frame, RstStreamFrame):
            answer.reset = ErrorCode(frame.error_code)
        answer.ended = answer.ended or "END_STREAM" in frame.flags


@dataclass
class State:
    """What a server of uvicorn's holds of its connections."""

    connections: set[Any] = field(default_factory=set[Any])
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


@dataclass
class Served:
    """What its configuration says."""

    loaded_app: ASGIApp


class Server:
    """Serves ``app``; ``connections`` and ``tasks`` are those that are open."""

    def __init__(self, app: ASGIApp, limits: Http2Limits) -> None:
        self.state = State()
        make = partial(Negotiation, GatewayProtocol, limits, Watch(Limits(connections_of_peer=4)))
        self.protocol = partial(make, config=Served(app), server_state=self.state, app_state={})
        self.port = 0

    @asynccontextmanager
    async def connected(self, settings: dict[int, int] | None = None) -> AsyncGenerator[Peer]:
        """A client that has greeted."""
        async with self.silent() as peer:
            peer.greet(settings)
            yield peer

    @asynccontextmanager
    async def silent(self) -> AsyncGenerator[Peer]:
        """A client that has not."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Peer(reader, writer)
        finally:
            writer.transport.abort()

    async def connection(self) -> Http2Connection:
        """The only connection, once it speaks HTTP/2."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for each in self.state.connections:
                    if isinstance(each, Http2Connection):
                        return each
                await asyncio.sleep(0.001)

    async def apps_ended(self) -> None:
        """Wait until every app has ended."""
        async with asyncio.timeout(PATIENCE):
            while self.state.tasks:  # noqa: ASYNC110 - sets tell nobody
                await asyncio.sleep(0.001)

    async def quiet(self, seconds: float = PATIENCE) -> None:
        """Wait until every connection and every app has ended."""
        async with asyncio.timeout(seconds):
            while self.state.connections or self.state.tasks:  # noqa: ASYNC110 - sets tell nobody
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(app: ASGIApp, **limits: float) -> AsyncGenerator[Server]:
    """A server on a free port; everything it began has ended afterwards."""
    server = Server(app, Http2Limits(**limits))  # pyright: ignore[reportArgumentType] - numbers of either type
    listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
        await server.quiet()
    finally:
        listening.close()


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says hello."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that gives back what it gets, piece by piece."""
    del scope
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


class Seen:
    """An app that writes down its scopes and what it receives, and answers when all of a body is there."""

    def __init__(self, *, reads: bool = True) -> None:
        self.scopes: list[Scope] = []
        self.messages: list[Message] = []
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self.scopes.append(scope)
        while self._reads:
            self.messages.append(await receive())
            if not self.messages[-1].get("more_body", False):
                break
        await hello(scope, receive, send)

    @property
    def headers(self) -> Sequence[Field]:
        """The headers of the only request."""
        (scope,) = self.scopes
        return scope["headers"]


async def forever(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers nothing until its client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def raw(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Any frame, of any length."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload
