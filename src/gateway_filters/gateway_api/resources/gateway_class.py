"""GatewayClass: which controller a Gateway belongs to."""

from typing import Annotated

from pydantic import Field, StringConstraints

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Part
from gateway_filters.gateway_api.resources.references import ObjectReference
from gateway_filters.gateway_api.resources.scalars import SUBDOMAIN

ControllerName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=rf"^{SUBDOMAIN}\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$"),
]


class GatewayClassSpec(Part):
    """The controller and its parameters."""

    controller_name: ControllerName
    description: Annotated[str, StringConstraints(max_length=64)] | None = None
    parameters_ref: ObjectReference | None = None


class GatewayClass(Resource):
    """A class of Gateways (gateway.networking.k8s.io)."""

    api_version: Annotated[str, one_of("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1")]
    kind: Annotated[str, one_of("GatewayClass")]
    spec: GatewayClassSpec
    status: Ignored = Field(default=None, repr=False)
