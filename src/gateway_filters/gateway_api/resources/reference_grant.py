"""ReferenceGrant: leave for other namespaces to name objects of this one."""

from typing import Annotated

from pydantic import Field

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Items, Part
from gateway_filters.gateway_api.resources.scalars import Group, KindName, Namespace, ObjectName


class ReferenceGrantFrom(Part):
    """Who may refer: objects of a kind in a namespace."""

    group: Group
    kind: KindName
    namespace: Namespace


class ReferenceGrantTo(Part):
    """What may be referred to: all objects of a kind, or the one named."""

    group: Group
    kind: KindName
    name: ObjectName | None = None


class ReferenceGrantSpec(Part):
    """Each of `from` may refer to each of `to`."""

    from_: Annotated[Items[ReferenceGrantFrom], Field(min_length=1, max_length=16)] = Field(alias="from")
    to: Annotated[Items[ReferenceGrantTo], Field(min_length=1, max_length=16)]


class ReferenceGrant(Resource):
    """Leave to refer across namespaces (gateway.networking.k8s.io)."""

    api_version: Annotated[str, one_of("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1")]
    kind: Annotated[str, one_of("ReferenceGrant")]
    spec: ReferenceGrantSpec
