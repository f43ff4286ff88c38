"""The rooms that know httpx: the upstream app, its transports, TLS, the border of failures."""

from gateway_filters.upstream.app import Upstream
from gateway_filters.upstream.httpx_adapter import AsyncHTTP11Transport
from gateway_filters.upstream.tls import client_context
from gateway_filters.upstream.transport import Clocks, Resolver
from gateway_filters.upstream.websocket.limits import WebSocketLimits

__all__ = ["AsyncHTTP11Transport", "Clocks", "Resolver", "Upstream", "WebSocketLimits", "client_context"]
