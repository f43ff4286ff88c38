"""A secret whose changes are tried before they count: a wrong key rolled out breaks nothing."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from gateway_filters.errors import SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource, SecretState
from gateway_filters.secrets.last_good import MAX_STALE, LastGood

_log = logging.getLogger("gateway_filters.secrets")

_LONGEST_PROBE = 10.0
_BETWEEN_PROBES = 5.0
_BETWEEN_ROLLBACKS = 60.0

OVERLAP = 3600.0
"""For so many seconds the secret before is kept beside a new one, unless something else is said."""


class VerifiedSecret(SecretSource):
    """The secret of ``source``; a new one is used when ``probe`` has said that the provider takes it.

    Until then the one before is used: while the probe runs, when it says False, and when it fails, in which case
    it is asked again every five seconds; but not longer than ``max_stale`` seconds. The very first secret is used
    at once, since there is none before it. What the source itself takes back is not used, whatever was probed.

    A new one that the upstream refuses (401) within ``overlap`` seconds makes way for the one before, and is tried
    again after a minute.
    """

    __slots__ = (
        *("_before", "_clock", "_last", "_next", "_overlap", "_probe"),
        *("_refused", "_source", "_task", "_used", "_used_since"),
    )

    def __init__(
        self,
        source: SecretSource,
        probe: Callable[[Secret], Awaitable[bool]],
        *,
        max_stale: float = MAX_STALE,
        overlap: float = OVERLAP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._probe = probe
        self._clock = clock
        self._overlap = overlap
        self._last = LastGood(max_stale, clock)
        self._used: Secret | None = None
        self._used_since = clock()
        self._before: Secret | None = None
        self._refused: Secret | None = None
        self._next = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def current(self) -> Secret:
        """The secret that was verified last; raises ``SecretUnavailable`` when the source has none."""
        candidate = self._offered()
        if self._used is None:
            self._use(candidate)
        elif candidate == self._used:
            self._last.confirm()
        return self._last.current()

    def state(self) -> SecretState:
        """What is in use; its ``failure`` says when a new secret was refused."""
        return self._last.state()

    async def prepare(self) -> None:
        """Prepare the source, and have a new secret tried beside the requests. Never raises."""
        await self._source.prepare()
        try:
            candidate = self._source.current()
        except SecretUnavailable:
            return
        if self._is_new(candidate) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._try(candidate))

    def refused(self, secret: Secret) -> None:
        """Use the secret before again, if that is the new one; the source is told, too."""
        self._source.refused(secret)
        if secret != self._used or self._before is None or self._clock() - self._used_since > self._overlap:
            return
        before, self._before = self._before, None
        self._use(before)
        self._refuse(secret, "the upstream refuses the new secret", _BETWEEN_ROLLBACKS)

    def _is_new(self, candidate: Secret) -> bool:
        if self._used is None or candidate == self._used:
            return False
        return candidate != self._refused or self._clock() >= self._next

    def _offered(self) -> Secret:
        try:
            return self._source.current()
        except SecretUnavailable as error:
            self._last.revoke(str(error))
            self._used = self._before = None
            raise

    async def _try(self, candidate: Secret) -> None:
        try:
            async with asyncio.timeout(_LONGEST_PROBE):
                taken = await self._probe(candidate)
            reason = "the provider refuses the new secret"
        except Exception as error:  # noqa: BLE001 - whatever fails: not verified
            taken, reason = False, f"trying the new secret failed with {type(error).__name__}"
        if not taken:
            self._refuse(candidate, reason)
        elif self._source.state().fingerprint == candidate.fingerprint:
            # Else the source has taken it back meanwhile.
            self._before = self._used
            self._use(candidate)

    def _refuse(self, candidate: Secret, reason: str, pause: float = _BETWEEN_PROBES) -> None:
        self._refused, self._next = candidate, self._clock() + pause
        if self._last.keep(reason):
            _log.warning("%s (fingerprint %s); the one before stays in use", reason, candidate.fingerprint)

    def _use(self, secret: Secret) -> None:
        self._used, self._refused, self._used_since = secret, None, self._clock()
        self._last.renew(secret, time.time())
