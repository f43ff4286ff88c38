"""Frames as they stand in a stream of bytes (RFC 9113 4.1): cut, and not understood. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from gateway_filters.upstream.http2.violation import FRAME_SIZE_ERROR, Violation

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

LONGEST = 16 * 1024
"""Bytes of a frame's payload: what everyone must take (RFC 9113 6.5.2), and all that we let others send."""

_HEAD = 9
_PADDED = 0x8
_MOST_PADDING = 256
_STREAM = 0x7FFF_FFFF


class Frame(NamedTuple):
    """A frame: its type, its flags, its stream, and all of its bytes."""

    kind: int
    flags: int
    stream: int
    data: bytes

    @property
    def useful(self) -> bool:
        """Whether it holds a piece of a body, and not merely padding."""
        return self.kind == DATA and len(self.data) > (_HEAD + _MOST_PADDING if self.flags & _PADDED else _HEAD)

    @property
    def payload(self) -> bytes:
        """What comes after the nine bytes that every frame begins with."""
        return self.data[_HEAD:]


class Cutter:
    """Cuts bytes into frames, however they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with ``data``; raises ``Violation`` at one that is too long."""
        buffer, start = self._buffer, 0
        buffer += data
        while len(buffer) - start >= _HEAD:
            length = int.from_bytes(buffer[start : start + 3])
            if length > LONGEST:
                raise Violation(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            end = start + _HEAD + length
            if end > len(buffer):
                break
            stream = int.from_bytes(buffer[start + 5 : start + 9]) & _STREAM
            yield Frame(buffer[start + 3], buffer[start + 4], stream, bytes(buffer[start:end]))
            start = end
        del buffer[:start]
