"""Integers of header compression (RFC 7541 5.1): a few bits of a byte, and more bytes where these are all ones."""

from gateway_filters.http2.faults import ConnectionFault, ErrorCode

_LONGEST = 28
"""The highest shift: five more bytes hold any length or index that could be meant."""


def integer(data: bytes, at: int, mask: int) -> tuple[int, int]:
    """The integer that begins in the bits ``mask`` of ``data[at]``, and where it ends.

    Raises ``IndexError`` when it does not end, ``ConnectionFault`` when it is longer than sense.
    """
    number = data[at] & mask
    at += 1
    if number < mask:
        return number, at
    shift = 0
    while True:
        byte = data[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > _LONGEST:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a number in a header block is too long")


def encoded(number: int, mask: int, first: int = 0) -> bytes:
    """``number`` in the bits ``mask`` of a byte whose other bits are ``first``, and as many bytes as it needs."""
    if number < mask:
        return bytes((first | number,))
    number -= mask
    found = [first | mask]
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))
