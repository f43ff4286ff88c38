"""Whether kept connections to one origin are worth a request that cannot be sent a second time.

An upstream that closes connections soon, or after each answer, would lose one such request after the other: nobody may
repeat a POST that could have been carried out. So after a loss these requests get new connections, and a kept one is
tried by one of them a second later; where that is lost as well, two seconds later, and so on up to a minute. The first
answer over a kept connection ends it.
"""

_FIRST = 1.0
_LONGEST = 60.0


class Trust:
    """``wary``: seconds between trials, 0 while nothing was lost."""

    __slots__ = ("_trying", "_until", "wary")

    def __init__(self) -> None:
        self.wary = 0.0
        self._until = 0.0
        self._trying = False

    def lost(self, now: float) -> None:
        """A kept connection was lost under a request; of many that are lost at one moment the first one counts."""
        if not self.wary or self._trying:
            self.wary = min(max(2 * self.wary, _FIRST), _LONGEST)
            self._until = now + self.wary
            self._trying = False

    def may_try(self, now: float) -> bool:
        """Whether this request is the one that tries a kept connection."""
        if now < self._until:
            return False
        self._until = now + self.wary
        self._trying = True
        return True

    def held(self) -> None:
        """A kept connection has brought an answer."""
        self.wary = 0.0
        self._trying = False
