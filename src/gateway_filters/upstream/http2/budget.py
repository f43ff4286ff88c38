"""How many frames that bring nothing the other side may send: floods of SETTINGS, PING, empty DATA and their like.

Facts
- CVE-2019-9512, 9514, 9515 and 9518: each such frame costs its sender nothing and us an answer or some work.
- Who uploads is sent WINDOW_UPDATEs, up to two for each frame of its own, so what we send earns more of them.
- A connection may live for days: what is not spent comes back with time, up to what there was at first.
"""

_FIRST = 1000
_MOST = 10_000
_EACH_SECOND = 50.0


class Budget:
    """Frames that may still come; ``now`` in seconds, as an event loop counts them."""

    __slots__ = ("_left", "_since")

    def __init__(self, now: float) -> None:
        self._left = _FIRST
        self._since = now

    def earn(self, frames: int) -> None:
        """We have sent something that may be answered with so many frames."""
        self._left = min(self._left + frames, _MOST)

    def spend(self) -> bool:
        """One has come; False when there may be no more before ``refill``."""
        self._left -= 1
        return self._left >= 0

    def refill(self, now: float) -> bool:
        """What time has given back; False when that is nothing."""
        gained = int((now - self._since) * _EACH_SECOND)
        self._since = now
        self._left = min(max(self._left, 0) + gained, _FIRST)
        return gained > 0
