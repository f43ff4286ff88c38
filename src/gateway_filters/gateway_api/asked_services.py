"""Services that a SecurityPolicy names: one that is asked about requests, one that publishes keys."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.backends import UnusableBackendError, resolve_backend
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.resources import BackendObjectReference, RemoteJWKS, Resource, ServiceCluster
from gateway_filters.gateway_api.resources.cluster_settings import ServiceReference
from gateway_filters.gateway_api.resources.scalars import milliseconds
from gateway_filters.gateway_api.translation import Context
from gateway_filters.gateway_api.unmet import UnmetError
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.message.text import authority, path
from gateway_filters.routing import Backend, BackendTLS, Endpoint
from gateway_filters.routing import RemoteJWKS as PublishedKeys

_PORTS = {"http": 80, "https": 443}


def asked_backend(context: Context, tls: UpstreamTLS, owner: Resource, cluster: ServiceCluster) -> Backend:
    """The backends of a service as one: requests go to any of their endpoints.

    Raises ``UnmetError`` for one that cannot be reached as written, and for several that are not all alike.
    """
    if cluster.backend_settings is not None:
        raise UnmetError("backendSettings is not supported", "backendSettings")
    found = [(_resolved(context, tls, owner, ref, place), ref) for place, ref in _references(cluster)]
    live = [(backend, ref) for backend, ref in found if not isinstance(ref, ServiceReference) or ref.weight]
    if not live:
        raise UnmetError("no backendRef has a weight", "backendRefs")
    manners = {(replace(backend, name="", endpoints=()), _weight(ref)) for backend, ref in live}
    if len(manners) > 1:
        raise UnmetError("backendRefs must not differ in TLS, protocol, weight or fallback here", "backendRefs")
    return replace(
        live[0][0],
        name="+".join(backend.name for backend, _ in live),
        endpoints=tuple(endpoint for backend, _ in live for endpoint in backend.endpoints),
        fallback=False,
    )


def published_keys(context: Context, tls: UpstreamTLS, owner: Resource, written: RemoteJWKS) -> PublishedKeys:
    """The keys at a URI: https, or http to a backend that is named.

    Raises ``UnmetError`` for another URI, and as ``asked_backend`` does.
    """
    uri = _uri(written.uri)
    host, port = str(uri.hostname), uri.port or _PORTS[uri.scheme]
    secure = BackendTLS(host) if uri.scheme == "https" else None
    if written.backend_refs:
        backend = asked_backend(context, tls, owner, written)
        backend = backend if backend.tls else replace(backend, tls=secure)
    elif written.backend_settings is not None:
        raise UnmetError("backendSettings is not supported", "backendSettings")
    elif secure is None:
        raise UnmetError("keys may be fetched over http from backendRefs only", "uri")
    else:
        backend = Backend(f"keys of {host}:{port}", (Endpoint(f"[{host}]" if ":" in host else host, port),), secure)
    target = f"{uri.path or '/'}?{uri.query}" if uri.query else uri.path or "/"
    retry = milliseconds(written.failed_refetch_duration or "1s") / 1000
    return PublishedKeys(backend, uri.netloc, target, milliseconds(written.cache_duration) / 1000, max(retry, 0.1))


def _uri(text: str) -> SplitResult:
    try:
        uri = urlsplit(text)
        authority(uri.netloc, "the host")
        path(f"{uri.path or '/'}{uri.query}", "the path")
        usable = uri.scheme in _PORTS and uri.port != 0 and uri.hostname
    except (ConfigurationError, ValueError):
        usable = False
    if not usable:
        raise UnmetError("the uri is not one of http or https", "uri")
    return urlsplit(text)


def _references(cluster: ServiceCluster) -> Iterator[tuple[Location, BackendObjectReference]]:
    for index, ref in enumerate(cluster.backend_refs or ()):
        yield ("backendRefs", index), ref
    if cluster.backend_ref is not None and not cluster.backend_refs:
        yield ("backendRef",), cluster.backend_ref


def _resolved(
    context: Context, tls: UpstreamTLS, owner: Resource, ref: BackendObjectReference, place: Location
) -> Backend:
    try:
        backend = resolve_backend(context, tls, owner, ref)
    except UnusableBackendError as error:
        raise UnmetError(str(error), *place, reason=error.reason or "Invalid") from None
    if backend.hosts:
        raise UnmetError("a DynamicResolver cannot be asked: it has no place of its own", *place)
    return backend


def _weight(ref: BackendObjectReference) -> tuple[int, bool]:
    return (ref.weight, bool(ref.fallback)) if isinstance(ref, ServiceReference) else (1, False)
