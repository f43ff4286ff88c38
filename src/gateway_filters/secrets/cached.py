"""A remote secret, fetched once for everybody who waits, kept for a while, and used on when its source is away.

Facts
- *Unreachable* is not *revoked*: a source that fails, hangs or gives what no header can carry says nothing about the
  secret, so the last good one is used on, for ``max_stale`` seconds and then no more. A source that says that the
  secret is gone or forbidden (``SecretRevoked``) takes it away at once.
- A source that is down is asked less and less: after a second, two, four, up to a minute, and a little later each
  time, so that not all gateways ask at once.
- A secret that the upstream refuses may be an old one: it is fetched again once, whatever its age. The request that
  was refused is not sent again.
- Requests wait for a fetch while there is nothing to use, else a second at most: a source that hangs delays those
  requests alone that come within that second.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from gateway_filters.errors import GatewayFiltersError, SecretRevoked
from gateway_filters.message.secret import Secret, SecretSource, SecretState
from gateway_filters.secrets.last_good import MAX_STALE, LastGood

_log = logging.getLogger("gateway_filters.secrets")

_LONGEST_FETCH = 10.0
_PATIENCE = 1.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class CachedSecret(SecretSource):
    """Makes a source of an ``async`` function that gives a ``Secret``; ``what`` names it in messages.

    ``fetch`` is called when a request needs the secret and the last one is older than ``ttl`` seconds; requests that
    come meanwhile wait for the same call (single flight), and one that is cancelled takes nothing from the others.
    ``SecretRevoked`` means that there is no secret from now on. Whatever else it raises, or ten seconds without an
    answer, mean that the secret is used for ``max_stale`` seconds after its ``ttl`` and asked for again meanwhile.
    """

    __slots__ = ("_clock", "_failures", "_fetch", "_flight", "_last", "_next", "_refused", "_started", "_ttl", "_what")

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Secret]],
        *,
        ttl: float = 60.0,
        max_stale: float = MAX_STALE,
        what: str = "the secret",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._what = what
        self._clock = clock
        self._last = LastGood(ttl + max_stale, clock)
        self._next = self._started = float("-inf")
        self._failures = 0
        self._flight: asyncio.Task[None] | None = None
        self._refused: Secret | None = None

    def current(self) -> Secret:
        """The secret to use now; raises ``SecretUnavailable`` when there is none, or none young enough."""
        return self._last.current()

    def state(self) -> SecretState:
        """What is in use, and when the source gave it."""
        return self._last.state()

    async def prepare(self) -> None:
        """Fetch when the secret is too old, or wait for the fetch that runs already. Never raises."""
        now = self._clock()
        if now < self._next:
            return
        flight = self._begun(now)
        patience = max(0.0, self._started + _PATIENCE - now) if self._last.usable else None
        # The fetch belongs to everybody who waits: a cancelled request does not cancel it.
        await asyncio.wait((flight,), timeout=patience)

    def refused(self, secret: Secret) -> None:
        """Fetch again if that is the secret in use, once for each."""
        if secret == self._refused or not self._last.usable or secret != self._last.current():
            return
        self._refused = secret
        _log.warning("the upstream refuses %s (fingerprint %s); it is fetched again", self._what, secret.fingerprint)
        self._begun(self._clock())

    def _begun(self, now: float) -> asyncio.Task[None]:
        if self._flight is None or self._flight.done():
            self._started = now
            self._flight = asyncio.create_task(self._refresh())
        return self._flight

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST_FETCH):
                self._renew(await self._fetch())
        except SecretRevoked as error:
            self._last.revoke(str(error))
            self._pause()
            _log.warning("%s was revoked: %s", self._what, error)
        except GatewayFiltersError as error:
            self._keep(str(error))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever fails: nothing new
            # Its text may hold a token or a URL with one.
            self._keep(f"fetching {self._what} failed with {type(error).__name__}")

    def _renew(self, secret: Secret) -> None:
        self._last.renew(secret, time.time())
        self._failures = 0
        self._next = self._clock() + self._ttl

    def _keep(self, reason: str) -> None:
        self._pause()
        if self._last.keep(reason):
            _log.warning("%s; the last good value is %s", reason, "used on" if self._last.usable else "missing")

    def _pause(self) -> None:
        pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 16)
        # Never earlier: a source is asked once a second at most.
        self._next = self._clock() + pause * random.uniform(1.0, 1.5)  # noqa: S311
