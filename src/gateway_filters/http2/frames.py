"""Frames: cut from the bytes that come, and built as bytes to send (RFC 9113 4 and 6).

A frame that comes is a plain tuple (kind, flags, stream, payload): one is made for each frame of each request.
"""

import struct
from collections.abc import Iterator

from gateway_filters.http2.faults import ConnectionFault, ErrorCode

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITISED = 0x20

LARGEST = 16 * 1024
"""The longest payload, in either direction: we announce no other, and every client takes it."""

HEADER_BYTES = 9

Frame = tuple[int, int, int, bytes]

_HEADER = struct.Struct(">HBBBL")
_NUMBER = struct.Struct(">L")
_NUMBERS = struct.Struct(">LL")
_SETTING = struct.Struct(">HL")
_STREAM = 0x7FFFFFFF


class FrameReader:
    """Cuts what comes into frames; keeps the beginning of one, which is never longer than ``LARGEST``."""

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = 0

    @property
    def inside(self) -> int | None:
        """The kind of the frame that has come in part, -1 as long as it is not known; None between frames."""
        if not self._rest:
            return None
        return self._rest[3] if len(self._rest) > 3 else -1

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now; raises ``ConnectionFault`` for one that is too long."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, end = 0, len(data)
        self._needed = HEADER_BYTES
        while end - at >= HEADER_BYTES:
            high, low, kind, flags, stream = _HEADER.unpack_from(data, at)
            length = high << 8 | low
            if length > LARGEST:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame is too long")
            stop = at + HEADER_BYTES + length
            if stop > end:
                self._needed = HEADER_BYTES + length
                break
            yield kind, flags, stream & _STREAM, data[at + HEADER_BYTES : stop]
            at = stop
        if at < end:
            self._rest += data[at:]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """The bytes of a frame."""
    length = len(payload)
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def frame_header(kind: int, flags: int, stream: int, length: int) -> bytes:
    """The bytes before a payload of ``length``, for one that is not joined to it."""
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream)


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def settings_in(payload: bytes) -> Iterator[tuple[int, int]]:
    """The settings of a SETTINGS frame, in their order; raises ``ConnectionFault`` for a length that is none."""
    if len(payload) % _SETTING.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a wrong length")
    return _SETTING.iter_unpack(payload)


def reset(stream: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, _NUMBER.pack(code))


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, _NUMBER.pack(increment))


def goaway(last: int, code: int, reason: str = "") -> bytes:
    """A GOAWAY frame; ``last`` is the last stream that was or will be served."""
    return frame(GOAWAY, 0, 0, _NUMBERS.pack(last, code) + reason.encode())


def number_in(payload: bytes) -> int:
    """The number without its reserved bit that RST_STREAM and WINDOW_UPDATE carry; raises ``ConnectionFault``."""
    if len(payload) != _NUMBER.size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong length")
    number: int = _NUMBER.unpack(payload)[0]
    return number & _STREAM


def headers(stream: int, block: bytes, *, end: bool) -> bytes:
    """A HEADERS frame, with CONTINUATION frames where the block is longer than a frame."""
    flags = END_STREAM if end else 0
    if len(block) <= LARGEST:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    pieces = [block[at : at + LARGEST] for at in range(0, len(block), LARGEST)]
    first, *middle, last = pieces
    return b"".join(
        (
            frame(HEADERS, flags, stream, first),
            *(frame(CONTINUATION, 0, stream, piece) for piece in middle),
            frame(CONTINUATION, END_HEADERS, stream, last),
        )
    )


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload without its padding; raises ``ConnectionFault`` for padding longer than the payload (6.1)."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def header_block(flags: int, payload: bytes) -> bytes:
    """The part of a header block that a HEADERS frame carries; its priority is not looked at (5.3.2)."""
    block = unpadded(flags, payload)
    if not flags & PRIORITISED:
        return block
    if len(block) < 5:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for its priority")
    return block[5:]
