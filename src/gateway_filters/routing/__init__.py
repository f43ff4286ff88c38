"""Our own language between Kubernetes and httpx: plain values, comparable with ``==``."""

from gateway_filters.routing.backend import HTTP2, NEGOTIATED, Backend, Endpoint, Unusable
from gateway_filters.routing.backend_tls import SPOKEN, BackendTLS, SubjectAltName, TLSParameters
from gateway_filters.routing.certificate import CertificatePair
from gateway_filters.routing.listener import Listener, ListenerTable, ListenerTLS, Socket, by_socket, place_of
from gateway_filters.routing.policies import ExternalAuth, Mirror, Retry, SessionPersistence, Timeouts
from gateway_filters.routing.route import Route
from gateway_filters.routing.security import RemoteJWKS, SecurityPolicy
from gateway_filters.routing.table import RouteTable
from gateway_filters.routing.weighted import WeightedBackend, ranks

__all__ = [
    "HTTP2",
    "NEGOTIATED",
    "SPOKEN",
    "Backend",
    "BackendTLS",
    "CertificatePair",
    "Endpoint",
    "ExternalAuth",
    "Listener",
    "ListenerTLS",
    "ListenerTable",
    "Mirror",
    "RemoteJWKS",
    "Retry",
    "Route",
    "RouteTable",
    "SecurityPolicy",
    "SessionPersistence",
    "Socket",
    "SubjectAltName",
    "TLSParameters",
    "Timeouts",
    "Unusable",
    "WeightedBackend",
    "by_socket",
    "place_of",
    "ranks",
]
