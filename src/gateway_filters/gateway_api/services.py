"""Services and their EndpointSlices into endpoints."""

from gateway_filters.gateway_api.objects import Objects, namespace_of
from gateway_filters.gateway_api.resources import BackendObjectReference, Service, ServicePort
from gateway_filters.routing import HTTP2, Endpoint

SECURE_WEBSOCKET = "kubernetes.io/wss"
"""The appProtocol that only a BackendTLSPolicy makes possible (Gateway API, HTTPRoute)."""

PROTOCOLS = {
    "kubernetes.io/h2c": HTTP2,
    "kubernetes.io/ws": "ws",
    SECURE_WEBSOCKET: "ws",
}
"""What an appProtocol asks for; any other one means HTTP/1.1."""


def port_of(service: Service, number: int) -> ServicePort | None:
    """The Service's port of that number, the one for TCP where UDP has it as well, or None."""
    found = [port for port in service.spec.ports if port.port == number]
    return min(found, key=lambda port: port.protocol != "TCP", default=None)


def endpoints_of(objects: Objects, service: Service, port: ServicePort) -> tuple[Endpoint, ...]:
    """The ready endpoints behind a port of a Service: slices are found by label, their ports by name."""
    return tuple(
        Endpoint(f"[{address}]" if each.address_type == "IPv6" else address, target.port)
        for each in objects.slices_of(namespace_of(service), service.metadata.name)
        for target in each.ports
        if target.name == (port.name or "") and target.port is not None
        for endpoint in each.endpoints
        # What is not said counts as ready (Kubernetes, EndpointConditions).
        if endpoint.conditions.ready is not False
        for address in endpoint.addresses
    )


def keeps_clients(objects: Objects, namespace: str, ref: BackendObjectReference) -> bool:
    """Whether ``ref`` names a Service that keeps clients at their Pods itself."""
    service = objects.find(ref.group, ref.kind, namespace, ref.name)
    return isinstance(service, Service) and service.spec.session_affinity != "None"
