"""Which filters a rule and a backendRef have, in what order, and where no request can go. Pure.

``assembly`` makes apps of it, ``explanation`` and the command tell of it.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway_filters.errors import GatewayFiltersError, NotConnected, RouteRefused
from gateway_filters.filters import CORS, CredentialInjection, Filter, RequestHeaderModifier
from gateway_filters.filters.client_credentials import CLIENT_CREDENTIALS, ClientCredentials
from gateway_filters.message.text import header_name
from gateway_filters.routing import Backend, Route, Unusable, WeightedBackend

Filters = tuple[Filter, ...]

Stage = Route | WeightedBackend
"""What has steps of its own."""


def steps(stage: Stage) -> tuple[Filters, Filters]:
    """The filters of a rule or a backend in their order, without credentials: before someone is asked, and after."""
    _, filters = _split(stage.filters, CredentialInjection)
    before, after = _split(filters, CORS)
    names = _clients_own(stage) if isinstance(stage, Route) else frozenset[bytes]()
    # A rule's own CORS is nearer to it than that of a policy.
    return before or _policy_cors(stage), (ClientCredentials(names), *after) if names else after


def _policy_cors(stage: Stage) -> Filters:
    policy = stage.security if isinstance(stage, Route) else None
    return () if policy is None or policy.cors is None else (policy.cors,)


def credentials(route: Route, backend: WeightedBackend) -> Filters:
    """What injects credentials into the requests that go to one backend of a route, in its order.

    The first one drops the client's own; what it has put on passes the next, and what a filter has written.
    """
    injections = [each for each in (*route.filters, *backend.filters) if isinstance(each, CredentialInjection)]
    listed = any(each.only is not None for each in injections)
    meant = [name.decode() for name in (_modified if listed else _written)(route, backend)]
    before = [(*meant, *(earlier.header for earlier in injections[:place])) for place in range(len(injections))]
    return tuple(replace(each, passes=(*each.passes, *put)) for each, put in zip(injections, before, strict=True))


def _written(route: Route, *backends: WeightedBackend) -> frozenset[bytes]:
    """The headers of ``CLIENT_CREDENTIALS`` that filters of a rule and of its backends write themselves."""
    return _modified(route, *backends) & CLIENT_CREDENTIALS


def _modified(route: Route, *backends: WeightedBackend) -> frozenset[bytes]:
    """All headers that filters of a rule and of its backends write themselves."""
    filters = (*route.filters, *(each for backend in backends for each in backend.filters))
    modifiers = (each for each in filters if isinstance(each, RequestHeaderModifier))
    return frozenset(name for each in modifiers for name in each.written)


def _clients_own(route: Route) -> frozenset[bytes]:
    """What clients send under names that filters of a route write, and that goes no further where it injects."""
    if not route.injections:
        return frozenset()
    standing = {header_name(each.header) for each in route.injections}
    # A session's cookie is still to be read.
    return _written(route, *route.backends) - standing - ({b"cookie"} if route.session else set[bytes]())


def obstacle(backend: Backend | Unusable, *, injects: bool = False) -> GatewayFiltersError | None:
    """Why no request can be sent to a backend, one that ``injects`` a credential or any other; None when one can."""
    if isinstance(backend, Unusable):
        return RouteRefused(backend.reason)
    if injects and backend.unfit_for_credentials:
        return RouteRefused(f"{backend.unfit_for_credentials}, so no credential is sent to it")
    if not (backend.endpoints or backend.hosts):
        return NotConnected(f"backend {backend.name} has no ready endpoint")
    return None


def no_backend(route: Route) -> RouteRefused | None:
    """Why no backend of a route takes requests; None when one does."""
    if any(each.weight > 0 for each in route.backends):
        return None
    return RouteRefused(f"route {route.name} has no backend")


def _split(filters: Sequence[Filter], kind: type[Filter]) -> tuple[Filters, Filters]:
    """Those of ``kind``, and the others."""
    of_kind = tuple(each for each in filters if isinstance(each, kind))
    return of_kind, tuple(each for each in filters if not isinstance(each, kind))
