"""How requests are spread over endpoints (Envoy Gateway, LoadBalancer)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import Items, Part, refusal, unique_by
from gateway_filters.gateway_api.resources.scalars import Duration, Int32, Int64, PortNumber, milliseconds

ModuleName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern="^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


def _above_zero(duration: str) -> str:
    if milliseconds(duration) == 0:
        raise refusal("reportingPeriod must be greater than 0")
    return duration


class OutOfBandReporting(Part):
    """Where and how often load reports are asked for."""

    authority: Annotated[str, StringConstraints(min_length=1, max_length=259, pattern=r"^[^\x00\n\r]*$")] | None = None
    port: PortNumber | None = None
    reporting_period: Annotated[Duration, AfterValidator(_above_zero)] | None = None


class BackendUtilization(Part):
    """Balancing by the load that endpoints report."""

    blackout_period: Duration | None = None
    error_utilization_penalty_percent: Annotated[Int32, Field(ge=0)] | None = None
    keep_response_headers: bool = False
    metric_names_for_computing_utilization: Items[str] = ()
    out_of_band: OutOfBandReporting | None = None
    weight_expiration_period: Duration | None = None
    weight_update_period: Duration | None = None


class HashCookie(Part):
    """A cookie to hash by."""

    name: str
    attributes: dict[str, str] = Field(default={})
    ttl: Duration | None = None


class HashField(Part):
    """A header or query parameter to hash by."""

    name: str


class ConsistentHash(Part):
    """Balancing by a hash of something in the request."""

    type: Literal["SourceIP", "Header", "Headers", "Cookie", "QueryParams"]
    header: HashField | None = None
    headers: Items[HashField] | None = None
    cookie: HashCookie | None = None
    query_params: Items[HashField] | None = None
    table_size: Annotated[Int64, Field(ge=2, le=5000011)] = 65537

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if (self.header is not None) != (self.type == "Header"):
            raise refusal("header must be given with type Header and only then", "header")
        if (self.headers is not None) != (self.type == "Headers"):
            raise refusal("headers must be given with type Headers and only then", "headers")
        if (self.cookie is not None) != (self.type == "Cookie"):
            raise refusal("cookie must be given with type Cookie and only then", "cookie")
        if (self.query_params is not None) != (self.type == "QueryParams"):
            raise refusal("queryParams must be given with type QueryParams and only then", "queryParams")
        return self


class DynamicModuleBalancing(Part):
    """Balancing by a module of somebody else."""

    name: ModuleName
    lb_policy_name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    config: object = None


class EndpointSource(Part):
    """A header that names an endpoint."""

    header: str | None = None


class EndpointOverride(Part):
    """Requests that name their endpoint themselves."""

    extract_from: Annotated[Items[EndpointSource], Field(min_length=1, max_length=10)]


class SlowStart(Part):
    """How long an endpoint is new."""

    window: Duration


class ForceLocal(Part):
    """From how many endpoints on a zone keeps to itself."""

    min_endpoints_in_zone_threshold: Int32 | None = None


class PreferLocal(Part):
    """Endpoints of the same zone go first."""

    force: ForceLocal | None = None
    min_endpoints_threshold: Int64 | None = None
    percentage_enabled: Annotated[Int32, Field(ge=0, le=100)] | None = None


class WeightedZone(Part):
    """The share of a zone."""

    zone: str
    weight: Int32


class ZoneAware(Part):
    """Balancing by zones."""

    prefer_local: PreferLocal | None = None
    weighted_zones: Annotated[Items[WeightedZone], unique_by("zone")] | None = None


class LoadBalancer(Part):
    """How an endpoint is chosen."""

    type: Literal["ConsistentHash", "LeastRequest", "Random", "RoundRobin", "BackendUtilization", "DynamicModule"]
    consistent_hash: ConsistentHash | None = None
    backend_utilization: BackendUtilization | None = None
    dynamic_module: DynamicModuleBalancing | None = None
    endpoint_override: EndpointOverride | None = None
    slow_start: SlowStart | None = None
    zone_aware: ZoneAware | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if (self.consistent_hash is not None) != (self.type == "ConsistentHash"):
            raise refusal("consistentHash must be given with type ConsistentHash and only then", "consistentHash")
        if (self.backend_utilization is not None) != (self.type == "BackendUtilization"):
            raise refusal(
                "backendUtilization must be given with type BackendUtilization and only then", "backendUtilization"
            )
        if (self.dynamic_module is not None) != (self.type == "DynamicModule"):
            raise refusal("dynamicModule must be given with type DynamicModule and only then", "dynamicModule")
        return self

    @model_validator(mode="after")
    def _extras_by_type(self) -> Self:
        if self.slow_start is not None and self.type in ("Random", "ConsistentHash", "DynamicModule"):
            raise refusal("slowStart does not go with this type", "slowStart")
        if self.endpoint_override is not None and self.type == "DynamicModule":
            raise refusal("endpointOverride does not go with type DynamicModule", "endpointOverride")
        if self.zone_aware is not None and self.type == "DynamicModule":
            raise refusal("zoneAware does not go with type DynamicModule", "zoneAware")
        return self

    @model_validator(mode="after")
    def _zones(self) -> Self:
        zones = self.zone_aware
        if zones is None or zones.prefer_local is None:
            return self
        if self.type in ("ConsistentHash", "BackendUtilization"):
            raise refusal("preferLocal does not go with this type", "zoneAware", "preferLocal")
        if zones.weighted_zones is not None:
            raise refusal("either preferLocal or weightedZones may be given, not both", "zoneAware", "weightedZones")
        return self
