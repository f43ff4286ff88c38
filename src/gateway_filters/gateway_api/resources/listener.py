"""A listener of a Gateway or ListenerSet: port, protocol, certificates and who may attach."""

from typing import Annotated, Literal, LiteralString, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import Items, Part, first_repeated, refusal, unique_by
from gateway_filters.gateway_api.resources.references import GATEWAY_GROUP, SecretObjectReference
from gateway_filters.gateway_api.resources.scalars import (
    SUBDOMAIN,
    Group,
    Hostname,
    KindName,
    Options,
    PortNumber,
    SectionName,
)

Protocol = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=255,
        # The second alternative has no start anchor in the CRD either.
        pattern=rf"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|{SUBDOMAIN}\/[A-Za-z0-9]+$",
    ),
]


class LabelSelectorRequirement(Part):
    """A condition on one label."""

    key: str
    operator: str
    values: Items[str] = ()


class LabelSelector(Part):
    """Conditions on labels, to be met together."""

    match_labels: dict[str, str] = Field(default={})
    match_expressions: Items[LabelSelectorRequirement] = ()


class RouteNamespaces(Part):
    """The namespaces whose routes may attach."""

    from_: Literal["All", "Selector", "Same"] = Field(default="Same", alias="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Part):
    """A kind of route that may attach."""

    group: Group = GATEWAY_GROUP
    kind: KindName


class AllowedRoutes(Part):
    """Which routes may attach."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: Annotated[Items[RouteGroupKind], Field(max_length=8)] = ()


class ListenerTLS(Part):
    """Whether TLS ends here, and with which certificates."""

    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificate_refs: Annotated[Items[SecretObjectReference], Field(max_length=64)] = ()
    options: Options = Field(default={})

    @model_validator(mode="after")
    def _something_to_terminate_with(self) -> Self:
        if self.mode == "Terminate" and not self.certificate_refs and not self.options:
            raise refusal("tls with mode Terminate needs certificateRefs or options", "certificateRefs")
        return self


class Listener(Part):
    """A port, and what is spoken there."""

    name: SectionName
    hostname: Hostname | None = None
    port: PortNumber
    protocol: Protocol
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()

    @model_validator(mode="after")
    def _protocol_allows(self) -> Self:
        if fault := _fault(self):
            field, sentence = fault
            raise refusal(sentence, field)
        return self


def _fault(listener: Listener) -> tuple[str, LiteralString] | None:
    protocol, tls = listener.protocol, listener.tls
    if tls is not None and protocol in ("HTTP", "TCP", "UDP"):
        return "tls", "a listener with protocol HTTP, TCP or UDP may not have tls"
    if tls is not None and protocol == "HTTPS" and tls.mode != "Terminate":
        return "tls", "the tls mode of a listener with protocol HTTPS must be Terminate"
    if tls is None and protocol == "TLS":
        return "tls", "a listener with protocol TLS needs tls"
    if listener.hostname is not None and protocol in ("TCP", "UDP"):
        return "hostname", "a listener with protocol TCP or UDP may not have a hostname"
    return None


def _apart(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    again = first_repeated(listeners, lambda one: (one.port, one.protocol, one.hostname))
    if again is not None:
        raise refusal("two listeners may not have the same port, protocol and hostname", again)
    return listeners


Listeners = Annotated[Items[Listener], Field(min_length=1, max_length=64), unique_by("name"), AfterValidator(_apart)]
"""The listeners of one object, told apart by name and by port, protocol and hostname."""
