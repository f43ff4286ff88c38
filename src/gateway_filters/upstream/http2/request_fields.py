"""The head of a request as HTTP/2 has it: pseudo-header fields, then the others. Pure.

Facts
- ``:scheme`` is that of the connection, ``:authority`` the Host, ``:path`` the target byte by byte (RFC 9113 8.3.1).
- Fields of the connection have no place here, and of TE only ``trailers`` (RFC 9113 8.2.2).
- A line end in a value would be a field of its own for the next one who speaks HTTP/1.1 (RFC 9113 10.3).
- Compression remembers values, here and at everyone further on. A credential may stand in any header, so only
  values of the few names below are remembered; all others are marked as never to be (RFC 7541 7.1.3).
"""

import re
from collections.abc import Iterator

from hpack.struct import HeaderTuple, NeverIndexedHeaderTuple

from gateway_filters.errors import BadRequest
from gateway_filters.message.headers import HOP_BY_HOP
from gateway_filters.upstream.request_head import length
from gateway_filters.upstream.transport import OutgoingRequest

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_A_TARGET = re.compile(rb"[^!-~]")
_NOT_IN_A_VALUE = re.compile(rb"[\0\r\n]")
_BLANKS = b" \t"
_CONNECTIONS_OWN = HOP_BY_HOP | {b"host", b"http2-settings"}
_REMEMBERED = frozenset(
    (
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"content-encoding",
        b"content-type",
        b"grpc-accept-encoding",
        b"grpc-encoding",
        b"user-agent",
    )
)


def request_fields(request: OutgoingRequest, scheme: bytes) -> list[HeaderTuple]:
    """The fields of ``request``; raises ``BadRequest`` for a part that cannot be sent as it is."""
    method, target = request.method, request.target
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        raise BadRequest("the request method cannot be forwarded")
    if not target or _NOT_IN_A_TARGET.search(target) is not None:
        raise BadRequest("the request target is not printable ASCII")
    regular = list(_regular(request))
    pseudo = [
        HeaderTuple(b":method", method.encode()),
        HeaderTuple(b":scheme", scheme),
        NeverIndexedHeaderTuple(b":path", target),
    ]
    authority = next((value for name, value in request.headers if name.lower() == b"host"), b"")
    if authority:
        pseudo.append(HeaderTuple(b":authority", _clean(authority)))
    return pseudo + regular


def trailer_fields(request: OutgoingRequest) -> list[HeaderTuple]:
    """The fields behind the body of ``request``, by now; raises ``BadRequest`` for one that cannot be sent as it is."""
    return [_field(name, value) for name, value in request.trailers()]


def body_length(request: OutgoingRequest) -> int | None:
    """How many bytes the head says the body has; None where it does not say.

    Raises ``BadRequest`` for a length that is none.
    """
    if request.framing is not None:
        return None if request.framing == "chunked" else request.framing
    return next((length(value) for name, value in request.headers if name.lower() == b"content-length"), None)


def _regular(request: OutgoingRequest) -> Iterator[HeaderTuple]:
    for given, value in request.headers:
        name = given.lower()
        if name in _CONNECTIONS_OWN:
            if name == b"te" and _takes_trailers(value):
                yield HeaderTuple(b"te", b"trailers")
            continue
        yield _field(name, value)


def _field(name: bytes, value: bytes) -> HeaderTuple:
    if not _NAME.fullmatch(name):
        raise BadRequest("the name of a request header is no token")
    kind = HeaderTuple if name in _REMEMBERED else NeverIndexedHeaderTuple
    return kind(name, _clean(value))


def _takes_trailers(value: bytes) -> bool:
    return any(coding.strip(_BLANKS).lower() == b"trailers" for coding in value.split(b","))


def _clean(value: bytes) -> bytes:
    if _NOT_IN_A_VALUE.search(value) is not None:
        raise BadRequest("a request header holds a line end or NUL")
    return value.strip(_BLANKS)
