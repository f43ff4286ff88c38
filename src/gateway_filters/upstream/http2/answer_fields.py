"""The head and the trailers of an answer as HTTP/2 has them. Pure.

A field that is not allowed makes an answer malformed, which is the error of its stream alone (RFC 9113 8.1.1).
"""

import re
from collections.abc import Iterable

from gateway_filters.errors import UpstreamMalformed
from gateway_filters.message.headers import HOP_BY_HOP, Headers
from gateway_filters.upstream.response_head import MOST_LINES

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NOT_IN_A_VALUE = re.compile(rb"[\0\r\n]")
_STATUS = re.compile(rb"[1-5][0-9][0-9]")
_BLANKS = b" \t"
_CONNECTIONS_OWN = HOP_BY_HOP - {b"te", b"trailer"}
_LONGEST_LENGTH = 18

Pairs = Iterable[tuple[bytes, bytes]]


class AnswerFields:
    """The status, the header pairs, and the length that the answer says of its body.

    Raises ``UpstreamMalformed`` for fields that make none.
    """

    __slots__ = ("headers", "length", "status")

    def __init__(self, fields: Pairs) -> None:
        pairs = list(fields)
        if not pairs or pairs[0][0] != b":status" or not _STATUS.fullmatch(pairs[0][1]):
            raise UpstreamMalformed("its head does not begin with a status")
        self.status = int(pairs[0][1])
        if self.status == 101:
            raise UpstreamMalformed("it switches protocols, which HTTP/2 does not")
        self.headers = _checked(pairs[1:])
        self.length = _length(self.headers)


def trailer_fields(fields: Pairs) -> Headers:
    """Trailers as header pairs; raises ``UpstreamMalformed`` for fields that cannot be any."""
    return _checked(list(fields))


def _checked(pairs: list[tuple[bytes, bytes]]) -> Headers:
    if len(pairs) > MOST_LINES:
        raise UpstreamMalformed(f"more than {MOST_LINES} header fields")
    for name, value in pairs:
        if not _NAME.fullmatch(name):
            raise UpstreamMalformed("the name of a field is no token in lower case")
        if name in _CONNECTIONS_OWN:
            raise UpstreamMalformed(f"a field {name.decode()}, which HTTP/2 does not have")
        if _NOT_IN_A_VALUE.search(value) is not None:
            raise UpstreamMalformed("a field holds a line end or NUL")
    return tuple([(name, value.strip(_BLANKS)) for name, value in pairs])


def _length(headers: Headers) -> int | None:
    lengths = [value for name, value in headers if name == b"content-length"]
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > _LONGEST_LENGTH:
        raise UpstreamMalformed("its content-length is no length")
    return int(lengths[0])
