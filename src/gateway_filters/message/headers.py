"""Header fields as a tuple of pairs: raw bytes, names in lower case, order and duplicates kept.

Facts
- RFC 9110 5.3: the order of fields of one name matters, and Set-Cookie cannot be joined. So: no dict.
- RFC 9110 7.6.1: a proxy removes ``Connection``, what it names, and the fields that only concern one
  connection. What the *client* names is removed when the head is cut from the scope, before any filter:
  otherwise ``Connection: authorization`` would take off what a filter has put on.
- ``Content-Length``, ``Transfer-Encoding`` and ``Host`` are the message's own frame and destination: naming
  them in ``Connection`` removes nothing, or a second framing could hide behind it.
"""

from collections.abc import Iterable
from functools import lru_cache

Headers = tuple[tuple[bytes, bytes], ...]
"""Header fields: (name in lower case, value) pairs in the order they stood on the wire."""

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields that concern one connection only; never forwarded, in either direction."""

_NEVER_NOMINATED = frozenset((b"content-length", b"host", b"transfer-encoding"))


def values(headers: Headers, name: bytes) -> tuple[bytes, ...]:
    """All values of ``name`` (lower case) in order; empty when it does not occur."""
    return tuple(value for key, value in headers if key == name)


def first(headers: Headers, name: bytes) -> bytes | None:
    """The first value of ``name`` (lower case), or None."""
    for key, value in headers:
        if key == name:
            return value
    return None


def without(headers: Headers, names: Iterable[bytes]) -> Headers:
    """``headers`` without any field whose name is in ``names`` (lower case)."""
    dropped = frozenset(names)
    return tuple([pair for pair in headers if pair[0] not in dropped])


def replaced(headers: Headers, name: bytes, value: bytes) -> Headers:
    """``headers`` with exactly one ``name``, at the end; what was there of that name is gone."""
    return (*[pair for pair in headers if pair[0] != name], (name, value))


def nominated(headers: Headers) -> frozenset[bytes]:
    """The names that the ``Connection`` fields nominate for removal (RFC 9110 7.6.1), in lower case."""
    found: frozenset[bytes] = frozenset()
    for value in values(headers, b"connection"):
        found |= named(value)
    return found


def named(value: bytes) -> frozenset[bytes]:
    """The names that one ``Connection`` field nominates."""
    return _remembered(value) if len(value) <= _LONGEST_KNOWN else _named(value)


def _named(value: bytes) -> frozenset[bytes]:
    return tokens(value) - _NEVER_NOMINATED


# Few values are common; what clients send must not fill the memory, so long ones are taken apart each time.
_LONGEST_KNOWN = 256
_remembered = lru_cache(maxsize=256)(_named)


def tokens(value: bytes) -> frozenset[bytes]:
    """The members of a field that is a list of tokens (RFC 9110 5.6.1), in lower case."""
    members = (member.strip(b" \t").lower() for member in value.split(b","))
    return frozenset(member for member in members if member)


def end_to_end(headers: Headers) -> Headers:
    """``headers`` without the hop-by-hop ones and without those that ``Connection`` nominates."""
    names = nominated(headers)
    return without(headers, HOP_BY_HOP | names if names else HOP_BY_HOP)
