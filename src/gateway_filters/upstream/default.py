"""Which transport carries requests when none is given: the one seam where it is chosen.

``transport_to`` is looked up in this module each time, so a test may replace it by ``through_httpx``: then all
requests pass through httpx and httpcore, where tools such as ``respx.mock`` catch them.
"""

import ssl

from gateway_filters.upstream.httpx_transport import HttpxTransport, default_transport
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.transport import Transport


def transport_to(
    origin: Origin, tls: ssl.SSLContext | None, unix: str | None = None, connections: int | None = None
) -> Transport:
    """Our own transport; an https origin without a context is one that nobody vouches for."""
    return NativeTransport(origin, _context(origin, tls), unix=unix, limit=connections)


def http2_transport_to(
    origin: Origin, tls: ssl.SSLContext | None, unix: str | None = None, connections: int | None = None
) -> Transport:
    """Our own transport for origins that speak HTTP/2, which needs an extra and is imported only here."""
    from gateway_filters.upstream.http2 import Http2Transport  # noqa: PLC0415

    return Http2Transport(origin, _context(origin, tls), unix=unix, limit=connections)


def through_httpx(
    origin: Origin, tls: ssl.SSLContext | None, unix: str | None = None, connections: int | None = None
) -> Transport:
    """httpx's own transport instead."""
    return HttpxTransport(origin, default_transport(tls, unix, connections))


def _context(origin: Origin, tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if tls is None and origin.scheme == "https" else tls
