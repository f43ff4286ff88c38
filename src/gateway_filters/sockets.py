"""Sockets: a uvicorn server for each address and port, opened and closed one by one."""

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp

from gateway_filters.errors import ConfigurationError
from gateway_filters.frontend_tls import FrontendTLS
from gateway_filters.http2 import Http2Limits
from gateway_filters.negotiation import Negotiation

if TYPE_CHECKING:
    from uvicorn import Server

_BACKLOG = 2048
_DRAIN_SECONDS = 30


class Door:
    """A socket that is served."""

    def __init__(self, bound: socket.socket, server: "Server", url: str, tls: FrontendTLS | None) -> None:
        self.url = url
        self.tls = tls
        self._bound = bound
        self._server = server
        self._task = asyncio.create_task(self._serve())

    def stop(self) -> None:
        """Accept no more connections, at once."""
        for listening in self._server.servers:
            listening.close()
        self._bound.close()
        self._server.should_exit = True

    async def close(self) -> None:
        """Accept no more connections and end when those that are open have been answered."""
        self.stop()
        await self._task

    async def _serve(self) -> None:
        await self._server.main_loop()
        await self._server.shutdown(sockets=[self._bound])


async def open_door(place: tuple[str, int], app: ASGIApp, tls: FrontendTLS | None, http2: Http2Limits) -> Door:
    """Bind ``place`` (address and port) and serve ``app`` there, over TLS where ``tls`` is given.

    HTTP/1.1 and, within the limits of ``http2``, HTTP/2: as TLS agrees, or as a client's first bytes show.

    Raises ``ConfigurationError`` when the address cannot be bound or uvicorn is not installed.
    """
    address, port = place
    bound = _bind(address, port)
    server = _server(app, tls, http2)
    await server.startup(sockets=[bound])
    host = f"[{address}]" if ":" in address else address
    scheme = "http" if tls is None else "https"
    return Door(bound, server, f"{scheme}://{host}:{port}", tls)


def _bind(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise ConfigurationError(f"cannot listen at {address} port {port}: {error.strerror}") from error
    bound.setblocking(False)  # noqa: FBT003 - the stdlib's signature
    return bound


def _server(app: ASGIApp, tls: FrontendTLS | None, http2: Http2Limits) -> "Server":
    try:
        from uvicorn import Config, Server  # noqa: PLC0415 - an extra

        from gateway_filters.http1.protocol import GatewayProtocol, Watch  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise ConfigurationError("serving needs the extra gateway-filters[standard]") from None
    watch = Watch()
    speaking = partial(Negotiation, partial(GatewayProtocol, watch=watch), http2, watch)
    config = Config(
        app,
        http=cast("type[asyncio.Protocol]", speaking),
        interface="asgi3",
        lifespan="off",
        # The answers are the upstream's: no header of our own.
        server_header=False,
        date_header=False,
        proxy_headers=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    config.load()
    config.ssl = None if tls is None else tls.context
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
