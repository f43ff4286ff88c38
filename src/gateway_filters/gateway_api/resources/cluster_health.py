"""How the health of endpoints is found out (Envoy Gateway, HealthCheck)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.cluster_connection import StatusCode
from gateway_filters.gateway_api.resources.core import Base64
from gateway_filters.gateway_api.resources.part import DISTINCT, Items, Part, refusal
from gateway_filters.gateway_api.resources.quantities import Percent
from gateway_filters.gateway_api.resources.scalars import Duration, Int32, PortNumber, PreciseHostname

LogMatch = Literal["Failure", "FailureSeriesStart", "Success", "HealthyTransition"]
Positive = Annotated[Int32, Field(ge=1)]


class Payload(Part):
    """What is sent to an endpoint, or expected from it."""

    type: Literal["Text", "Binary"]
    text: str | None = None
    binary: Base64 | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if (self.text is not None) != (self.type == "Text"):
            raise refusal("text must be given with type Text and only then", "text")
        if (self.binary is not None) != (self.type == "Binary"):
            raise refusal("binary must be given with type Binary and only then", "binary")
        return self


class HTTPHealthChecker(Part):
    """A request that a healthy endpoint answers."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    method: Annotated[str, StringConstraints(max_length=16)] | None = None
    hostname: PreciseHostname | None = None
    expected_response: Payload | None = None
    expected_statuses: Items[StatusCode] = ()
    retriable_statuses: Items[StatusCode] = ()
    request_body: Payload | None = None

    @model_validator(mode="after")
    def _body_by_method(self) -> Self:
        if self.request_body is not None and (self.method or "").encode().upper() not in (b"POST", b"PUT"):
            raise refusal("requestBody may be given with method POST or PUT only", "requestBody")
        return self


class TCPHealthChecker(Part):
    """What is sent on a connection, and what must come back."""

    send: Payload | None = None
    receive: Payload | None = None


class GRPCHealthChecker(Part):
    """The service that is asked about."""

    service: str | None = None


class LogFile(Part):
    """A file for entries."""

    path: Annotated[str, StringConstraints(min_length=1)]


class HealthCheckLogSink(Part):
    """Where entries go."""

    type: Literal["File"]
    file: LogFile | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if self.file is None:
            raise refusal("a sink of type File needs file", "file")
        return self


def _both_sides(matches: tuple[str, ...]) -> tuple[str, ...]:
    failures = {"Failure", "FailureSeriesStart"}.isdisjoint(matches)
    if failures != {"Success", "HealthyTransition"}.isdisjoint(matches):
        raise refusal("a kind of failure and a kind of success must be given together")
    return matches


class HealthCheckLog(Part):
    """What is written down of health checks."""

    matches: Annotated[Items[LogMatch], Field(max_length=4), DISTINCT, AfterValidator(_both_sides)] | None = None
    sinks: Annotated[Items[HealthCheckLogSink], Field(max_length=1)] = ()


class HealthCheckOverrides(Part):
    """Another port to be checked."""

    port: PortNumber | None = None


class ActiveHealthCheck(Part):
    """Endpoints are asked."""

    type: Literal["HTTP", "TCP", "GRPC"]
    http: HTTPHealthChecker | None = None
    tcp: TCPHealthChecker | None = None
    grpc: GRPCHealthChecker | None = None
    health_check_log: HealthCheckLog | None = None
    initial_jitter: Duration | None = None
    interval: Duration = "3s"
    timeout: Duration = "1s"
    healthy_threshold: Positive = 1
    unhealthy_threshold: Positive = 3
    overrides: HealthCheckOverrides | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if (self.http is not None) != (self.type == "HTTP"):
            raise refusal("http must be given with type HTTP and only then", "http")
        if (self.tcp is not None) != (self.type == "TCP"):
            raise refusal("tcp must be given with type TCP and only then", "tcp")
        if self.grpc is not None and self.type != "GRPC":
            raise refusal("grpc may be given with type GRPC only", "grpc")
        return self


class PassiveHealthCheck(Part):
    """Endpoints are judged by their answers."""

    always_eject_one_endpoint: bool = False
    base_ejection_time: Duration = "30s"
    consecutive_5xx_errors: Int32 = Field(default=5, alias="consecutive5XxErrors")
    consecutive_gateway_errors: Int32 | None = None
    consecutive_local_origin_failures: Int32 = 5
    failure_percentage_threshold: Percent | None = None
    interval: Duration = "3s"
    max_ejection_percent: Percent = 10
    split_external_local_origin_errors: bool = False


class HealthCheck(Part):
    """How the health of endpoints is found out."""

    active: ActiveHealthCheck | None = None
    passive: PassiveHealthCheck | None = None
    panic_threshold: Percent | None = None
