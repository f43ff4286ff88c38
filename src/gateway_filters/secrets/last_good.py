"""The last good value of a source, and for how long it may stand in while the source cannot be asked."""

import time
from collections.abc import Callable

from gateway_filters.errors import SecretUnavailable
from gateway_filters.message.secret import Secret, SecretState

MAX_STALE = 3600.0
"""So many seconds a value is used that its source does not confirm, unless something else is said."""


class LastGood:
    """A value that its source renews, confirms, fails to confirm, or revokes.

    A value that was last confirmed more than ``max_stale`` seconds ago is not used.
    """

    __slots__ = ("_clock", "_confirmed", "_max_stale", "_secret", "_since", "failure")

    def __init__(self, max_stale: float = MAX_STALE, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_stale = max_stale
        self._clock = clock
        self._secret: Secret | None = None
        self._since: float | None = None
        self._confirmed = float("-inf")
        self.failure = "the secret has not been read yet"

    @property
    def usable(self) -> bool:
        """Whether there is a value that may be used."""
        return self._secret is not None and self._clock() - self._confirmed <= self._max_stale

    def current(self) -> Secret:
        """The value; raises ``SecretUnavailable`` when there is none, or none young enough."""
        if self._secret is None:
            raise SecretUnavailable(self.failure)
        if not self.usable:
            why = self.failure or "the secret was not confirmed"
            raise SecretUnavailable(f"{why}; the last good value is older than {self._max_stale:g} s")
        return self._secret

    def renew(self, secret: Secret, since: float) -> None:
        """The source has given a value, which it has ``since`` then (seconds since 1970)."""
        self._secret, self._since = secret, since
        self.confirm()

    def confirm(self) -> None:
        """The source has said that the value holds."""
        self._confirmed = self._clock()
        self.failure = ""

    def keep(self, failure: str) -> bool:
        """The source cannot say whether the value holds; gives whether that is news."""
        news, self.failure = failure != self.failure, failure
        return news

    def revoke(self, failure: str) -> None:
        """The source has said that the value does not hold."""
        self._secret = self._since = None
        self.failure = failure

    def state(self) -> SecretState:
        """What is in use and how old it is."""
        if self._secret is None:
            return SecretState(None, failure=self.failure)
        confirmed = time.time() - (self._clock() - self._confirmed)
        return SecretState(self._secret.fingerprint if self.usable else None, self._since, confirmed, self.failure)
