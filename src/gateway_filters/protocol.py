"""The server side of a connection: uvicorn's HTTP/1.1 protocol, with what it does not tell an app."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway_filters.frontend_tls import CHOSEN
from gateway_filters.serving import LISTENER


class GatewayProtocol(HttpToolsProtocol):
    """Tells the app, in ``scope["state"]``, which listener a TLS connection was made for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the listener once; each request's scope gets a copy of the state."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        if connection is not None:
            self.app_state = {**self.app_state, LISTENER: getattr(connection, CHOSEN, None)}
