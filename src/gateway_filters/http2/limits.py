"""What one HTTP/2 connection may ask of us, and the budgets that keep it to that.

The floods that these numbers answer: rapid reset (CVE-2023-44487) and its mirror image, in which we are made to
reset (CVE-2025-8671); CONTINUATION (CVE-2024-27316); PING, SETTINGS, PRIORITY, WINDOW_UPDATE and empty frames, and
windows that never open (CVE-2019-9511 to 9518); compression bombs (CVE-2016-6581).
"""

from dataclasses import dataclass

from gateway_filters.errors import ConfigurationError
from gateway_filters.limits import check_above_zero

LARGEST_WINDOW = 2**31 - 1
"""The widest that a window may be (6.9.1)."""


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """Limits of a connection; those not given are the gateway's defaults. Raises ``ConfigurationError``.

    ``streams``: requests at a time. ``window``, ``connection_window``: bytes of request bodies that may wait to be
    read, for a stream and for all of them. ``header_bytes``, ``header_fields``, ``header_line``: the largest head
    (name and value and 32 bytes for each field), its fields and its longest one; above is 431.
    ``continuations``: the frames in which a head may come after its first.

    ``resets`` of streams before their end may come at once, ``resets_per_second`` in the long run; ``chatter`` and
    ``chatter_per_second`` likewise for frames that carry nothing of a request. Above either the connection ends.
    ``unsent_bytes``: answers to such frames that may wait for a client that does not read.

    ``head_seconds``: for the connection's first words, and for a whole head. ``body_seconds``: without a byte of a
    body that is waited for. ``write_seconds``: for a client that takes no byte of an answer. ``idle_seconds``: for a
    connection without a request.

    ``body_bytes``: the longest body of a request, above is 413. ``body_rate``: the least bytes a second of one that is
    waited for, after ``body_seconds``, below is 408. None is no limit.
    """

    streams: int = 100
    window: int = 64 * 1024
    connection_window: int = 1024 * 1024
    header_bytes: int = 64 * 1024
    header_fields: int = 100
    header_line: int = 16 * 1024
    continuations: int = 16
    resets: int = 500
    resets_per_second: float = 50.0
    chatter: int = 1000
    chatter_per_second: float = 100.0
    unsent_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    idle_seconds: float = 75.0
    body_bytes: int | None = None
    body_rate: int | None = None

    def __post_init__(self) -> None:
        check_above_zero(self, "HTTP/2")
        for name in ("window", "connection_window"):
            if getattr(self, name) > LARGEST_WINDOW:
                raise ConfigurationError(f"the HTTP/2 {name} of {getattr(self, name)} is above {LARGEST_WINDOW}")

    @property
    def shortest_seconds(self) -> float:
        """The shortest of the waits."""
        return min(self.head_seconds, self.body_seconds, self.write_seconds, self.idle_seconds)


class Budget:
    """So many at once, so many a second in the long run; nobody's clock is asked when it is spent."""

    __slots__ = ("_left", "_most", "_per_second")

    def __init__(self, most: int, per_second: float) -> None:
        self._left = float(most)
        self._most = most
        self._per_second = per_second

    def spend(self) -> bool:
        """Take one; whether there was one."""
        self._left -= 1
        return self._left >= 0

    def earn(self, count: float) -> None:
        """Give ``count`` back, never above what there was in the beginning."""
        self._left = min(self._most, self._left + count)

    def refill(self, seconds: float) -> None:
        """Time has passed."""
        self.earn(seconds * self._per_second)
