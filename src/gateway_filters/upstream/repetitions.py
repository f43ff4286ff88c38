"""Whether the kept connections to one origin are worth using, and how many requests may be sent a second time.

Facts
- A request that a kept connection of HTTP/1.1 lost is sent again over a new one, always: that says nothing of an
  upstream in trouble, which may have been restarted and closed all it kept at one moment, and nobody loses the same
  connection twice. But where it happens again and again, every request is sent twice. So what is paid for with
  requests is the use of kept connections, as in gRPC's retry throttling (proposal A6), where each loss costs ten.
- While there are debts nine requests of ten get a new connection, which nobody can have lost beforehand, so there is
  nothing to repeat. The tenth tries a kept one, so that the debts end when the trouble does. Debts have an end, too:
  where each kept connection is lost with the same probability, a sixth of the requests at most is sent twice, whatever
  that probability and however many are under way.
- A request that may not be repeated teaches as much about kept connections, up to what some requests pay back.
- Streams of HTTP/2 share a connection, and a new one may lose as many: there it is the repetition that is paid for, and
  refused where the debts are too high. They are a tenth of the requests in the long run. Envoy's retry budget allows a
  fifth of those under way, which keeps no ratio where what is sent again is over sooner than what is sent once. A fifth
  is what is lent here for streams that are refused; where connections are lost, as many as are under way.
"""

PRICE = 10  # requests that a repetition costs
_SAVED = 10 * PRICE  # requests that were made without one and still count
_LENT = 100  # losses that may be paid for later; more where more requests are under way
_SHARE = 5  # one of so many requests under way


class Repetitions:
    """The account of one origin.

    ``begun``: requests so far, and ``ended``: those whose answers have begun, or never will, counted by who sends
    them; ``due``: how many requests pay for all losses.
    """

    __slots__ = ("begun", "due", "ended")

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.due = -_SAVED

    def grant(self, *, lost: bool) -> bool:
        """Whether a stream may be sent again, which is paid for herewith; ``lost``: its connection was."""
        due = self._after_one()
        if due - self.begun > self._lent(1 if lost else _SHARE):
            return False
        self.due = due
        return True

    def repeat(self) -> None:
        """A kept connection has lost a request, which is sent again."""
        self._owe(self._lent(_SHARE))

    def warn(self) -> None:
        """A kept connection has lost a request that cannot be sent again."""
        self._owe(_SAVED)

    def _owe(self, most: int) -> None:
        self.due = max(self.due, min(self._after_one(), self.begun + most))

    def _lent(self, share: int) -> int:
        return PRICE * max(_LENT, (self.begun - self.ended) // share)

    def _after_one(self) -> int:
        return max(self.due, self.begun - _SAVED) + PRICE
