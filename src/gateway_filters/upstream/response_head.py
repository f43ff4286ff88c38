"""The head of an answer: what its fields say of its body and its connection. Pure.

Facts
- llhttp, the parser, refuses two lengths, both framings, bad lengths, bare line ends, folded lines, blanks
  before a colon and control bytes by itself, strictly unless told otherwise.
- It takes any byte but line ends in a reason phrase, where control bytes have no place (RFC 9112 4).
- It takes any last transfer coding but ``chunked`` for a body that ends with the connection, and unpacks
  ``gzip, chunked`` to bytes that are still gzip: both are refused here.
- It keeps blanks after a value, which are no part of it (RFC 9112 5.1).
- It swallows empty lines between messages without a word, so the end of a message is looked at here.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from gateway_filters.errors import UpstreamMalformed
from gateway_filters.message.headers import HOP_BY_HOP, Headers, tokens, values

MOST_BYTES = 64 * 1024
MOST_LINES = 100

_LINE_ENDS = b"\r\n"

# Few status and header lines are common; what upstreams send must not fill the memory.
_LONGEST_KNOWN = 512
_LONGEST_LENGTH = 18
_LONGEST_SIZE = 8
_NO_REASON = re.compile(rb"[^\t -~\x80-\xff]")
_SIZE = re.compile(rb"[0-9a-fA-F]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [ -~]*)?")
_FIELD_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*"
)

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields in order, with names as they came."""


class AnswerHead:
    """The status and header fields of an answer, ``fields`` with names as they came, and its framing.

    Raises ``UpstreamMalformed`` for a head that is too large or frames its body in a way that is not understood.
    ``until_close``: the body ends when the connection does.
    """

    __slots__ = ("fields", "headers", "status", "until_close", "version")

    def __init__(self, status: int, fields: Fields, *, bodiless: bool, version: str) -> None:
        if not 200 <= status <= 599:
            raise UpstreamMalformed(f"the status {status} is none")
        if version not in ("1.1", "1.0"):
            raise UpstreamMalformed(f"HTTP/{version} is not spoken here")
        self.status = status
        self.version = version
        self.fields = fields
        self.headers: Headers = tuple([(name.lower(), value) for name, value in fields])
        self.until_close = _until_close(self.headers, version) and not bodiless and status not in (204, 304)


class WholeAnswer:
    """An answer that one read held from its first byte to its last: what nearly every short one is."""

    __slots__ = ("body", "fields", "headers", "status")

    def __init__(self, status: int, fields: Fields, headers: Headers, body: bytes) -> None:
        self.status = status
        self.fields = fields
        self.headers = headers
        self.body = body


def whole_answer(data: bytes) -> WholeAnswer | None:
    """The answer that ``data`` is, if it is one whole, plain answer; None where only the parser can tell.

    Plain: HTTP/1.1, exactly one Content-Length, which is the length of what follows the head, and nothing that
    speaks of the connection. What is plain here is the same to the parser; it is only told faster.
    """
    end = data.find(b"\r\n\r\n")
    if not 0 < end <= MOST_BYTES:
        return None
    first, *lines = data[:end].split(b"\r\n")
    status = _plain_status(first) if len(first) <= _LONGEST_KNOWN else None
    if status is None or len(lines) > MOST_LINES:
        return None
    fields: list[tuple[bytes, bytes]] = []
    headers: list[tuple[bytes, bytes]] = []
    length = -1
    for line in lines:
        known = _plain_field(line) if len(line) <= _LONGEST_KNOWN else None
        if known is None:
            return None
        field, header, size = known
        if size >= 0:
            if length >= 0:
                return None
            length = size
        fields.append(field)
        headers.append(header)
    if length != len(data) - end - 4:
        return None
    return WholeAnswer(status, fields, tuple(headers), data[end + 4 :])


def whole_chunk(data: bytes) -> bytes | None:
    """What is in the chunk that ``data`` is, if it is one whole, plain chunk, not the last; None if it is more or less.

    Streamed events mostly come so. Only for a parser that stands between two chunks, which need not see it.
    """
    end = data.find(b"\r\n", 1, _LONGEST_SIZE + 2)
    if end < 0 or _plain_size(data[:end]) != len(data) - end - 4 or not data.endswith(b"\r\n"):
        return None
    return data[end + 2 : -2]


@lru_cache(maxsize=1024)
def _plain_size(digits: bytes) -> int:
    """How long a chunk is, or -1 for the last one and for what only the parser can tell."""
    return int(digits, 16) or -1 if _SIZE.fullmatch(digits) else -1


@lru_cache(maxsize=256)
def _plain_status(line: bytes) -> int | None:
    found = _STATUS_LINE.fullmatch(line)
    status = 0 if found is None else int(found[1])
    return status if status >= 200 and status not in (204, 304) else None


@lru_cache(maxsize=2048)
def _plain_field(line: bytes) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes], int] | None:
    """A field as it came and with its name in lower case, and the length that it gives, or -1."""
    found = _FIELD_LINE.fullmatch(line)
    if found is None:
        return None
    name, value = found.groups()
    lower = name.lower()
    if lower in HOP_BY_HOP:
        return None
    length = -1
    if lower == b"content-length":
        if not value.isdigit() or len(value) > _LONGEST_LENGTH:
            return None
        length = int(value)
    return (name, value), (lower, value), length


def check_reason(reason: bytes) -> None:
    """Raises ``UpstreamMalformed`` for a piece of a reason phrase that no status line may hold."""
    if _NO_REASON.search(reason) is not None:
        raise UpstreamMalformed("a control byte in its status line")


def check_size(fields: list[tuple[bytes, bytes]], upper_bound: int) -> None:
    """Raises ``UpstreamMalformed`` for too many fields or bytes; ``upper_bound`` bytes are what came in all."""
    if len(fields) > MOST_LINES:
        raise UpstreamMalformed(f"more than {MOST_LINES} header fields")
    if upper_bound > MOST_BYTES and sum(len(name) + len(value) + 4 for name, value in fields) > MOST_BYTES:
        raise UpstreamMalformed(f"header fields of more than {MOST_BYTES} bytes")


def check_switch(fields: Fields, offered: frozenset[bytes]) -> None:
    """Raises ``UpstreamMalformed`` for a 101 to anything but one of the protocols ``offered`` (RFC 9110 15.2.2)."""
    headers = tuple((name.lower(), value) for name, value in fields)
    upgrades = [value.strip(b" \t").lower() for value in values(headers, b"upgrade")]
    meant = any(b"upgrade" in tokens(value) for value in values(headers, b"connection"))
    if not meant or len(upgrades) != 1 or upgrades[0] not in offered:
        raise UpstreamMalformed("it switches to a protocol that nobody asked for")


def ends_exactly(data: bytes, piece: bytes, *, chunked: bool) -> bool:
    """Whether a read that held the end of a message holds no line ends behind it, the one thing the parser hides.

    ``piece`` is the last piece of a body with a length, empty for a message without a body. May say no when it
    cannot tell, which costs a connection and nothing else.
    """
    if piece and not chunked:
        return data[-1] not in _LINE_ENDS or (data.endswith(piece) and not _is_line_ends(piece))
    return len(data) > 4 and data.endswith(b"\r\n\r\n") and data[-5] not in _LINE_ENDS


def _until_close(headers: Headers, version: str) -> bool:
    framed = False
    for name, value in headers:
        if name == b"content-length":
            framed = True
        elif name == b"transfer-encoding":
            if framed or value.lower() != b"chunked" or version == "1.0":
                raise UpstreamMalformed("its transfer-encoding is not one chunked of HTTP/1.1")
            framed = True
    return not framed


def _is_line_ends(piece: bytes) -> bool:
    return not piece.strip(_LINE_ENDS)
