"""One request and its answer on a connection: the ``receive`` and ``send`` of an ASGI app."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

from starlette.types import ASGIApp, Message, Scope

from gateway_filters.errors import GatewayFiltersError
from gateway_filters.message.sent import SENT

if TYPE_CHECKING:
    from uvicorn.protocols.http.flow_control import FlowControl

_log = logging.getLogger("gateway_filters.run")

_HIGH = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = (204, 304)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {_PHRASES.get(code, '')}".encode() for code in range(100, 600)}


class Wire(Protocol):
    """The connection, as a cycle sees it."""

    transport: asyncio.Transport
    flow: "FlowControl"
    tasks: set[asyncio.Task[None]]
    loop: asyncio.AbstractEventLoop

    def answered(self, cycle: "Cycle") -> None:
        """The answer is complete."""
        ...

    def failed(self, cycle: "Cycle", *, started: bool) -> None:
        """The app has ended without a complete answer."""
        ...


class Cycle:
    """A request that is being answered. ``more_body``: the client has not sent all of it."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_left",
        "_pieces",
        "_queued",
        "_told",
        "_transport",
        "_waiter",
        "_wire",
        "disconnected",
        "expects_continue",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "task",
    )

    def __init__(self, wire: Wire, scope: Scope, *, body: bytes | None, keep_alive: bool, expects: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects_continue = expects
        self.more_body = body is None
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.task: asyncio.Task[None] | None = None
        self._wire = wire
        self._transport = wire.transport
        self._pieces: deque[bytes] = deque((body,)) if body else deque()
        self._queued = 0
        self._told = False
        self._waiter: asyncio.Future[None] | None = None
        self._chunked = False
        self._left = 0
        self._bodiless = False

    async def run(self, app: ASGIApp) -> None:
        """Call the app, once, unless the request has been refused meanwhile; a failure is the connection's to show."""
        try:
            if not self.disconnected:
                await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            _log.info("a request was cut: its time was over")
        except BaseException as error:  # noqa: BLE001 - whatever it is, the connection goes on or is cut, never hangs
            # Of ours ``Failures`` has told.
            if not self.disconnected and not isinstance(error, GatewayFiltersError):
                _log.exception("the app failed")
        finally:
            self._wire.tasks.discard(cast("asyncio.Task[None]", self.task))
            self.task = None
            if not self.response_complete and not self.disconnected:
                self._wire.failed(self, started=self.response_started)

    # The client's side

    def take(self, piece: bytes) -> None:
        """A piece of the body has come."""
        self._pieces.append(piece)
        self._queued += len(piece)
        if self._queued >= _HIGH:
            self._wire.flow.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self.more_body = False
        self._wake()

    def disconnect(self) -> None:
        """The client has gone, or is to be treated so."""
        if not self.response_complete:
            self.disconnected = True
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # The app's side

    async def receive(self) -> Message:
        """The next piece of the body; after the last one, the client's departure."""
        if self.expects_continue and not self._transport.is_closing():
            self._transport.write(_CONTINUE)
            self.expects_continue = False
        while not (self.disconnected or self.response_complete):
            if self._pieces or not (self.more_body or self._told):
                return self._message()
            self._wire.flow.resume_reading()
            waiter = self._waiter = self._wire.loop.create_future()
            await waiter
        return {"type": "http.disconnect"}

    def _message(self) -> Message:
        pieces = self._pieces
        body = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._queued = 0
        self._told = not self.more_body
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def send(self, message: Message) -> Awaitable[None]:
        """Write a part of the answer; what is awaited is that the client reads."""
        if self._wire.flow.write_paused and not self.disconnected:
            return self._send_later(message)
        if not self.disconnected:
            self._write(message)
        return SENT

    async def _send_later(self, message: Message) -> None:
        await self._wire.flow.drain()
        if not self.disconnected:
            self._write(message)

    def _write(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._write_body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._write_head(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"the app sent {kind!r} out of turn")

    def _write_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        if self.expects_continue and self.more_body:
            self.keep_alive = False  # it was not asked for its body: nobody knows whether that or a request comes next
        self.expects_continue = False
        self._bodiless = status in _BODILESS or self.scope["method"] == "HEAD"
        lines = [_STATUS_LINES[status]]
        length: bytes | None = None
        for pair in headers:
            name = pair[0]
            if name == b"content-length":
                length = pair[1]
            elif name == b"connection":
                self.keep_alive = self.keep_alive and b"close" not in pair[1].lower()
                continue
            elif name == b"transfer-encoding":
                continue
            lines.append(b": ".join(pair))
        if length is not None:
            self._left = int(length)
        elif not self._bodiless:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            lines.append(b"connection: close")
        lines += (b"", b"")
        block = b"\r\n".join(lines)
        # Nothing inside may begin a line of its own (CWE-93): one count guards all of it.
        ends = len(lines) - 1
        if block.count(b"\n") != ends or block.count(b"\r") != ends:
            self.response_started = False
            raise RuntimeError("a response header holds a line end")
        self._transport.write(block)

    def _write_body(self, body: bytes, *, more: bool) -> None:
        if self._bodiless:
            self._left = 0
        elif self._chunked:
            if body:
                self._transport.write(b"%x\r\n%b\r\n" % (len(body), body))
            if not more:
                self._transport.write(b"0\r\n\r\n")
        elif body:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the answer is longer than its content-length")
            self._transport.write(body)
        if not more:
            if self._left:
                raise RuntimeError("the answer is shorter than its content-length")
            self.response_complete = True
            self._wake()
            self._wire.answered(self)
