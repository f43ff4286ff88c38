"""ClientTrafficPolicy (Envoy Gateway): how the connections and requests of a listener's clients are treated.

Only what says where it counts and ``path`` are read part by part. All else is known by name, so that a policy that asks
for it can be refused as a whole; what stands in there is not looked at.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, refusal
from gateway_filters.gateway_api.resources.references import GATEWAY_GROUP
from gateway_filters.gateway_api.resources.security_policy import SectionTarget, TargetSelector

Unread = Annotated[Any, Field(default=None)]

_KINDS = ("Gateway", "ListenerSet")


class ClientPath(Part):
    """What becomes of odd paths."""

    disable_merge_slashes: bool = False
    escaped_slashes_action: (
        Literal["KeepUnchanged", "RejectRequest", "UnescapeAndForward", "UnescapeAndRedirect"] | None
    ) = None


class ClientTrafficPolicySpec(Part):
    """What a policy is for, and what it wants of clients."""

    target_ref: SectionTarget | None = None
    target_refs: Items[SectionTarget] | None = None
    target_selectors: Items[TargetSelector] = ()
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
    def targets(self) -> tuple[SectionTarget, ...]:
        """All targets that are named."""
        return (*((self.target_ref,) if self.target_ref else ()), *(self.target_refs or ()))

    @property
    def unsupported(self) -> Iterator[str]:
        """The fields that are given and mean nothing here, as they are written."""
        for name, field in ClientTrafficPolicySpec.model_fields.items():
            if field.annotation is Any and getattr(self, name) is not None:
                yield field.alias or name
        if self.path is not None and self.path.disable_merge_slashes:
            yield "path.disableMergeSlashes"

    @model_validator(mode="after")
    def _one_way_to_name_targets(self) -> Self:
        if (self.target_ref is None) == (self.target_refs is None) and not self.target_selectors:
            raise refusal("either targetRef or targetRefs must be given, or targetSelectors", "targetRefs")
        return self

    @model_validator(mode="after")
    def _kinds_of_targets(self) -> Self:
        for index, ref in enumerate(self.targets):
            place = ("targetRef",) if self.target_ref is not None and index == 0 else ("targetRefs",)
            if ref.group != GATEWAY_GROUP:
                raise refusal("a target must be of group gateway.networking.k8s.io", *place)
            if ref.kind not in _KINDS:
                raise refusal("a target must be a Gateway or ListenerSet", *place)
        return self


class ClientTrafficPolicy(Resource):
    """How clients are treated (gateway.envoyproxy.io)."""

    api_version: Annotated[str, one_of("gateway.envoyproxy.io/v1alpha1")]
    kind: Annotated[str, one_of("ClientTrafficPolicy")]
    spec: ClientTrafficPolicySpec
    status: Ignored = Field(default=None, repr=False)
