"""The table of the kinds that are read: adding one is a model and a row here."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway_filters.gateway_api.resources.backend import Backend
from gateway_filters.gateway_api.resources.backend_tls_policy import BackendTLSPolicy
from gateway_filters.gateway_api.resources.client_traffic_policy import ClientTrafficPolicy
from gateway_filters.gateway_api.resources.core import ConfigMap, Namespace, Secret
from gateway_filters.gateway_api.resources.endpoint_slice import EndpointSlice
from gateway_filters.gateway_api.resources.gateway import Gateway
from gateway_filters.gateway_api.resources.gateway_class import GatewayClass
from gateway_filters.gateway_api.resources.http_route import HTTPRoute
from gateway_filters.gateway_api.resources.http_route_filter import HTTPRouteFilter
from gateway_filters.gateway_api.resources.listener_set import ListenerSet
from gateway_filters.gateway_api.resources.meta import Resource
from gateway_filters.gateway_api.resources.reference_grant import ReferenceGrant
from gateway_filters.gateway_api.resources.references import GATEWAY_GROUP
from gateway_filters.gateway_api.resources.security_policy import SecurityPolicy
from gateway_filters.gateway_api.resources.service import Service

ENVOY_GROUP = "gateway.envoyproxy.io"


@dataclass(frozen=True, slots=True)
class Kind:
    """How objects of one kind are read, and in which served versions they may be written."""

    model: type[Resource]
    versions: frozenset[str]


def _kind(model: type[Resource], *versions: str) -> Kind:
    return Kind(model, frozenset(versions))


KINDS: Mapping[tuple[str, str], Kind] = MappingProxyType(
    {
        (GATEWAY_GROUP, "Gateway"): _kind(Gateway, "v1", "v1beta1"),
        (GATEWAY_GROUP, "GatewayClass"): _kind(GatewayClass, "v1", "v1beta1"),
        (GATEWAY_GROUP, "HTTPRoute"): _kind(HTTPRoute, "v1", "v1beta1"),
        (GATEWAY_GROUP, "ListenerSet"): _kind(ListenerSet, "v1"),
        (GATEWAY_GROUP, "ReferenceGrant"): _kind(ReferenceGrant, "v1", "v1beta1"),
        (GATEWAY_GROUP, "BackendTLSPolicy"): _kind(BackendTLSPolicy, "v1", "v1alpha3"),
        (ENVOY_GROUP, "Backend"): _kind(Backend, "v1alpha1"),
        (ENVOY_GROUP, "ClientTrafficPolicy"): _kind(ClientTrafficPolicy, "v1alpha1"),
        (ENVOY_GROUP, "HTTPRouteFilter"): _kind(HTTPRouteFilter, "v1alpha1"),
        (ENVOY_GROUP, "SecurityPolicy"): _kind(SecurityPolicy, "v1alpha1"),
        ("", "ConfigMap"): _kind(ConfigMap, "v1"),
        ("", "Namespace"): _kind(Namespace, "v1"),
        ("", "Secret"): _kind(Secret, "v1"),
        ("", "Service"): _kind(Service, "v1"),
        ("discovery.k8s.io", "EndpointSlice"): _kind(EndpointSlice, "v1"),
    }
)
"""By group (empty for Kubernetes' core) and kind."""
