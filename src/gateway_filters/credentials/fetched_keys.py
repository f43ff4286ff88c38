"""Keys that somebody publishes: fetched once for everybody who waits, kept, looked for again, and never for long.

Facts
- The first request waits for the first fetch, later ones for none: keys older than ``ttl`` are used on while newer
  ones are fetched beside them. While fetching fails they are used on for ``stale`` seconds, and then no more.
- A fetch that fails is tried again after ``retry`` seconds, and after twice as long each time, so a publisher that
  is down is asked less and less, whatever the traffic.
- A token that names an unknown key makes keys be looked for at once, since they may have been changed, but not more
  often than every ten seconds: such tokens cost nothing to make.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from gateway_filters.credentials.key_set import KeySet
from gateway_filters.errors import GatewayFiltersError, KeysUnavailable

_log = logging.getLogger("gateway_filters")

_PATIENCE = 5.0
_LONGEST_PAUSE = 60.0
_BETWEEN_RENEWALS = 10.0


class FetchedKeys:
    """A ``KeySource`` over ``fetch``, which gives the text of a JSON Web Key Set; ``what`` names it in messages."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[str]],
        what: str,
        *,
        ttl: float = 300.0,
        retry: float = 1.0,
        stale: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._what = what
        self._ttl = ttl
        self._retry = retry
        self._stale = stale
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._asked = float("-inf")
        self._next = float("-inf")
        self._failures = 0
        self._flight: asyncio.Task[None] | None = None

    def current(self) -> KeySet:
        """The keys fetched last; raises ``KeysUnavailable`` when there are none, or none young enough."""
        if self._keys is None or self._clock() > self._fetched + self._ttl + self._stale:
            raise KeysUnavailable(f"{self._what} could not be fetched")
        return self._keys

    async def prepare(self) -> None:
        """Wait for the first keys; have older ones replaced without waiting. Never raises."""
        now = self._clock()
        if now < self._fetched + self._ttl or now < self._next:
            return
        flight = self._started()
        if self._keys is None:
            # The fetch belongs to everybody who waits: a cancelled request must not cancel it.
            await asyncio.shield(flight)

    async def renew(self) -> None:
        """Wait for a new fetch, unless there was one just now. Never raises."""
        now = self._clock()
        if now >= self._asked + _BETWEEN_RENEWALS and now >= self._next:
            await asyncio.shield(self._started())

    async def aclose(self) -> None:
        """Give up a fetch that is on its way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    def _started(self) -> asyncio.Task[None]:
        if self._flight is None or self._flight.done():
            self._asked = self._clock()
            self._flight = asyncio.create_task(self._refresh())
        return self._flight

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                self._keys = KeySet(await self._fetch(), self._what)
        except GatewayFiltersError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - whatever fails: no new keys
            self._failed(type(error).__name__)
        else:
            self._fetched, self._failures = self._clock(), 0

    def _failed(self, reason: str) -> None:
        pause = min(self._retry * 2**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 16)
        # Not all gateways at once.
        self._next = self._clock() + pause * random.uniform(0.75, 1.25)  # noqa: S311
        _log.warning("%s could not be fetched: %s; tried again in about %g s", self._what, reason, pause)
