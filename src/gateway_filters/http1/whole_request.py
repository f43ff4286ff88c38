"""Requests that one read holds from the first byte to the last: what nearly every short one is. Pure.

One look by split and memory instead of a dozen calls from a parser. Only what is plain is told here: a known
method, a target in origin form, one Host, names without ``_``, at most one Content-Length, nothing that speaks of
the connection but ``keep-alive``. Whatever else comes is the parser's to tell, or to refuse.
"""

import re
from functools import lru_cache
from urllib.parse import unquote

from gateway_filters.message.query import path_and_query

# Few lines are common; what clients send must not fill the memory, so longer ones are left to the parser.
LONGEST_KNOWN = 512
"""The bytes of the longest line that is told here."""

_MOST_FIELDS = 64
_LONGEST_LENGTH = 18
_METHODS = rb"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_FIRST_LINE = re.compile(rb"(%b) (/[!\"$-~]*) HTTP/1\.1" % _METHODS)
_VALUE = rb"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?"
_FIELD_LINE = re.compile(rb"([!#$%%&'*+.^`|~0-9A-Za-z-]+):[ \t]*((?:%b)?)[ \t]*" % _VALUE)

# Fields that change how the message is read or answered.
_SPECIAL = frozenset(
    (b"transfer-encoding", b"upgrade", b"expect", b"te", b"trailer", b"keep-alive", b"proxy-connection")
)


class WholeRequest:
    """A request: ``method`` and decoded ``path`` as text, all else as bytes, header names in lower case."""

    __slots__ = ("body", "headers", "method", "path", "query", "raw_path")

    def __init__(self, line: tuple[str, str, bytes, bytes], headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.method, self.path, self.raw_path, self.query = line
        self.headers = headers
        self.body = body


def whole_request(data: bytes) -> WholeRequest | None:
    """The request that ``data`` is, if it is exactly one, plain and whole; None where only the parser can tell."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].split(b"\r\n")
    line = _plain_line(first) if len(first) <= LONGEST_KNOWN else None
    if line is None or len(lines) > _MOST_FIELDS:
        return None
    headers: list[tuple[bytes, bytes]] = []
    length = hosts = 0
    for each in lines:
        known = _plain_field(each) if len(each) <= LONGEST_KNOWN else None
        if known is None:
            return None
        header, kind = known
        if kind is not None:
            if kind < 0:
                hosts += 1
            elif length:
                return None
            else:
                length = kind + 1
        headers.append(header)
    body = data[end + 4 :]
    if hosts != 1 or len(body) != (length - 1 if length else 0):
        return None
    return WholeRequest(line, headers, body)


@lru_cache(maxsize=1024)
def _plain_line(line: bytes) -> tuple[str, str, bytes, bytes] | None:
    """Method, decoded path, raw path and query of a request line."""
    found = _FIRST_LINE.fullmatch(line)
    if found is None:
        return None
    method, target = found.groups()
    raw_path, query = path_and_query(target)
    return method.decode(), unquote(raw_path.decode("ascii")), raw_path, query


@lru_cache(maxsize=2048)
def _plain_field(line: bytes) -> tuple[tuple[bytes, bytes], int | None] | None:
    """A field with its name in lower case, and the length that it gives, -1 for a Host, None for any other."""
    found = _FIELD_LINE.fullmatch(line)
    if found is None:
        return None
    name, value = found[1].lower(), found[2]
    if name == b"host":
        return (name, value), -1
    if name == b"content-length":
        return ((name, value), int(value)) if value.isdigit() and len(value) <= _LONGEST_LENGTH else None
    if name in _SPECIAL or (name == b"connection" and value.lower() != b"keep-alive"):
        return None
    return (name, value), None
