"""A backend of a rule, with what is its alone."""

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
