"""A request's body on its way in: bounded by the window that is open to the client, opened as the app reads."""

from gateway_filters.http2.faults import ErrorCode, StreamFault
from gateway_filters.http2.static_table import Field


class Upload:
    """What has come and has not been read; ``open`` as long as more may come.

    ``size``: how many bytes have come. ``length`` is what was announced, None if nothing was; raises ``StreamFault``
    for a body that is over without it. ``trailers``: the fields behind it, none before its end.
    """

    __slots__ = ("_body", "_length", "_told", "_unacknowledged", "_window", "_window_size", "open", "size", "trailers")

    def __init__(self, window: int, length: int | None, *, open_: bool) -> None:
        self.open = open_
        self.size = 0
        self.trailers: list[Field] = []
        self._body: bytes | bytearray = b""
        self._length = length
        self._told = False
        self._window = self._window_size = window
        self._unacknowledged = 0
        if length and not open_:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a body is not as long as was said")

    @property
    def ready(self) -> bool:
        """Whether there is something to read: bytes, or the end."""
        return bool(self._body) or not (self.open or self._told)

    def add(self, data: bytes, weight: int, *, end: bool) -> None:
        """``data`` has come in a frame of ``weight`` bytes, the last one with ``end``.

        Raises ``StreamFault``, and keeps nothing, after the end, and for more or less than window and length allow.
        """
        if not self.open:
            raise StreamFault(ErrorCode.STREAM_CLOSED, "more came after the end of a body")
        self._window -= weight
        if self._window < 0:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "more came than the window of a stream was open for")
        self.size += len(data)
        # Padding is read at once.
        self._unacknowledged += weight - len(data)
        if self._length is not None:
            self._length -= len(data)
            if self._length < 0 or (end and self._length):
                raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a body is not as long as was said")
        self.open = not end
        if not self._body:
            self._body = data
            return
        # Joined, or frames of one byte would weigh fifty times what they carry.
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += data

    def read(self) -> bytes:
        """All that has come."""
        body, self._body = self._body, b""
        self._unacknowledged += len(body)
        self._told = not self.open
        return bytes(body)

    def drop(self) -> int:
        """Nobody will read what is left; gives its bytes."""
        left, self._body = len(self._body), b""
        return left

    def increment(self) -> int:
        """By how much the window may be opened now: half of it at least, else 0."""
        increment = self._unacknowledged
        if not self.open or increment * 2 < self._window_size:
            return 0
        self._unacknowledged = 0
        self._window += increment
        return increment
