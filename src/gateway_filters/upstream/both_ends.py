"""What only a client and an upstream that both speak HTTP/2 can have.

Facts
- A stream without a Content-Length says nothing of its body before it ends, and in gRPC either side may wait for
  the other to begin. So such a request leaves at once, and its body follows.
- A client that takes trailers says so with ``TE: trailers``, which gRPC's servers look for.
- ASGI knows trailers of answers (its HTTP Trailers extension), and a server that takes them must be told so with
  the head. Those of requests come as ``message.trailers`` says.
- Where a credential is injected, trailers of the request stay here: lists of what goes along name fields of heads,
  and a server that merges trailers into its head would take the client's word beside the gateway's.
- To a client of HTTP/1.1 an upstream of HTTP/2 is as any other, and trailers are dropped, in both directions.
"""

from collections.abc import Sequence
from typing import Any

from starlette.types import Scope

from gateway_filters.asgi.scope import INJECTED
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers
from gateway_filters.message.trailers import REQUEST_TRAILERS, passed_behind
from gateway_filters.upstream.transport import Framing, OutgoingRequest

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


class Trailed(OutgoingRequest):
    """A request with fields behind its body, which are in ``coming`` as soon as that is complete."""

    __slots__ = ("_coming",)

    def __init__(self, request: OutgoingRequest, coming: Sequence[tuple[bytes, bytes]]) -> None:
        kept = (request.body, request.framing, request.repeat, request.client)
        super().__init__(request.method, request.target, request.headers, *kept)
        self._coming = coming

    def trailers(self) -> Headers:
        """Those that may be sent."""
        return passed_behind(self._coming, self.headers)


def trailing(request: OutgoingRequest, scope: Scope, head: RequestHead) -> OutgoingRequest:
    """``request`` with the trailers of the client, where the server tells them and nothing speaks against them."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    told = extensions.get(REQUEST_TRAILERS)
    return request if told is None or head.injected or INJECTED in scope else Trailed(request, told["headers"])


def framing_ahead(head: RequestHead, framing: Framing) -> Framing:
    """How the body is framed, where nothing is known of it and the request is not to wait for it.

    One that has no bytes is waited for, since there may be trailers behind it.
    """
    if framing == 0:
        return None
    return "chunked" if framing is None and head.method not in _MOSTLY_BODILESS else framing
