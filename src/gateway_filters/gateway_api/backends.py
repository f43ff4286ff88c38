"""References to backends into backends: endpoints, protocol, and the TLS that a policy asks for."""

from collections.abc import Callable

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.addresses import endpoint_fault
from gateway_filters.gateway_api.grants import granted
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    ENVOY_GROUP,
    BackendEndpoint,
    BackendObjectReference,
    Resource,
    Service,
)
from gateway_filters.gateway_api.resources import Backend as BackendResource
from gateway_filters.gateway_api.services import PROTOCOLS, SECURE_WEBSOCKET, endpoints_of, port_of
from gateway_filters.gateway_api.tls_policies import UnmetTLSError
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.message.http2 import require_http2
from gateway_filters.routing import HTTP2, NEGOTIATED, Backend, BackendTLS, Endpoint

_BACKEND_PROTOCOLS = {
    "gateway.envoyproxy.io/h2c": HTTP2,
    "gateway.envoyproxy.io/ws": "ws",
    "gateway.envoyproxy.io/wss": "ws",
}


class UnusableBackendError(Exception):
    """A reference that no request can be sent to: the condition's reason (empty for none) and a sentence.

    ``fallback`` says that it is to a Backend that is one.
    """

    fallback = False

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def resolve_backend(context: Context, tls: UpstreamTLS, owner: Resource, ref: BackendObjectReference) -> Backend:
    """The backend that ``owner`` names; raises ``UnusableBackendError`` when it cannot be reached as written."""
    read = _READERS.get((ref.group, ref.kind))
    if read is None:
        raise UnusableBackendError("InvalidKind", f"a backend cannot be a {ref.kind} of group {ref.group!r}")
    namespace = ref.namespace or namespace_of(owner)
    if not granted(context.objects, owner, ref.group, ref.kind, namespace, ref.name):
        sentence = f"no ReferenceGrant allows {ref.kind} {namespace}/{ref.name}"
        raise UnusableBackendError("RefNotPermitted", sentence)
    return read(context, tls, namespace, ref)


def _service(context: Context, tls: UpstreamTLS, namespace: str, ref: BackendObjectReference) -> Backend:
    service = context.objects.find("", "Service", namespace, ref.name)
    if not isinstance(service, Service):
        raise UnusableBackendError("BackendNotFound", f"Service {namespace}/{ref.name} does not exist")
    port = port_of(service, ref.port or 0)
    if port is None:
        raise UnusableBackendError("BackendNotFound", f"Service {namespace}/{ref.name} has no port {ref.port}")
    if service.spec.type == "ExternalName":
        # It would let whoever may write a Service reach any host (Gateway API, HTTPBackendRef).
        raise UnusableBackendError("UnsupportedProtocol", f"Service {namespace}/{ref.name} is an ExternalName")
    if port.protocol != "TCP":
        raise UnusableBackendError("UnsupportedProtocol", f"Service {namespace}/{ref.name} has no TCP port {ref.port}")
    own = _met(lambda: tls.to_service(namespace, ref.name, port.name))
    if port.app_protocol == SECURE_WEBSOCKET and own is None:
        sentence = f"Service {namespace}/{ref.name} speaks wss, which needs a BackendTLSPolicy"
        raise UnusableBackendError("UnsupportedProtocol", sentence)
    protocol = PROTOCOLS.get(port.app_protocol or "", "http")
    _speaks(protocol, f"Service {namespace}/{ref.name}", own)
    endpoints = endpoints_of(context.objects, service, port)
    return Backend(f"{namespace}/{ref.name}:{ref.port}", endpoints, own, protocol=protocol)


def _backend(context: Context, tls: UpstreamTLS, namespace: str, ref: BackendObjectReference) -> Backend:
    found = context.objects.find(ENVOY_GROUP, "Backend", namespace, ref.name)
    if not isinstance(found, BackendResource):
        raise UnusableBackendError("BackendNotFound", f"Backend {namespace}/{ref.name} does not exist")
    try:
        return _endpoints_or_hosts(context, tls, found)
    except UnusableBackendError as error:
        error.fallback = bool(found.spec.fallback)
        raise


def _endpoints_or_hosts(context: Context, tls: UpstreamTLS, found: BackendResource) -> Backend:
    spec, name = found.spec, qualified(found)
    if spec.type != "Endpoints" and not context.dynamic_hosts:
        # Any host that a client names could be reached.
        sentence = f"Backend {name} is a DynamicResolver, and no host is allowed for one"
        raise UnusableBackendError("RefNotPermitted", sentence)
    for fault in filter(None, map(endpoint_fault, spec.endpoints)):
        raise UnusableBackendError("InvalidBackendRef", f"Backend {name}: {fault}")
    own = _met(lambda: tls.to_backend(found))
    protocol = next((_BACKEND_PROTOCOLS[each] for each in spec.app_protocols), _agreed(own))
    _speaks(protocol, f"Backend {name}", own)
    endpoints = tuple(_endpoint(each) for each in spec.endpoints)
    hosts = context.dynamic_hosts if spec.type == "DynamicResolver" else ()
    return Backend(name, endpoints, own, protocol, hosts, fallback=bool(spec.fallback))


_READERS: dict[tuple[str, str], Callable[[Context, UpstreamTLS, str, BackendObjectReference], Backend]] = {
    ("", "Service"): _service,
    (ENVOY_GROUP, "Backend"): _backend,
}


def _met(tls: Callable[[], BackendTLS | None]) -> BackendTLS | None:
    try:
        return tls()
    except UnmetTLSError as error:
        raise UnusableBackendError(error.reason, str(error)) from None


def _agreed(tls: BackendTLS | None) -> str:
    """What is spoken to a Backend that names no protocol: HTTP/2 only by choice, which alpnProtocols make."""
    named = () if tls is None else tls.parameters.alpn or ()
    if "h2" not in named:
        return "http"
    return NEGOTIATED if "http/1.1" in named else HTTP2


def _speaks(protocol: str, subject: str, tls: BackendTLS | None) -> None:
    if protocol not in (HTTP2, NEGOTIATED):
        return
    named = None if tls is None else tls.parameters.alpn
    if named is not None and "h2" not in named:
        raise UnusableBackendError("UnsupportedProtocol", f"{subject} speaks HTTP/2, and its alpnProtocols lack h2")
    try:
        require_http2(subject)
    except ConfigurationError as error:
        raise UnusableBackendError("UnsupportedProtocol", str(error)) from None


def _endpoint(endpoint: BackendEndpoint) -> Endpoint:
    if endpoint.fqdn is not None:
        return Endpoint(endpoint.fqdn.hostname.removesuffix("."), endpoint.port, name=endpoint.hostname)
    if endpoint.ip is not None:
        address = endpoint.ip.address
        return Endpoint(f"[{address}]" if ":" in address else address, endpoint.port, name=endpoint.hostname)
    assert endpoint.unix is not None
    return Endpoint(endpoint.hostname or "localhost", 80, endpoint.unix.path)
