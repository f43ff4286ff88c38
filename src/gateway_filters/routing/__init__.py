"""Our own language between Kubernetes and httpx: plain values, comparable with ``==``."""

from gateway_filters.routing.backend import Backend, BackendTLS, Endpoint, WeightedBackend
from gateway_filters.routing.route import Route
from gateway_filters.routing.table import RouteTable

__all__ = ["Backend", "BackendTLS", "Endpoint", "Route", "RouteTable", "WeightedBackend"]
