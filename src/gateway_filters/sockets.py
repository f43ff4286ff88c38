"""Sockets: a uvicorn server for each address and port, opened and closed one by one."""

import asyncio
import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp

from gateway_filters.arrivals import Arrivals
from gateway_filters.errors import ConfigurationError
from gateway_filters.frontend_tls import FrontendTLS
from gateway_filters.http1.limits import Limits
from gateway_filters.http1.watch import Watch
from gateway_filters.http2 import Http2Limits
from gateway_filters.negotiation import Negotiation
from gateway_filters.routing import Listener, Socket, place_of
from gateway_filters.upstream import WebSocketLimits

if TYPE_CHECKING:
    from uvicorn import Server

_BACKLOG = 2048
_AHEAD = 128 * 1024  # bytes of an answer that wait in the system
_QUESTIONS = 3  # to a client that says nothing, before it is taken for gone


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What clients of a process may take, in either protocol; ``http1`` has the limits on connections of both."""

    http1: Limits = field(default_factory=Limits)
    http2: Http2Limits = field(default_factory=Http2Limits)


class TakenError(ConfigurationError):
    """A socket that cannot be had."""


class Door:
    """A socket that is served."""

    def __init__(self, bound: socket.socket, server: "Server", url: str, tls: FrontendTLS | None, watch: Watch) -> None:
        self.url = url
        self.tls = tls
        self._bound = bound
        self._server = server
        self._watch = watch
        self._task = asyncio.create_task(self._serve())

    @property
    def busy(self) -> int:
        """How many requests are being answered."""
        return len(self._server.server_state.tasks)

    def admit(self, *, nobody: bool) -> None:
        """Have ``nobody`` else come in, or everybody again whom the limits let in."""
        self._watch.full = nobody

    def show(self, listeners: Sequence[Listener]) -> None:
        """Use the certificates of ``listeners`` from the next handshake on.

        Connections of clients who were judged in another way end with the answers that are under way.
        """
        if self.tls is not None and self.tls.show(listeners):
            for connection in tuple(self._server.server_state.connections):
                connection.shutdown()

    def announce_end(self) -> None:
        """Go on as before, but have clients of HTTP/1.1 make another connection for each request.

        Those of HTTP/2 lose nothing when they are told late, and would only come back to this door.
        """
        from gateway_filters.http1.protocol import GatewayProtocol  # noqa: PLC0415 - needs the extra

        self._watch.ending = True
        for connection in tuple(self._server.server_state.connections):
            if isinstance(connection, GatewayProtocol):
                connection.announce_end()

    def stop(self) -> None:
        """Accept no more connections, at once."""
        for listening in self._server.servers:
            listening.close()
        self._bound.close()
        self._server.should_exit = True

    async def close(self) -> bool:
        """Accept no more connections and end when those that are open have been answered, or their time is over.

        Gives whether all have been answered.
        """
        self.stop()
        return await self._task

    async def _serve(self) -> bool:
        await self._server.main_loop()
        await self._server.shutdown(sockets=[self._bound])
        return not self._server.server_state.tasks


async def open_door(
    bound: socket.socket, app: ASGIApp, tls: FrontendTLS | None, limits: ServerLimits, *, drain: int
) -> Door:
    """Serve ``app`` at a socket that is bound, over TLS where ``tls`` is given.

    HTTP/1.1 and HTTP/2, within their ``limits``: as TLS agrees, or as a client's first bytes show. When the
    door is closed, requests that are being answered have ``drain`` seconds more. Raises ``ConfigurationError`` when
    uvicorn is not installed.
    """
    watch = Watch(limits.http1)
    _notice_who_is_gone(bound, max(limits.http1.write_idle, limits.http2.write_seconds))
    _take_little_ahead(bound)
    server = _server(app, limits, watch, drain)
    server.servers = [await _listen(server, bound, tls, watch)]
    server.started = True
    scheme = "http" if tls is None else "https"
    return Door(bound, server, f"{scheme}://{place_of(bound.getsockname()[:2])}", tls, watch)


async def _listen(
    server: "Server", bound: socket.socket, tls: FrontendTLS | None, watch: Watch
) -> asyncio.base_events.Server:
    """What uvicorn's own ``startup`` does with a socket that is bound, which has no count and no time of handshakes."""
    config, state = server.config, server.server_state
    protocol = partial(config.http_protocol_class, config=config, server_state=state, app_state=server.lifespan.state)
    if tls is None:
        return await asyncio.get_running_loop().create_server(protocol, sock=bound, backlog=config.backlog)
    seconds = watch.limits.head_seconds
    arrivals = Arrivals(bound, protocol, tls.context, watch=watch, connections=state.connections, seconds=seconds)
    return cast("asyncio.base_events.Server", arrivals)


def _notice_who_is_gone(bound: socket.socket, seconds: float) -> None:
    """Have the system ask for clients that are gone without a word, and give up those that acknowledge nothing so long.

    Whoever is accepted inherits it. Without, it goes on sending for a quarter of an hour, and never asks those to whom
    there is nothing to send (RFC 1122 4.2.3.6, RFC 5482); each system has its own of these options.
    """
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    times = {
        "TCP_KEEPIDLE": math.ceil(seconds),
        "TCP_KEEPINTVL": math.ceil(seconds / _QUESTIONS),
        "TCP_KEEPCNT": _QUESTIONS,
        "TCP_USER_TIMEOUT": math.ceil(seconds * 1000),
    }
    for name, value in times.items():
        option = getattr(socket, name, None)
        if option is not None:
            bound.setsockopt(socket.IPPROTO_TCP, option, value)


def _take_little_ahead(bound: socket.socket) -> None:
    """Have the system take no more of an answer than it sends, and a little.

    Whoever is accepted inherits it. Without, it takes megabytes for a client that reads nothing, out of what all
    connections of the machine have for it (tcp_mem), and where that is used up all of them stand still. What is on its
    way does not count, so nothing is sent later than before.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        bound.setsockopt(socket.IPPROTO_TCP, option, _AHEAD)


def bind(place: Socket) -> socket.socket:
    """A socket that listens at ``place`` (address and port); raises ``TakenError`` when it cannot be had."""
    address, port = place
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio sends without delay only where a socket says that it is TCP.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise TakenError(f"cannot listen at {address} port {port}: {error.strerror}") from error
    bound.setblocking(False)  # noqa: FBT003 - the stdlib's signature
    return bound


def _server(app: ASGIApp, limits: ServerLimits, watch: Watch, drain: int) -> "Server":
    try:
        from uvicorn import Config, Server  # noqa: PLC0415 - an extra

        from gateway_filters.http1.protocol import GatewayProtocol  # noqa: PLC0415 - needs the extra
        from gateway_filters.http1.websocket import GatewayWebSocket  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise ConfigurationError("serving needs the extra gateway-filters[standard]") from None
    speaking = partial(Negotiation, partial(GatewayProtocol, watch=watch), limits.http2, watch)
    config = Config(
        app,
        http=cast("type[asyncio.Protocol]", speaking),
        ws=cast("type[asyncio.Protocol]", partial(GatewayWebSocket, watch=watch)),
        ws_max_size=WebSocketLimits().message_bytes,
        # Each connection would cost what compresses and what unpacks, and memory for both.
        ws_per_message_deflate=False,
        interface="asgi3",
        lifespan="off",
        # The answers are the upstream's: no header of our own.
        server_header=False,
        date_header=False,
        proxy_headers=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=drain,
    )
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
