"""Header blocks, decoded (RFC 7541): one decoder for each connection, for its table is what both sides remember.

Facts
- A block is decoded to its end whatever it holds, or the table would differ from the client's: a field that HTTP
  forbids and a head that is too large are told after that, and concern their stream only.
- A field is looked at when it comes as a literal, once; what the table holds has been looked at.
- The table never holds more than 4096 bytes: we announce no other size.
"""

from collections import deque

from gateway_filters.http2.faults import ConnectionFault, ErrorCode, HeadTooLarge, StreamFault
from gateway_filters.http2.huffman import decoded
from gateway_filters.http2.integers import integer
from gateway_filters.http2.limits import Http2Limits
from gateway_filters.http2.static_table import STATIC, Field

_TABLE_BYTES = 4096
_ENTRY_BYTES = 32
_PSEUDO = frozenset((b":authority", b":method", b":path", b":scheme"))
# RFC 9110 5.6.2 without upper case (RFC 9113 8.2.1), and without "_", which some servers take for "-".
_NAME = b"!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyz"
# RFC 9110 5.5: no control characters but the tab.
_VALUE = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
_KNOWN = (None, *STATIC)


class _Forbidden(tuple[bytes, bytes]):
    """A field that HTTP forbids; it has its place in the table like any other."""

    __slots__ = ()


class Decoder:
    """Decodes the header blocks of one connection, in the order in which they come.

    ``changes`` counts how often its table has become another.
    """

    __slots__ = ("_fields", "_line", "_room", "_size", "_table", "_table_bytes", "changes")

    def __init__(self, limits: Http2Limits) -> None:
        self._room = limits.header_bytes
        self._fields = limits.header_fields
        self._line = limits.header_line
        self._table: deque[Field] = deque()
        self._size = 0
        self._table_bytes = _TABLE_BYTES
        self.changes = 0

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a block.

        Raises ``ConnectionFault`` for one that cannot be decoded; ``StreamFault`` where a field is one that HTTP
        forbids, ``HeadTooLarge`` where the head is too large: both after the whole block.
        """
        fields: list[Field] = []
        try:
            fits, forbidden = self._decode(block, fields)
        except (IndexError, ValueError):
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a header block that cannot be decoded") from None
        if not fits:
            raise HeadTooLarge("the head of a request is too large")
        if forbidden:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a field has a name or a value that HTTP forbids")
        return fields

    def _decode(self, block: bytes, fields: list[Field]) -> tuple[bool, bool]:
        """Decode into ``fields``; gives whether it was small enough to do so, and whether any field is forbidden."""
        at, end, room, forbidden = 0, len(block), self._room, False
        while at < end:
            first = block[at]
            if first >= 0x80:
                index, at = integer(block, at, 0x7F)
                field = self._entry(index)
            elif first >= 0x40:
                field, at = self._literal(block, at, 0x3F)
                self._remember(field)
            elif first >= 0x20:
                if fields or room != self._room:
                    raise ValueError("a change of the table's size after a field")
                at = self._resize(block, at)
                continue
            else:
                field, at = self._literal(block, at, 0x0F)
            room -= len(field[0]) + len(field[1]) + _ENTRY_BYTES
            if room < 0 or len(fields) == self._fields or len(field[1]) > self._line:
                room = -1
            elif type(field) is not tuple:
                forbidden = True
            else:
                fields.append(field)
        return room >= 0, forbidden

    def _entry(self, index: int) -> Field:
        if index > 61:
            return self._table[index - 62]
        field = _KNOWN[index]
        if field is None:
            raise ValueError("index 0")
        return field

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[Field, int]:
        index, at = integer(block, at, mask)
        if index:
            entry = self._entry(index)
            name, allowed = entry[0], type(entry) is tuple or _is_name(entry[0])
        else:
            name, at = _string(block, at)
            allowed = _is_name(name)
        value, at = _string(block, at)
        if allowed and not value.translate(None, _VALUE) and value.strip(b" \t") == value:
            return (name, value), at
        return _Forbidden((name, value)), at

    def _remember(self, field: Field) -> None:
        self.changes += 1
        self._table.appendleft(field)
        self._size += len(field[0]) + len(field[1]) + _ENTRY_BYTES
        if self._size > self._table_bytes:
            self._forget()

    def _forget(self) -> None:
        while self._size > self._table_bytes:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + _ENTRY_BYTES

    def _resize(self, block: bytes, at: int) -> int:
        size, at = integer(block, at, 0x1F)
        if size > _TABLE_BYTES:
            raise ValueError("a table larger than was allowed")
        self._table_bytes = size
        self.changes += 1
        self._forget()
        return at


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    packed = block[at] >= 0x80
    length, start = integer(block, at, 0x7F)
    stop = start + length
    if stop > len(block):
        raise ValueError("a string that does not end")
    text = block[start:stop]
    return (decoded(text) if packed else text), stop


def _is_name(name: bytes) -> bool:
    return (bool(name) and not name.translate(None, _NAME)) or name in _PSEUDO
