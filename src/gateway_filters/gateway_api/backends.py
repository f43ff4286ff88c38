"""backendRefs into backends: endpoints, and the TLS that a policy asks for."""

from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.filters import FilterSite, translate_filter
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    ENVOY_GROUP,
    Backend,
    BackendEndpoint,
    BackendTLSPolicy,
    HTTPBackendRef,
    HTTPRoute,
)
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.routing import Backend as RoutingBackend
from gateway_filters.routing import BackendTLS, Endpoint, WeightedBackend


class UnusableBackend(Exception):
    """A backendRef that no request can be sent to; the text says why."""


def translate_backend(context: Context, route: HTTPRoute, location: Location, ref: HTTPBackendRef) -> WeightedBackend:
    """The backend that ``ref`` names; raises ``UnusableBackend`` when it cannot be reached as written."""
    backend = _find(context, route, ref)
    filters = tuple(
        translate_filter(each, FilterSite(context, route, (*location, "filters", index), None))
        for index, each in enumerate(ref.filters)
    )
    reached = RoutingBackend(qualified(backend), _endpoints(backend), _tls(context, backend))
    return WeightedBackend(reached, ref.weight, filters)


def _find(context: Context, route: HTTPRoute, ref: HTTPBackendRef) -> Backend:
    if (ref.group, ref.kind) != (ENVOY_GROUP, "Backend"):
        raise UnusableBackend(f"a backendRef to {ref.kind} is not supported, only to a Backend")
    namespace = ref.namespace or namespace_of(route)
    if namespace != namespace_of(route):
        raise UnusableBackend(f"Backend {namespace}/{ref.name} is in another namespace")
    found = context.objects.find(ref.group, ref.kind, namespace, ref.name)
    if not isinstance(found, Backend):
        raise UnusableBackend(f"Backend {namespace}/{ref.name} does not exist")
    return found


def _endpoints(backend: Backend) -> tuple[Endpoint, ...]:
    spec = backend.spec
    if spec.tls is not None or spec.app_protocols or spec.fallback or spec.type != "Endpoints" or not spec.endpoints:
        raise UnusableBackend(f"Backend {qualified(backend)} asks for something that is not supported")
    return tuple(_endpoint(backend, each) for each in spec.endpoints)


def _endpoint(backend: Backend, endpoint: BackendEndpoint) -> Endpoint:
    if endpoint.fqdn is not None:
        return Endpoint(endpoint.fqdn.hostname.removesuffix("."), endpoint.fqdn.port)
    if endpoint.ip is not None:
        return Endpoint(endpoint.ip.address, endpoint.ip.port)
    raise UnusableBackend(f"Backend {qualified(backend)} has a Unix socket, which is not supported")


def _tls(context: Context, backend: Backend) -> BackendTLS | None:
    policy = _policy(context, backend)
    if policy is None:
        return None
    validation = policy.spec.validation
    if validation.well_known_ca_certificates != "System" or validation.subject_alt_names:
        # Never in plain text: a policy that cannot be met makes the backend unusable.
        raise UnusableBackend(f"BackendTLSPolicy {qualified(policy)} asks for something that is not supported")
    return BackendTLS(validation.hostname)


def _policy(context: Context, backend: Backend) -> BackendTLSPolicy | None:
    """The policy for the backend: of several, the oldest, then the first by name (Gateway API, conflicts)."""
    candidates = [
        policy
        for policy in context.objects.of(BackendTLSPolicy)
        if namespace_of(policy) == namespace_of(backend)
        for target in policy.spec.target_refs
        if (target.group, target.kind, target.name) == (ENVOY_GROUP, "Backend", backend.metadata.name)
    ]
    return min(candidates, key=_age, default=None)


def _age(policy: BackendTLSPolicy) -> tuple[str, str]:
    # Without a time an object counts as newer than one that has one.
    return (policy.metadata.creation_timestamp or "9999", qualified(policy))
