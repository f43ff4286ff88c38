"""A backend's endpoints behind one upstream: the next one is tried when one accepts no connection."""

import ssl
from collections.abc import Sequence
from itertools import count

from gateway_filters.errors import NotConnected
from gateway_filters.routing import HTTP2, NEGOTIATED, Backend, Endpoint
from gateway_filters.upstream import default
from gateway_filters.upstream.app import BareUpstream
from gateway_filters.upstream.negotiated import Negotiated
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.transport import Clocks, IncomingResponse, OutgoingRequest, Resolver, Transport
from gateway_filters.upstream.websocket.limits import WebSocketLimits, WebSockets

_DEFAULT_LIMITS = WebSocketLimits()


def reach(
    backend: Backend,
    *,
    tls: ssl.SSLContext | None,
    http1_tls: ssl.SSLContext | None = None,
    resolve: Resolver | None,
    clocks: Clocks,
    connections: int | None = None,
    websocket_limits: WebSocketLimits = _DEFAULT_LIMITS,
    deny_private: bool | None = None,
) -> BareUpstream:
    """The app that sends requests to ``backend``; its failures are raised.

    ``tls`` is the context for a backend that asks for TLS, which never goes out without, and ``http1_tls`` the one
    for HTTP/1.1 where that is negotiated; ``connections`` is the most that are opened to each endpoint.
    ``deny_private``: endpoints that are names lead to public addresses alone.
    """

    def connect() -> Transport:
        origins = [_origin(backend, each, resolve, deny_private=bool(deny_private)) for each in backend.endpoints]
        transports = [
            _transport(backend, origin, each.unix, (tls, http1_tls), connections)
            for origin, each in zip(origins, backend.endpoints, strict=True)
        ]
        return transports[0] if len(transports) == 1 else FirstReachable(transports)

    websockets = WebSockets(websocket_limits, named=backend.protocol == "ws")
    http2 = backend.protocol in (HTTP2, NEGOTIATED)
    return BareUpstream(connect, name=backend.name, clocks=clocks, http2=http2, websockets=websockets)


class FirstReachable(Transport):
    """Endpoints, of which there is at least one, in turn; one that accepts no connection is passed over."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._transports = tuple(transports)
        self._turn = count()

    @property
    def upgrades(self) -> bool:
        """Whether all of them can."""
        return all(each.upgrades for each in self._transports)

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        """Send to the first endpoint that accepts a connection; raises ``NotConnected`` when none does."""
        start = next(self._turn) % len(self._transports)
        *others, last = self._transports[start:] + self._transports[:start]
        for transport in others:
            try:
                return await transport.send(request, clocks)
            except NotConnected:  # nothing was sent, the body is untouched
                continue
        return await last.send(request, clocks)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports:
            await transport.aclose()


def _origin(backend: Backend, endpoint: Endpoint, resolve: Resolver | None, *, deny_private: bool) -> Origin:
    scheme = "http" if backend.tls is None else "https"
    hostname = None if backend.tls is None else backend.tls.hostname or endpoint.name
    resolving = None if endpoint.unix else resolve
    return Origin(scheme, endpoint.host, endpoint.port, hostname, resolving, deny_private)


def _transport(
    backend: Backend,
    origin: Origin,
    unix: str | None,
    contexts: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
    connections: int | None,
) -> Transport:
    # A context for TLS or none at all: a backend that asks for TLS is an https origin, which is never reached
    # in plain text.
    tls, http1_tls = contexts
    if backend.protocol not in (HTTP2, NEGOTIATED):
        return default.transport_to(origin, tls, unix, connections)
    http2 = default.http2_transport_to(origin, tls, unix, connections)
    if backend.protocol != NEGOTIATED:
        return http2
    return Negotiated(http2, default.transport_to(origin, http1_tls, unix, connections))
