"""EndpointSlice: the addresses behind a Service, or a part of them."""

import ipaddress
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Items, Part, first_repeated, refusal
from gateway_filters.gateway_api.resources.scalars import Label, PortNumber
from gateway_filters.gateway_api.resources.service import PortName, TransportProtocol

_PARSERS: dict[str, Callable[[str], object]] = {"IPv4": ipaddress.IPv4Address, "IPv6": ipaddress.IPv6Address}


class EndpointConditions(Part):
    """Whether an endpoint may be sent requests; what is not said counts as yes."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class NamedHint(Part):
    """A zone or node that an endpoint is best for."""

    name: str


class EndpointHints(Part):
    """Where an endpoint is best used from."""

    for_zones: Items[NamedHint] = ()
    for_nodes: Items[NamedHint] = ()


class EndpointTarget(Part):
    """The object, mostly a Pod, behind an endpoint."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    field_path: str | None = None


class Endpoint(Part):
    """One place that serves; its addresses are interchangeable."""

    addresses: Annotated[Items[str], Field(min_length=1, max_length=100)]
    conditions: EndpointConditions = EndpointConditions()
    hostname: Label | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: EndpointTarget | None = None
    hints: EndpointHints | None = None
    deprecated_topology: dict[str, str] = Field(default={})


class EndpointPort(Part):
    """A port of all endpoints of a slice."""

    name: PortName = ""
    protocol: TransportProtocol = "TCP"
    port: PortNumber | None = None
    app_protocol: str | None = None


def _distinct_names(ports: tuple[EndpointPort, ...]) -> tuple[EndpointPort, ...]:
    if (again := first_repeated(ports, lambda port: port.name)) is not None:
        raise refusal("the name of a port must be unique in its EndpointSlice", again, "name")
    return ports


class EndpointSlice(Resource):
    """Endpoints of a Service, which the label `kubernetes.io/service-name` names."""

    api_version: Annotated[str, one_of("discovery.k8s.io/v1")]
    kind: Annotated[str, one_of("EndpointSlice")]
    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: Annotated[Items[Endpoint], Field(max_length=1000)] = ()
    ports: Annotated[Items[EndpointPort], Field(max_length=20_000), AfterValidator(_distinct_names)] = ()

    @model_validator(mode="after")
    def _addresses_of_their_type(self) -> Self:
        parse = _PARSERS.get(self.address_type)
        for index, endpoint in enumerate(self.endpoints if parse else ()):
            for at, address in enumerate(endpoint.addresses):
                if parse and not _parses(parse, address):
                    place = ("endpoints", index, "addresses", at)
                    raise refusal("the address is not of the slice's addressType", *place)
        return self


def _parses(parse: Callable[[str], object], address: str) -> bool:
    try:
        parse(address)
    except ValueError:
        return False
    return True
