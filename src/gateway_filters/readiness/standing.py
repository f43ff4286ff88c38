"""How a process stands: whether it should be sent requests, and what is not as it should be.

Facts
- Who starts without a credential that a route needs is not ready: a rollout stops there, and the replicas that have it
  go on. Once everything was there it counts no more: the trouble is mostly everybody's, and a replica that leaves for
  one tenant's revoked key leaves the others' requests alone, too.
- What ends is not ready from its first moment, and never again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway_filters.gateway_api.credential_status import UNAVAILABLE

_MOST = 100


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be: a ``reason`` in one word, and the object that it is about, if any."""

    reason: str
    kind: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a process stands at one moment.

    ``serving``: it has been serving. ``complete``: all credentials that it needs have been there at once. ``ending``:
    it was asked to end. ``troubles`` are as they are now.
    """

    serving: bool = False
    complete: bool = False
    ending: bool = False
    troubles: tuple[Trouble, ...] = ()

    @property
    def reason(self) -> str:
        """Why it is ready or not."""
        if self.ending:
            return "Ending"
        if not self.serving:
            return "Starting"
        return "Ready" if self.complete else "Incomplete"

    @property
    def ready(self) -> bool:
        """Whether it should be sent requests."""
        return self.reason == "Ready"

    def told(self) -> dict[str, object]:
        """All of it as JSON may hold it: names and reasons, no values; ``more`` are troubles beyond a hundred."""
        listed = sorted(self.troubles, key=_order)[:_MOST]
        degraded = [{"reason": each.reason, "kind": each.kind, "name": each.name} for each in listed]
        more = len(self.troubles) - len(listed)
        return {"ready": self.ready, "reason": self.reason, "degraded": degraded, "more": more}


class Readiness:
    """Gathers how a process stands from those who know.

    ``complete`` from the beginning: what lacks its credentials is ready all the same.
    """

    def __init__(self, *, complete: bool = False) -> None:
        self._serving = False
        self._complete = complete
        self._ending = False
        self._noted: dict[str, tuple[Trouble, ...]] = {}

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        troubles = tuple(each for noted in self._noted.values() for each in noted)
        return Standing(self._serving, self._complete, self._ending, troubles)

    def looked(self, credentials: Iterable[Trouble], *, serving: bool) -> None:
        """Somebody has looked at all credentials that are needed, and whether there is a door to come in by."""
        found = self._noted["credentials"] = tuple(credentials)
        self._serving = self._serving or serving
        if serving and all(each.reason != UNAVAILABLE for each in found):
            self._complete = True

    def note(self, what: str, *troubles: Trouble) -> None:
        """All troubles with ``what``, instead of those before."""
        self._noted[what] = troubles

    def end(self) -> None:
        """It was asked to end."""
        self._ending = True


def _order(trouble: Trouble) -> tuple[str, str, str]:
    return trouble.kind or "", trouble.name or "", trouble.reason
