"""The head of a request as the bytes that go out. Pure: no connection, no clock.

Facts
- One count of line ends over the finished block, against the number of lines it was made of, and a look for
  NUL guard every part of it at once: nothing inside can begin a line of its own (CWE-93).
- A space in a target would end it early for some servers, so a target is visible ASCII (RFC 9112 3.2).
- A body is framed by exactly one Content-Length or one ``Transfer-Encoding: chunked`` (RFC 9112 6.1).
- Names and values go out as they were given: order, duplicates and case.
"""

import re
from typing import Literal

from gateway_filters.errors import BadFraming, BadRequest
from gateway_filters.message.head import IDEMPOTENT
from gateway_filters.message.headers import Headers, tokens
from gateway_filters.upstream.transport import Framing, OutgoingRequest

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHODS = {name: name.encode() for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_VISIBLE = bytes(range(0x21, 0x7F))
_FRAMES = frozenset((b"content-length", b"transfer-encoding"))
_LONGEST_LENGTH = 18
_NONE: frozenset[bytes] = frozenset()


class WireHead:
    """A head ready to be sent: its bytes, how its body is framed, what it means for the connection.

    ``switches`` are the protocols (lower case) that it allows the other side to switch to.
    """

    __slots__ = ("block", "bodiless_answer", "closes", "framing", "repeatable", "switches")

    framing: Framing

    def __init__(self, request: OutgoingRequest) -> None:
        self.block = _block(request)
        # Whoever knows the framing has dropped every Connection field, too.
        if request.framing is None:
            self.framing, self.closes, self.switches = _framing(request.headers)
        else:
            self.framing, self.closes, self.switches = request.framing, False, _NONE
        self.bodiless_answer = request.method == "HEAD"
        self.repeatable = request.repeat and request.method in IDEMPOTENT


def chunk(piece: bytes) -> bytes:
    """A piece of a body as one chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


LAST_CHUNK = b"0\r\n\r\n"


def framed(body: bytes, framing: Framing) -> bytes:
    """A whole body as it goes out; raises ``BadRequest`` when its length is not the one in the head."""
    if framing == "chunked":
        return chunk(body) + LAST_CHUNK if body else LAST_CHUNK
    if len(body) != (framing or 0):
        raise BadRequest(f"the request's body has {len(body)} bytes, its head says {framing or 0}")
    return body


def _block(request: OutgoingRequest) -> bytes:
    target = request.target
    method = _METHODS.get(request.method) or _method(request.method)
    if not target or target.translate(None, _VISIBLE):
        raise BadRequest("the request target is not printable ASCII")
    lines = [b"%b %b HTTP/1.1" % (method, target), *map(b": ".join, request.headers), b"", b""]
    block = b"\r\n".join(lines)
    ends = len(lines) - 1
    if block.count(b"\n") != ends or block.count(b"\r") != ends or b"\0" in block:
        raise BadRequest("a request header holds a line end or NUL")
    return block


def _method(method: str) -> bytes:
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        raise BadRequest("the request method cannot be forwarded")
    return method.encode()


def _framing(headers: Headers) -> tuple[Framing, bool, frozenset[bytes]]:
    frames: list[Framing] = []
    closes = False
    offered, meant = _NONE, False
    for name, value in headers:
        lower = name.lower()
        if lower in _FRAMES:
            frames.append(length(value) if lower == b"content-length" else coding(value))
        elif lower == b"connection":
            closes = closes or b"close" in value.lower()
            meant = meant or b"upgrade" in tokens(value)
        elif lower == b"upgrade":
            offered |= tokens(value)
    if len(frames) > 1:
        raise BadFraming("the request's body is framed twice")
    # Without Connection an Upgrade is a leftover that means nothing (RFC 9110 7.8).
    return (frames[0] if frames else None), closes, offered if meant else _NONE


def length(value: bytes) -> int:
    """A Content-Length's value; raises ``BadFraming`` for what is no length."""
    if not value.isdigit() or len(value) > _LONGEST_LENGTH:
        raise BadFraming("the request's content-length is not a length")
    return int(value)


def coding(value: bytes) -> Literal["chunked"]:
    """A Transfer-Encoding's value; raises ``BadFraming`` for any other than ``chunked``."""
    if value.lower() != b"chunked":
        raise BadFraming("the request's transfer-encoding is not chunked")
    return "chunked"
