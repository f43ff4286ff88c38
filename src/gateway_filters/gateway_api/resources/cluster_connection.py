"""How connections to a service are made, kept and limited (Envoy Gateway, ClusterSettings)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway_filters.gateway_api.resources.http_side_requests import Fraction
from gateway_filters.gateway_api.resources.part import Items, Part, refusal
from gateway_filters.gateway_api.resources.quantities import Percent, Size, Uint32
from gateway_filters.gateway_api.resources.scalars import Duration, Int32, milliseconds

StatusCode = Annotated[int, Field(ge=100, le=599)]
RetryTrigger = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]


class PerEndpointCircuitBreaker(Part):
    """Limits for each endpoint."""

    max_connections: Uint32 = 1024


class RetryBudget(Part):
    """How many of the requests may be repetitions."""

    percent: Fraction
    min_retry_concurrency: Int32 | None = None


class CircuitBreaker(Part):
    """Limits for all endpoints together."""

    max_connections: Uint32 = 1024
    max_parallel_requests: Uint32 = 1024
    max_parallel_retries: Uint32 = 1024
    max_pending_requests: Uint32 = 1024
    max_requests_per_connection: Uint32 | None = None
    per_endpoint: PerEndpointCircuitBreaker | None = None
    retry_budget: RetryBudget | None = None


class Preconnect(Part):
    """Connections made before they are needed."""

    per_endpoint_percent: Annotated[Int32, Field(ge=100, le=300)] | None = None
    predictive_percent: Annotated[Int32, Field(ge=100)] | None = None


class BackendConnection(Part):
    """Buffers of connections."""

    buffer_limit: Size | None = None
    preconnect: Preconnect | None = None
    socket_buffer_limit: Size | None = None


class DNS(Part):
    """How names are resolved."""

    dns_refresh_rate: Duration | None = None
    lookup_family: Literal["IPv4", "IPv6", "IPv4Preferred", "IPv6Preferred", "IPv4AndIPv6"] | None = None
    respect_dns_ttl: bool | None = None


class ConnectionKeepalive(Part):
    """Pings on HTTP/2 connections."""

    idle_interval: Duration | None = None
    interval: Duration | None = None
    interval_jitter: Percent | None = None
    timeout: Duration | None = None

    @model_validator(mode="after")
    def _timeout_below_interval(self) -> Self:
        if self.timeout and self.interval and milliseconds(self.timeout) >= milliseconds(self.interval):
            raise refusal("timeout must be less than interval", "timeout")
        return self


class HTTP2Settings(Part):
    """Windows and streams of HTTP/2."""

    connection_keepalive: ConnectionKeepalive | None = None
    initial_connection_window_size: Size | None = None
    initial_stream_window_size: Size | None = None
    max_concurrent_streams: Annotated[Int32, Field(ge=1)] | None = None
    on_invalid_message: str | None = None


class ProxyProtocol(Part):
    """The PROXY protocol in front of each connection."""

    version: Literal["V1", "V2"]


class BackOff(Part):
    """Times between repetitions."""

    base_interval: Duration | None = None
    max_interval: Duration | None = None


class PerRetry(Part):
    """Times of one repetition."""

    back_off: BackOff | None = None
    timeout: Duration | None = None


class RetryOn(Part):
    """What is tried again."""

    http_status_codes: Items[StatusCode] = Field(default=(), alias="httpStatusCodes")
    triggers: Items[RetryTrigger] = ()


class Retry(Part):
    """How often and when something is tried again."""

    num_attempts_per_priority: Int32 | None = None
    num_retries: Annotated[Int32, Field(ge=0)] = 2
    per_retry: PerRetry | None = None
    retry_on: RetryOn | None = None


class TCPKeepalive(Part):
    """Probes on idle connections."""

    idle_time: Duration | None = None
    interval: Duration | None = None
    probes: Int32 | None = None


class HTTPTimeout(Part):
    """Times of HTTP."""

    connection_idle_timeout: Duration | None = None
    max_connection_duration: Duration | None = None
    max_stream_duration: Duration | None = None
    request_timeout: Duration | None = None
    stream_idle_timeout: Duration | None = None


class TCPTimeout(Part):
    """Times of TCP."""

    connect_timeout: Duration | None = None


class Timeout(Part):
    """How long to wait."""

    http: HTTPTimeout | None = None
    tcp: TCPTimeout | None = None
