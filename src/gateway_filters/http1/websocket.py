"""The server side of a WebSocket: uvicorn's, quieter, and bounded where it is not.

Facts
- uvicorn pauses reading while a message waits for the app, waits for the client in ``send``, answers pings, sends
  its own every 20 seconds, and refuses messages over its limit with 1009.
- It logs each handshake with its query, which may hold a credential; at DEBUG, below it, all fields and frames.
- It refuses handshakes in text of its own, with what the client has sent in it.
- It writes a pong for each ping, also to a client that reads none of them.
- Of a connection that was lost it says 1005, as if the client had closed without a code.
- It takes a client for lost whose pong it does not read, since the app takes no message.
- It takes all messages of one read, which may be a quarter of a megabyte of empty ones, and keeps the fragments of a
  message one by one, which may be sixteen million of one byte.
- Its parser of handshakes has limits of its own and falls silent over them; so it is told what concerns it, and the
  scope says what the request's head said, which has been checked.
- Closing a connection waits until all has left, for ever if the client reads nothing.
"""

import asyncio
import logging
from asyncio.transports import BaseTransport
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway_filters.http1.refusal import refusal, refusal_body
from gateway_filters.http1.watch import Watch

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
    from uvicorn.server import ServerState
    from websockets.frames import Frame
    from websockets.http11 import Request, Response

_log = logging.getLogger("gateway_filters.run.websocket")
_log.setLevel(logging.WARNING)

# The statuses of refused handshakes that have words of their own.
_TOLD = frozenset((403, 405, 500))
_GOODBYE = 2.0
_PIECE = 4 * 1024
# What the handshake is judged by (RFC 6455 4.2.1).
_CONCERNS = frozenset(
    (
        b"host",
        b"connection",
        b"upgrade",
        b"origin",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    )
)


class GatewayWebSocket(WebSocketsSansIOProtocol):
    """A client's WebSocket; it goes on counting as one of its peer's connections."""

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = self.conn.logger = _log
        self.conn.debug = False
        self._rejection = self.conn.reject
        self.conn.reject = self._reject
        self._watch = watch or Watch()
        self._owed = b""
        self._kept = bytearray()
        self._told: Scope = {}
        self._cut: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport, told: Scope) -> None:
        """Take over a connection with the handshake that ``told``, the scope of a request, says."""
        self._told = told
        self.connection_made(transport)
        fields = [b": ".join(pair) for pair in told["headers"] if pair[0] in _CONCERNS]
        self.data_received(b"\r\n".join((told["method"].encode("ascii") + b" / HTTP/1.1", *fields, b"", b"")))
        if not self.handshake_initiated:
            transport.write(b"".join(self.conn.data_to_send()) or refusal(400, "a handshake that cannot be read"))
            transport.close()
        if transport.is_closing():
            self._cut_after(self._watch.limits.write_idle)

    def _reject(self, status: int, text: str) -> "Response":
        """A refusal of the library's, in constant words; its own repeat what the client has sent."""
        response = self._rejection(status, text)
        told = response.status_code if response.status_code in _TOLD else 400
        body = refusal_body(told, "a handshake that cannot be answered")
        response.body = body
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            del response.headers[name]
            response.headers[name] = value
        return response

    def handle_connect(self, event: "Request") -> None:
        """The handshake is one that can be answered; the app is called with what the request said."""
        super().handle_connect(event)
        if not self.close_sent:
            told = {name: self._told[name] for name in ("path", "raw_path", "query_string", "headers")}
            self.scope = cast("Any", {**self.scope, **told})

    def connection_made(self, transport: BaseTransport) -> None:
        """The handshake has come; it was admitted as a request."""
        super().connection_made(transport)
        self._watch.admit(self.client, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._watch.forget(self.client)
        if self._cut is not None:
            self._cut.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take messages until one waits for the app; what comes behind it waits as it is."""
        self._kept += data
        while self._kept and not (self.read_paused or self.transport.is_closing()):
            piece = bytes(self._kept[:_PIECE])
            del self._kept[:_PIECE]
            super().data_received(piece)

    async def receive(self) -> "ASGIReceiveEvent":
        """The next message; when none waits any more, others are taken."""
        message = await super().receive()
        self.data_received(b"")
        return message

    async def send(self, message: "ASGISendEvent") -> None:
        """Send; messages that wait after the last one are not for the app, but a goodbye may be behind them."""
        await super().send(message)
        self.data_received(b"")

    def handle_cont(self, event: "Frame") -> None:
        """Another fragment of a message: joined, or small ones would weigh many times what they carry."""
        joined = self.frames[0] if isinstance(self.frames[0], bytearray) else bytearray(self.frames[0])
        joined += event.data
        self.frames = [joined]  # type: ignore[list-item]
        if event.fin:
            self.frames = [bytes(joined)]
            self.send_receive_event_to_app()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The app has ended, and so does the connection, at the latest when it had time for all that was sent."""
        super().on_task_complete(task)
        self._cut_after(self.close_timeout + self._watch.limits.write_idle)

    def keepalive_timeout(self) -> None:
        """The client has given no sign, unless we read none; maybe it does not read our goodbye either."""
        if self.read_paused:
            self.stop_keepalive()
            self.start_keepalive()
            return
        super().keepalive_timeout()
        self._cut_after(_GOODBYE)

    def _cut_after(self, seconds: float) -> None:
        if self._cut is not None:
            self._cut.cancel()
        if not self.disconnected:
            self._cut = self.loop.call_later(seconds, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer; of pings that come while the client does not read, only the last one (RFC 6455 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._owed = b"".join(self.conn.data_to_send()[-1:])

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        owed, self._owed = self._owed, b""
        self.transport.write(owed)
