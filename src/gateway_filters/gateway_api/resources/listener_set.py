"""ListenerSet: listeners that another namespace adds to a Gateway."""

from typing import Annotated

from pydantic import Field

from gateway_filters.gateway_api.resources.listener import Listeners
from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Part
from gateway_filters.gateway_api.resources.references import GATEWAY_GROUP
from gateway_filters.gateway_api.resources.scalars import Group, KindName, Namespace, ObjectName


class ParentGatewayReference(Part):
    """The Gateway that listeners are added to."""

    group: Group = GATEWAY_GROUP
    kind: KindName = "Gateway"
    name: ObjectName
    namespace: Namespace | None = None


class ListenerSetSpec(Part):
    """The Gateway and the listeners for it."""

    parent_ref: ParentGatewayReference
    listeners: Listeners


class ListenerSet(Resource):
    """More listeners for a Gateway (gateway.networking.k8s.io)."""

    api_version: Annotated[str, one_of("gateway.networking.k8s.io/v1")]
    kind: Annotated[str, one_of("ListenerSet")]
    spec: ListenerSetSpec
    status: Ignored = Field(default=None, repr=False)
