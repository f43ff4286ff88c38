"""Everything about the traffic to a service that a policy names (Envoy Gateway, ClusterSettings)."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway_filters.gateway_api.resources.cluster_balancing import LoadBalancer
from gateway_filters.gateway_api.resources.cluster_connection import (
    DNS,
    BackendConnection,
    CircuitBreaker,
    HTTP2Settings,
    ProxyProtocol,
    Retry,
    TCPKeepalive,
    Timeout,
)
from gateway_filters.gateway_api.resources.cluster_health import HealthCheck
from gateway_filters.gateway_api.resources.part import Items, Part, refusal
from gateway_filters.gateway_api.resources.references import BackendObjectReference
from gateway_filters.gateway_api.resources.scalars import Int32


class ClusterSettings(Part):
    """How a service is reached."""

    circuit_breaker: CircuitBreaker | None = None
    connection: BackendConnection | None = None
    dns: DNS | None = None
    health_check: HealthCheck | None = None
    http2: HTTP2Settings | None = None
    load_balancer: LoadBalancer | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry: Retry | None = None
    tcp_keepalive: TCPKeepalive | None = None
    timeout: Timeout | None = None

    @model_validator(mode="after")
    def _prediction_by_balancer(self) -> Self:
        preconnect = self.connection and self.connection.preconnect
        balancer = self.load_balancer and self.load_balancer.type
        if preconnect and preconnect.predictive_percent is not None and balancer not in ("Random", "RoundRobin"):
            raise refusal("predictivePercent needs a loadBalancer of type RoundRobin or Random", "connection")
        return self


class ServiceReference(BackendObjectReference):
    """A backend with its share of the requests."""

    fallback: bool | None = None
    weight: Annotated[Int32, Field(ge=0, le=1_000_000)] = 1


class ServiceCluster(Part):
    """The backends of a service, and how they are reached."""

    backend_ref: BackendObjectReference | None = None
    backend_refs: Annotated[Items[ServiceReference], Field(max_length=16)] | None = None
    backend_settings: ClusterSettings | None = None


class FetchedCluster(ServiceCluster):
    """A service from which something is fetched now and then."""

    @model_validator(mode="after")
    def _references_in_a_list(self) -> Self:
        if self.backend_ref is not None:
            raise refusal("backendRefs must be used, backendRef is not supported", "backendRef")
        return self

    @model_validator(mode="after")
    def _plain_retry(self) -> Self:
        retry = self.backend_settings and self.backend_settings.retry
        if retry and retry.per_retry and retry.per_retry.timeout is not None:
            raise refusal("a timeout of each retry is not supported", "backendSettings", "retry", "perRetry")
        if retry and retry.retry_on and "http_status_codes" in retry.retry_on.model_fields_set:
            raise refusal("httpStatusCodes is not supported", "backendSettings", "retry", "retryOn")
        return self


class AskedCluster(ServiceCluster):
    """A service that is asked about each request."""

    @model_validator(mode="after")
    def _some_reference(self) -> Self:
        if self.backend_ref is None and not self.backend_refs:
            raise refusal("backendRef or backendRefs must be given", "backendRefs")
        return self

    @model_validator(mode="after")
    def _kinds_of_references(self) -> Self:
        for index, ref in enumerate(self.backend_refs or ()):
            if ref.kind not in ("Service", "ServiceImport", "Backend"):
                raise refusal("a backend can be a Service, ServiceImport or Backend", "backendRefs", index, "kind")
            if ref.group not in ("", "multicluster.x-k8s.io", "gateway.envoyproxy.io"):
                raise refusal("a backend cannot be of this group", "backendRefs", index, "group")
        return self
