"""The backends of a rule: their shares, their ranks, and what is theirs alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway_filters.filters.filter import Filter
from gateway_filters.routing.backend import Backend, Unusable
from gateway_filters.routing.policies import ExternalAuth, Mirror


@dataclass(frozen=True, slots=True)
class WeightedBackend:
    """A backend of a rule: its share of the requests, and what happens only to those that it is chosen for."""

    backend: Backend | Unusable
    weight: int = 1
    filters: tuple[Filter, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    auth: tuple[ExternalAuth, ...] = ()


Rank = tuple[WeightedBackend, ...]


def ranks(backends: Sequence[WeightedBackend]) -> tuple[Rank, Rank]:
    """The backends that share all requests, and those that share what none of them accepts a connection for.

    Fallbacks share all requests where nothing else could take one (Envoy Gateway: endpoints of a lower priority).
    """
    first = tuple(each for each in backends if not each.backend.fallback)
    if not any(each.weight > 0 and isinstance(each.backend, Backend) for each in first):
        return tuple(backends), ()
    return first, tuple(each for each in backends if each.backend.fallback)
