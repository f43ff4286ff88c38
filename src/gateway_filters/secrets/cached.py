"""A remote secret, fetched once for everybody who waits and kept for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway_filters.errors import GatewayFiltersError, SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource


class CachedSecret(SecretSource):
    """Makes a source of an ``async`` function that gives a ``Secret``.

    ``fetch`` is called when a request needs the secret and the last one is older than ``ttl`` seconds;
    requests that come meanwhile wait for the same call (single flight), and one that is cancelled takes
    nothing from the others. Whatever ``fetch`` raises means that there is no secret: ``current`` raises
    ``SecretUnavailable`` and the next request tries again.
    """

    __slots__ = ("_clock", "_expires", "_failure", "_fetch", "_flight", "_secret", "_ttl")

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Secret]],
        *,
        ttl: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._clock = clock
        self._expires = float("-inf")
        self._secret: Secret | None = None
        self._failure = "the secret has not been fetched yet"
        self._flight: asyncio.Task[None] | None = None

    def current(self) -> Secret:
        """The secret fetched last; raises ``SecretUnavailable`` when the last fetch failed."""
        if self._secret is None:
            raise SecretUnavailable(self._failure)
        return self._secret

    async def prepare(self) -> None:
        """Fetch when the secret is too old, or wait for the fetch that runs already. Never raises."""
        if self._clock() < self._expires:
            return
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._refresh())
        # The fetch belongs to everybody who waits: a cancelled request must not cancel it.
        await asyncio.shield(self._flight)

    async def _refresh(self) -> None:
        try:
            self._secret = await self._fetch()
            self._expires = self._clock() + self._ttl
        except GatewayFiltersError as error:
            self._fail(str(error))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever fails: no secret, no request
            # Its text may hold a token or a URL with one.
            self._fail(f"fetching the secret failed with {type(error).__name__}")

    def _fail(self, reason: str) -> None:
        self._secret = None
        self._expires = float("-inf")
        self._failure = reason
