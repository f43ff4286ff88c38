"""The server side of a connection: uvicorn's HTTP/1.1 protocol, with what it does not tell an app or bound."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway_filters.frontend_tls import CHOSEN
from gateway_filters.serving import LISTENER

MOST_HEAD_BYTES = 64 * 1024
"""The longest head of a request; Envoy's limit is 60 KiB."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GatewayProtocol(HttpToolsProtocol):
    """Tells the app, in ``scope["state"]``, which listener a TLS connection was made for; bounds heads."""

    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the listener once; each request's scope gets a copy of the state."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        if connection is not None:
            self.app_state = {**self.app_state, LISTENER: getattr(connection, CHOSEN, None)}

    def data_received(self, data: bytes) -> None:
        """Refuse a head that does not end: the parser would collect it without a limit."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and b"\r\n\r\n" not in data:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Another head may begin."""
        self._in_head = True
        super().on_message_complete()
