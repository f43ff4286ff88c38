"""Header blocks, encoded (RFC 7541), without remembering anything.

Facts
- The table that an encoder may keep saves bytes of heads only, and would hold what answers said to one user of a
  connection when another's are encoded. Ours has the size 0, which ``NO_TABLE`` says at the beginning of the first
  block: so it can never differ from the client's, whatever size the client allows.
- Names that both sides know are sent as their number; strings go as they are.
"""

from collections.abc import Iterable

from gateway_filters.http2.integers import encoded
from gateway_filters.http2.static_table import STATIC, Field

NO_TABLE = b"\x20"
"""What the first block of a connection must begin with."""

_STATUS = 8
# What concerns an HTTP/1.1 connection (8.2.2), and what is no name.
_DROPPED = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b""))
# Values that nobody on the way may remember (RFC 7541 7.1.3).
_NEVER = frozenset((b"set-cookie", b"authorization", b"proxy-authorization"))
_LENGTHS = tuple(encoded(length, 0x7F) for length in range(1024))
_CONTROL = bytes((*range(0x09), *range(0x0A, 0x20), 0x7F))


def _prefixes() -> dict[bytes, bytes]:
    """The beginning of a literal field, by name."""
    return {
        name: encoded(index, 0x0F, 0x10 if name in _NEVER else 0x00)
        for index, (name, _) in enumerate(STATIC, 1)
        if not name.startswith(b":") and name not in _DROPPED
    }


_PREFIXES = _prefixes()
_STATUSES = {
    **{status: encoded(_STATUS, 0x0F) + b"\x03%d" % status for status in range(100, 1000)},
    **{int(value): bytes((0x80 | index,)) for index, (name, value) in enumerate(STATIC, 1) if name == b":status"},
}


def encoded_head(status: int, fields: Iterable[Field]) -> bytes:
    """The block of an answer's head; raises ``ValueError`` for a status or a value that HTTP does not have."""
    code = _STATUSES.get(status)
    if code is None:
        raise ValueError(f"{status} is no status")
    return code + encoded_fields(fields)


def encoded_fields(fields: Iterable[Field]) -> bytes:
    """The block of ``fields``, such as trailers, without those of an HTTP/1.1 connection and pseudo-headers.

    Raises ``ValueError`` for a value that HTTP does not have.
    """
    parts: list[bytes] = []
    for name, value in fields:
        prefix = _PREFIXES.get(name)
        if prefix is None:
            prefix = _prefix(name)
            if prefix is None:
                continue
        if value.translate(None, _CONTROL) != value:
            raise ValueError("a header's value has a control character")
        length = len(value)
        parts.append(prefix + (_LENGTHS[length] if length < 1024 else encoded(length, 0x7F)) + value)
    return b"".join(parts)


def _prefix(name: bytes) -> bytes | None:
    """The beginning of a literal field whose name has no number; None for one that is left out."""
    name = name.lower()
    if name in _DROPPED or name.startswith(b":"):
        return None
    return _PREFIXES.get(name) or b"\x00" + encoded(len(name), 0x7F) + name
