"""How one object names another: by group, kind and name, with more or less left to a default."""

from typing import Self

from pydantic import model_validator

from gateway_filters.gateway_api.resources.part import Part, refusal
from gateway_filters.gateway_api.resources.scalars import (
    Group,
    KindName,
    Namespace,
    ObjectName,
    PortNumber,
    SectionName,
)

GATEWAY_GROUP = "gateway.networking.k8s.io"


class LocalObjectReference(Part):
    """An object in the same namespace, group and kind spelled out."""

    group: Group
    kind: KindName
    name: ObjectName


class ObjectReference(LocalObjectReference):
    """An object in any namespace, group and kind spelled out."""

    namespace: Namespace | None = None


class SecretObjectReference(Part):
    """A Secret, unless another kind is named."""

    group: Group = ""
    kind: KindName = "Secret"
    name: ObjectName
    namespace: Namespace | None = None


class ParentReference(Part):
    """The Gateway (or other parent) that a route asks to be attached to."""

    group: Group = GATEWAY_GROUP
    kind: KindName = "Gateway"
    name: ObjectName
    namespace: Namespace | None = None
    port: PortNumber | None = None
    section_name: SectionName | None = None


class BackendObjectReference(Part):
    """Where requests may go: a Service, unless another kind is named."""

    group: Group = ""
    kind: KindName = "Service"
    name: ObjectName
    namespace: Namespace | None = None
    port: PortNumber | None = None

    @model_validator(mode="after")
    def _service_needs_port(self) -> Self:
        if self.port is None and self.kind == "Service" and not self.group:
            raise refusal("a reference to a Service needs a port", "port")
        return self
