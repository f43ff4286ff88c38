"""What of a client's request is sent on: all of its bytes but those that concern one connection."""

from collections.abc import AsyncIterator

from starlette.types import Scope

from gateway_filters.asgi.retry import COUNTED
from gateway_filters.errors import BadFraming
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import HOP_BY_HOP
from gateway_filters.upstream.request_head import coding, length
from gateway_filters.upstream.transport import Framing, OutgoingRequest

_FRAMES = frozenset((b"content-length", b"transfer-encoding"))
# Whoever took the request has met its expectation (RFC 9110 10.1.1): the body follows at once.
_NOT_SENT = HOP_BY_HOP | {b"expect"}
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}


def forwarded(head: RequestHead) -> tuple[list[tuple[bytes, bytes]], Framing]:
    """The header pairs to send for ``head``, Host first and hop-by-hop ones off, and how its body is framed.

    Raises ``BadFraming`` for framing that two parsers could read differently.
    """
    headers: list[tuple[bytes, bytes]] = [(b"host", head.authority)] if head.authority else []
    framing: Framing = None
    for pair in head.headers:
        name = pair[0]
        if name in _FRAMES:
            if framing is not None:
                raise BadFraming("the request's body is framed twice")
            framing = length(pair[1]) if name == b"content-length" else coding(pair[1])
        if name not in _NOT_SENT:
            headers.append(pair)
    return headers, framing


def outgoing(
    head: RequestHead,
    scope: Scope,
    headers: list[tuple[bytes, bytes]],
    framing: Framing,
    body: AsyncIterator[bytes] | bytes | None,
) -> OutgoingRequest:
    """The request to send; one whose attempts somebody counts may not be sent a second time."""
    if framing == "chunked":
        headers.append((b"transfer-encoding", b"chunked"))
    method = _METHODS.get(head.method) or head.method.decode("latin-1")
    return OutgoingRequest(
        method, head.target, tuple(headers), body, framing, COUNTED not in scope, scope.get("client")
    )
