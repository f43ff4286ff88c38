"""Gateway: listeners, their addresses, and TLS towards clients and backends."""

import re
from typing import Annotated, Literal, LiteralString, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.listener import LabelSelector, Listeners
from gateway_filters.gateway_api.resources.meta import LabelValue, Resource, one_of
from gateway_filters.gateway_api.resources.part import (
    Ignored,
    Items,
    Part,
    first_repeated,
    refusal,
    unique_by,
)
from gateway_filters.gateway_api.resources.references import (
    LocalObjectReference,
    ObjectReference,
    SecretObjectReference,
)
from gateway_filters.gateway_api.resources.scalars import (
    QUALIFIED_NAME,
    SUBDOMAIN,
    ObjectName,
    OptionValue,
    PortNumber,
)
from gateway_filters.message.client import is_address

AddressType = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        # The alternatives are not anchored together in the CRD either.
        pattern=rf"^Hostname|IPAddress|NamedAddress|{SUBDOMAIN}\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$",
    ),
]

_HOSTNAME = re.compile(rf"^(\*\.)?{SUBDOMAIN}\Z")
_PREFIX_LIMIT = 253


def _is_ip(text: str) -> bool:
    return is_address(text) and "%" not in text  # a zone belongs to one machine; the API server knows none


class GatewayAddress(Part):
    """An address that a Gateway asks for."""

    type: AddressType = "IPAddress"
    value: Annotated[str, StringConstraints(max_length=253)] | None = None

    @model_validator(mode="after")
    def _value_by_type(self) -> Self:
        if self.value is not None:
            if self.type == "IPAddress" and not _is_ip(self.value):
                raise refusal("the value of an address of type IPAddress must be an IP address", "value")
            if self.type == "Hostname" and not _HOSTNAME.match(self.value):
                raise refusal("the value of an address of type Hostname must be a hostname", "value")
        return self


def _distinct_values(addresses: tuple[GatewayAddress, ...]) -> tuple[GatewayAddress, ...]:
    valued = tuple(
        (index, one.type, one.value)
        for index, one in enumerate(addresses)
        if one.value is not None and one.type in ("IPAddress", "Hostname")
    )
    again = first_repeated(valued, lambda entry: entry[1:])
    if again is not None:
        raise refusal("the value of an address must be unique among those of its type", valued[again][0], "value")
    return addresses


class ListenerNamespaces(Part):
    """The namespaces whose ListenerSets may attach."""

    from_: Literal["All", "Selector", "Same", "None"] = Field(default="None", alias="from")
    selector: LabelSelector | None = None


class AllowedListeners(Part):
    """Which ListenerSets may attach."""

    namespaces: ListenerNamespaces = ListenerNamespaces()


def _qualified(sentence: LiteralString) -> AfterValidator:
    shape = re.compile(QUALIFIED_NAME.removesuffix("$") + r"\Z")

    def check(entries: dict[str, str]) -> dict[str, str]:
        for key in entries:
            if not shape.match(key) or len(key.partition("/")[0]) >= _PREFIX_LIMIT:
                raise refusal(sentence, key)
        return entries

    return AfterValidator(check)


class GatewayInfrastructure(Part):
    """Labels and annotations for what a controller makes for a Gateway."""

    labels: Annotated[
        dict[str, LabelValue],
        Field(max_length=8),
        _qualified("a key of labels must be a name with at most one DNS prefix before a slash"),
    ] = Field(default={})
    annotations: Annotated[
        dict[str, OptionValue],
        Field(max_length=16),
        _qualified("a key of annotations must be a name with at most one DNS prefix before a slash"),
    ] = Field(default={})
    parameters_ref: LocalObjectReference | None = None


class FrontendValidation(Part):
    """Which client certificates are trusted."""

    ca_certificate_refs: Annotated[Items[ObjectReference], Field(min_length=1, max_length=16)]
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"


class FrontendTLSConfig(Part):
    """TLS towards clients."""

    validation: FrontendValidation | None = None


class PortTLS(Part):
    """TLS towards clients of one port."""

    port: PortNumber
    tls: FrontendTLSConfig


class FrontendTLS(Part):
    """TLS towards clients: for all ports, and for single ones."""

    default: FrontendTLSConfig
    per_port: Annotated[Items[PortTLS], Field(max_length=64), unique_by("port")] = ()


class BackendClientTLS(Part):
    """The certificate that a Gateway shows to backends."""

    client_certificate_ref: SecretObjectReference | None = None


class GatewayTLS(Part):
    """TLS of a whole Gateway."""

    frontend: FrontendTLS | None = None
    backend: BackendClientTLS | None = None


class GatewaySpec(Part):
    """The class, listeners and addresses of a Gateway."""

    gateway_class_name: ObjectName
    listeners: Listeners
    addresses: Annotated[Items[GatewayAddress], Field(max_length=16), AfterValidator(_distinct_values)] = ()
    allowed_listeners: AllowedListeners | None = None
    default_scope: Literal["All", "None"] | None = None
    infrastructure: GatewayInfrastructure | None = None
    tls: GatewayTLS | None = None


class Gateway(Resource):
    """Where traffic enters (gateway.networking.k8s.io)."""

    api_version: Annotated[str, one_of("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1")]
    kind: Annotated[str, one_of("Gateway")]
    spec: GatewaySpec
    status: Ignored = Field(default=None, repr=False)
