"""A backend's endpoints behind one upstream: the next one is tried when one accepts no connection."""

import ssl
from collections.abc import Sequence
from itertools import count

from gateway_filters.errors import NotConnected
from gateway_filters.routing import HTTP2, NEGOTIATED, Backend, Endpoint
from gateway_filters.upstream import default
from gateway_filters.upstream.app import BareUpstream, bare_upstream
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.transport import Clocks, IncomingResponse, OutgoingRequest, Resolver, Transport


def reach(backend: Backend, *, tls: ssl.SSLContext | None, resolve: Resolver | None, clocks: Clocks) -> BareUpstream:
    """The app that sends requests to ``backend``; its failures are raised.

    ``tls`` is the context for a backend that asks for TLS, which never goes out without.
    """

    def connect() -> Transport:
        primaries = [_transport(backend, each, tls, resolve) for each in backend.endpoints]
        fallbacks = [_transport(backend, each, tls, resolve) for each in backend.fallback]
        return primaries[0] if len(primaries) == 1 and not fallbacks else FirstReachable(primaries, fallbacks)

    return bare_upstream(connect, name=backend.name, clocks=clocks, http2=backend.protocol in (HTTP2, NEGOTIATED))


class FirstReachable(Transport):
    """Endpoints in turn; one that accepts no connection is passed over, and ``fallbacks`` come after all."""

    def __init__(self, primaries: Sequence[Transport], fallbacks: Sequence[Transport]) -> None:
        self._primaries = tuple(primaries)
        self._fallbacks = tuple(fallbacks)
        self._turn = count()

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        """Send to the first endpoint that accepts a connection; raises ``NotConnected`` when none does."""
        transports = (*self._rotated(), *self._fallbacks)
        for tried, transport in enumerate(transports, 1):
            try:
                return await transport.send(request, clocks)
            except NotConnected:  # nothing was sent, the body is untouched
                if tried == len(transports):
                    raise
        raise NotConnected("the backend has no endpoint")

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in (*self._primaries, *self._fallbacks):
            await transport.aclose()

    def _rotated(self) -> tuple[Transport, ...]:
        if not self._primaries:
            return ()
        start = next(self._turn) % len(self._primaries)
        return self._primaries[start:] + self._primaries[:start]


def _transport(backend: Backend, endpoint: Endpoint, tls: ssl.SSLContext | None, resolve: Resolver | None) -> Transport:
    scheme = "http" if backend.tls is None else "https"
    hostname = None if backend.tls is None else backend.tls.hostname or endpoint.name
    origin = Origin(scheme, endpoint.host, endpoint.port, hostname, None if endpoint.unix else resolve)
    # A context for TLS or none at all: a backend that asks for TLS is an https origin, which is never reached
    # in plain text.
    if backend.protocol == HTTP2:
        return default.http2_transport_to(origin, tls, endpoint.unix)
    if backend.protocol == NEGOTIATED:
        return default.negotiated_transport_to(origin, tls, endpoint.unix)
    return default.transport_to(origin, tls, endpoint.unix)
