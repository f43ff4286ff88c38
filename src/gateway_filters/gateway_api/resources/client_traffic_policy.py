"""ClientTrafficPolicy (Envoy Gateway): how the connections and requests of a listener's clients are treated.

Only what says where it counts and ``path`` are read part by part. All else is known by name, so that a policy that asks
for it can be refused as a whole; what stands in there is not looked at.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Part
from gateway_filters.gateway_api.resources.policy_targets import PolicyTargets

Unread = Annotated[Any, Field(default=None)]


class ClientPath(Part):
    """What becomes of odd paths."""

    disable_merge_slashes: bool = False
    escaped_slashes_action: (
        Literal["KeepUnchanged", "RejectRequest", "UnescapeAndForward", "UnescapeAndRedirect"] | None
    ) = None


class ClientTrafficPolicySpec(PolicyTargets):
    """What a policy is for, and what it wants of clients."""

    KINDS = ("Gateway", "ListenerSet")
    KINDS_SAID = "a Gateway or ListenerSet"

    path: ClientPath | None = None
    client_ip_detection: Annotated[Any, Field(default=None, alias="clientIPDetection")]
    connection: Unread
    enable_proxy_protocol: Unread
    grpc: Unread
    headers: Unread
    health_check: Unread
    http1: Unread
    http2: Unread
    http3: Unread
    proxy_protocol: Unread
    scheme: Unread
    tcp_keepalive: Unread
    timeout: Unread
    tls: Unread

    @property
    def unsupported(self) -> Iterator[str]:
        """The fields that are given and mean nothing here, as they are written."""
        for name, field in ClientTrafficPolicySpec.model_fields.items():
            if field.annotation is Any and getattr(self, name) is not None:
                yield field.alias or name
        if self.path is not None and self.path.disable_merge_slashes:
            yield "path.disableMergeSlashes"


class ClientTrafficPolicy(Resource):
    """How clients are treated (gateway.envoyproxy.io)."""

    api_version: Annotated[str, one_of("gateway.envoyproxy.io/v1alpha1")]
    kind: Annotated[str, one_of("ClientTrafficPolicy")]
    spec: ClientTrafficPolicySpec
    status: Ignored = Field(default=None, repr=False)
