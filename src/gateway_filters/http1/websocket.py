"""The server side of a WebSocket: uvicorn's, quieter, and bounded where it is not.

Facts
- uvicorn pauses reading while a message waits for the app, waits for the client in ``send``, answers pings, sends
  its own every 20 seconds, and refuses messages over its limit with 1009.
- It logs each handshake with its query, which may hold a credential.
- It writes a pong for each ping, also to a client that reads none of them.
- Of a connection that was lost it says 1005, as if the client had closed without a code.
"""

import asyncio
import logging
from asyncio.transports import BaseTransport
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway_filters.http1.protocol import Watch

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

_log = logging.getLogger("gateway_filters.run.websocket")
_log.setLevel(logging.WARNING)


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
        self.logger = _log
        self._watch = watch or Watch()
        self._owed = b""

    def connection_made(self, transport: BaseTransport) -> None:
        """The handshake has come; it was admitted as a request."""
        super().connection_made(transport)
        self._watch.admit(self.client, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._watch.forget(self.client)
        super().connection_lost(exc)

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
