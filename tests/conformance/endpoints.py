"""EndpointSlices for Services, as the cluster's own controller and its pods would have made them."""

from collections.abc import Iterable, Sequence
from typing import Any

from .certificates import INFRA
from .echo import Backend

Manifest = dict[str, Any]
_MANUAL = (INFRA, "infra-backend-v1")  # whose pods the suite writes into hand-made slices


def with_endpoints(manifests: Sequence[Manifest], backends: Sequence[Backend]) -> list[Manifest]:
    """The manifests with a slice for each Service that selects, and hand-made slices filled in."""
    filled = [_filled(each, backends) if each["kind"] == "EndpointSlice" else each for each in manifests]
    return [*filled, *_slices(manifests, backends)]


def _slices(manifests: Iterable[Manifest], backends: Sequence[Backend]) -> list[Manifest]:
    services = [each for each in manifests if each["kind"] == "Service" and each["spec"].get("selector")]
    return [_slice(service, [each.address for each in backends if _selects(service, each)]) for service in services]


def _selects(service: Manifest, backend: Backend) -> bool:
    wanted = service["spec"]["selector"].items()
    return (
        backend.deployment.namespace == service["metadata"]["namespace"] and wanted <= backend.deployment.labels.items()
    )


def _slice(service: Manifest, addresses: Sequence[str]) -> Manifest:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-made", "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "endpoints": _endpoints(addresses),
        "ports": [_port(each) for each in service["spec"]["ports"]],
    }


def _port(port: Manifest) -> Manifest:
    kept = {key: port[key] for key in ("protocol", "appProtocol") if key in port}
    return {"name": port.get("name", ""), "port": port.get("targetPort", port["port"]), **kept}


def _filled(manual: Manifest, backends: Sequence[Backend]) -> Manifest:
    """A slice that the suite fills with pod addresses before it sends; ours are all IPv4."""
    if "endpoints" in manual:
        return manual
    found = [each.address for each in backends if (each.deployment.namespace, each.deployment.name) == _MANUAL]
    return {**manual, "endpoints": _endpoints(found if manual["addressType"] == "IPv4" else ())}


def _endpoints(addresses: Sequence[str]) -> list[Manifest]:
    return [{"addresses": [each], "conditions": {"ready": True}} for each in addresses]
