"""How many requests to one origin may be sent a second time, and whether its kept connections are worth using.

Facts
- A request that a kept connection lost is sent again over a new one. Where one is lost now and then nobody notices;
  where all are, every request is sent twice, to an upstream that has trouble already.
- So repetitions are paid for with requests, as in gRPC's retry throttling (proposal A6), where each costs ten: they
  are a tenth of the requests in the long run. Envoy's retry budget allows a fifth of those under way, which keeps no
  ratio where what is sent again is over sooner than what is sent once. A fifth is also what is kept to here, with what
  is lent: many connections may be lost at one moment, before anything could be known of it.
- While there are debts nine requests of ten get a new connection, which nobody can have lost beforehand, so there is
  nothing to repeat and nothing to refuse. The tenth tries a kept one, so that the debts end when the trouble does.
- A request that may not be repeated teaches as much about kept connections, up to what some requests pay back.
"""

PRICE = 10  # requests that a repetition costs
_SAVED = 10 * PRICE  # requests that were made without one and still count
_LENT = 100  # repetitions that may be paid for later; more where more requests are under way
_SHARE = 5  # one of so many requests under way


class Repetitions:
    """The account of one origin.

    ``begun``: requests so far, and ``ended``: those whose answers have begun, or never will, counted by who sends
    them; ``due``: how many requests pay for all repetitions.
    """

    __slots__ = ("begun", "due", "ended")

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.due = -_SAVED

    def grant(self) -> bool:
        """Whether a request may be sent again, which is paid for herewith."""
        due = self._after_one()
        if due - self.begun > PRICE * max(_LENT, (self.begun - self.ended) // _SHARE):
            return False
        self.due = due
        return True

    def warn(self) -> None:
        """A kept connection has lost a request that cannot be sent again."""
        self.due = max(self.due, min(self._after_one(), self.begun + _SAVED))

    def _after_one(self) -> int:
        return max(self.due, self.begun - _SAVED) + PRICE
