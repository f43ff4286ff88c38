"""Service and EndpointSlice: Kubernetes' own kinds that say where Pods listen."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, first_repeated, refusal
from gateway_filters.gateway_api.resources.scalars import LABEL, Int32, PortNumber

TransportProtocol = Literal["TCP", "UDP", "SCTP"]
PortName = Annotated[str, StringConstraints(max_length=63, pattern=f"^({LABEL})?$")]

_LAST_PORT = 65535


def _target(written: object) -> int | str:
    if isinstance(written, str) and written:
        return written
    if type(written) is int and 1 <= written <= _LAST_PORT:
        return written
    raise refusal("targetPort must be a port number or the name of a port")


TargetPort = Annotated[int | str, PlainValidator(_target)]


class ServicePort(Part):
    """A port of a Service and the Pods' port behind it, which is the same unless it says otherwise."""

    name: PortName | None = None
    protocol: TransportProtocol = "TCP"
    app_protocol: str | None = None
    port: PortNumber
    target_port: TargetPort = 0
    node_port: Annotated[int, Field(ge=0, le=_LAST_PORT)] | None = None

    @model_validator(mode="after")
    def _same_port_by_default(self) -> Self:
        return self if self.target_port else self.model_copy(update={"target_port": self.port})


def _ports_apart(ports: tuple[ServicePort, ...]) -> tuple[ServicePort, ...]:
    if len(ports) > 1:
        for index, port in enumerate(ports):
            if not port.name:
                raise refusal("each port of a Service with several ports needs a name", index, "name")
        if (again := first_repeated(ports, lambda port: port.name)) is not None:
            raise refusal("the name of a port must be unique in its Service", again, "name")
        if (again := first_repeated(ports, lambda port: (port.port, port.protocol))) is not None:
            raise refusal("two ports of a Service may not have the same number and protocol", again, "port")
    return ports


class ClientIPConfig(Part):
    """How long a client stays with its Pod."""

    timeout_seconds: Int32 | None = None


class SessionAffinityConfig(Part):
    """How a client stays with its Pod."""

    client_ip: ClientIPConfig | None = Field(default=None, alias="clientIP")


class ServiceSpec(Part):
    """The ports of a Service, the Pods behind it and how they are reached."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    ports: Annotated[Items[ServicePort], AfterValidator(_ports_apart)] = ()
    selector: dict[str, str] = Field(default={})
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    cluster_ips: Items[str] = Field(default=(), alias="clusterIPs")
    external_name: str | None = None
    external_ips: Items[str] = Field(default=(), alias="externalIPs")
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    internal_traffic_policy: Literal["Cluster", "Local"] | None = None
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    ip_families: Items[Literal["IPv4", "IPv6"]] = ()
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    publish_not_ready_addresses: bool | None = None
    allocate_load_balancer_node_ports: bool | None = None
    load_balancer_class: str | None = None
    load_balancer_ip: str | None = Field(default=None, alias="loadBalancerIP")
    load_balancer_source_ranges: Items[str] = ()
    health_check_node_port: Int32 | None = None
    traffic_distribution: str | None = None

    @model_validator(mode="after")
    def _ports_unless_a_name(self) -> Self:
        portless = self.type == "ExternalName" or self.cluster_ip == "None"
        if not self.ports and not portless:
            raise refusal("a Service needs ports", "ports")
        return self

    @model_validator(mode="after")
    def _name_by_type(self) -> Self:
        if self.type == "ExternalName" and not self.external_name:
            raise refusal("a Service of type ExternalName needs externalName", "externalName")
        return self


class Service(Resource):
    """A name for Pods and their ports."""

    api_version: Annotated[str, one_of("v1")]
    kind: Annotated[str, one_of("Service")]
    spec: ServiceSpec
    status: Ignored = Field(default=None, repr=False)
