"""Where credentials must not go, and where they go over the network as they are.

To backends of which nothing asks for TLS they go in plain HTTP. Such a backend is configured so, since whatever of TLS
cannot be met refuses; whoever did that is told all the same.
"""

from collections.abc import Iterator

from gateway_filters.filters import CredentialInjection
from gateway_filters.gateway_api.addresses import is_loopback
from gateway_filters.routing import Backend, Route, WeightedBackend

WARNING = "it gets a credential in plain HTTP"


def unfit(route: Route) -> Iterator[tuple[int, str]]:
    """Why backends must not get the credential that requests of a route carry, by their places; they answer 500."""
    for place, chosen in enumerate(route.backends):
        if isinstance(chosen.backend, Backend) and chosen.backend.unfit_for_credentials and _injects(route, chosen):
            yield place, f"{chosen.backend.unfit_for_credentials}, so no credential is sent to it"


def in_plain_text(route: Route) -> Iterator[tuple[int, Backend]]:
    """The backends beyond this machine that a route sends a credential to in plain HTTP, with their places."""
    for place, chosen in enumerate(route.backends):
        backend = chosen.backend
        if isinstance(backend, Backend) and backend.tls is None and _injects(route, chosen) and not _here(backend):
            yield place, backend


def _injects(route: Route, chosen: WeightedBackend) -> bool:
    return any(isinstance(each, CredentialInjection) for each in (*route.filters, *chosen.filters))


def _here(backend: Backend) -> bool:
    """Whether nothing that is sent to it leaves this machine."""
    return not backend.hosts and all(each.unix or is_loopback(each.host) for each in backend.endpoints)
