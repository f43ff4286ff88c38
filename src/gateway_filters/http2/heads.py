"""Header blocks that come in several frames: gathered, and bounded before a byte of them is decoded (6.10)."""

from gateway_filters.http2.faults import ConnectionFault, ErrorCode
from gateway_filters.http2.limits import Http2Limits


class HeadBlock:
    """The block of one stream's head, from its HEADERS frame on."""

    __slots__ = ("_left", "_pieces", "_room", "ends", "stream")

    def __init__(self, stream: int, block: bytes, limits: Http2Limits, *, ends: bool) -> None:
        self.stream = stream
        self.ends = ends
        self._pieces = [block]
        # Twice what may be in it: a head that is too large is told so with 431, if it is not boundless.
        self._room = 2 * limits.header_bytes - len(block)
        self._left = limits.continuations

    def add(self, piece: bytes) -> None:
        """Another frame of it; raises ``ConnectionFault`` for too many and for too long ones (CVE-2024-27316)."""
        self._pieces.append(piece)
        self._room -= len(piece)
        self._left -= 1
        if self._left < 0 or self._room < 0:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block does not end")

    def joined(self) -> bytes:
        """The whole block."""
        return b"".join(self._pieces)
