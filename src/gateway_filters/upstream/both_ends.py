"""What only a client and an upstream that both speak HTTP/2 can have.

Facts
- A stream without a Content-Length says nothing of its body before it ends, and in gRPC either side may wait for
  the other to begin. So such a request leaves at once, and its body follows.
- A client that takes trailers says so with ``TE: trailers``, which gRPC's servers look for.
- ASGI knows trailers of answers (its HTTP Trailers extension), and a server that takes them must be told so with
  the head; there are none for requests.
- To a client of HTTP/1.1 an upstream of HTTP/2 is as any other, and trailers are dropped.
"""

from starlette.types import Scope

from gateway_filters.message.head import RequestHead
from gateway_filters.upstream.transport import Framing

TRAILERS = "http.response.trailers"
"""The extension's name, and its message's."""

_MOSTLY_BODILESS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE"))


def speaks_http2(scope: Scope) -> bool:
    """Whether the client speaks HTTP/2, or what came after it."""
    return not scope.get("http_version", "1.1").startswith("1")


def takes_trailers(scope: Scope) -> bool:
    """Whether the server passes trailers on to the client."""
    return TRAILERS in (scope.get("extensions") or ())


def taking_trailers(head: RequestHead) -> list[tuple[bytes, bytes]]:
    """The client's own words on that, which are hop by hop; the transport sends no other word than ``trailers``."""
    return [pair for pair in head.headers if pair[0] == b"te"]


def framing_ahead(head: RequestHead, framing: Framing) -> Framing:
    """How the body is framed, where nothing is known of it and the request is not to wait for it."""
    return "chunked" if framing is None and head.method not in _MOSTLY_BODILESS else framing
