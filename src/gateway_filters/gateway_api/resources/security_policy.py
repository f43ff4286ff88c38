"""SecurityPolicy (Envoy Gateway): who may come in through Gateways, listeners, routes and rules."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway_filters.gateway_api.resources.listener import LabelSelector
from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, refusal
from gateway_filters.gateway_api.resources.references import GATEWAY_GROUP, LocalObjectReference
from gateway_filters.gateway_api.resources.scalars import Group, KindName, SectionName
from gateway_filters.gateway_api.resources.security_access import APIKeyAuth, Authorization, BasicAuth
from gateway_filters.gateway_api.resources.security_browser import CSRF, OIDC, SecurityCORS
from gateway_filters.gateway_api.resources.security_tokens import JWT, ExtAuth

_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute")
_TARGETS = ("Gateway", "ListenerSet", *_ROUTES)


class SectionTarget(LocalObjectReference):
    """What a policy is for: an object, or a listener or rule of it by name."""

    section_name: SectionName | None = None


class TargetNamespaces(Part):
    """The namespaces in which targets are selected."""

    from_: Literal["Same", "All", "Selector"] = Field(default="Same", alias="from")
    selector: LabelSelector | None = None

    @model_validator(mode="after")
    def _selector_by_from(self) -> Self:
        if self.from_ == "Selector" and self.selector is None:
            raise refusal("from: Selector needs selector", "selector")
        return self


class TargetSelector(LabelSelector):
    """What a policy is for: all objects of a kind with certain labels."""

    group: Group = GATEWAY_GROUP
    kind: KindName
    namespaces: TargetNamespaces | None = None

    @model_validator(mode="after")
    def _our_group(self) -> Self:
        if self.group != GATEWAY_GROUP:
            raise refusal("group must be gateway.networking.k8s.io", "group")
        return self


def _no_replacement(merge: str) -> str:
    if merge == "Replace":
        raise refusal("Replace is no mergeType of a SecurityPolicy")
    return merge


class SecurityPolicySpec(Part):
    """What a policy is for, and what it asks of clients."""

    target_ref: SectionTarget | None = None
    target_refs: Items[SectionTarget] | None = None
    target_selectors: Items[TargetSelector] = ()
    merge_type: Annotated[str, AfterValidator(_no_replacement)] | None = None
    api_key_auth: APIKeyAuth | None = None
    basic_auth: BasicAuth | None = None
    jwt: JWT | None = None
    oidc: OIDC | None = None
    cors: SecurityCORS | None = None
    csrf: CSRF | None = None
    ext_auth: ExtAuth | None = None
    authorization: Authorization | None = None

    @property
    def targets(self) -> tuple[SectionTarget, ...]:
        """All targets that are named."""
        return (*((self.target_ref,) if self.target_ref else ()), *(self.target_refs or ()))

    @model_validator(mode="after")
    def _one_way_to_name_targets(self) -> Self:
        if (self.target_ref is None) == (self.target_refs is None) and not self.target_selectors:
            raise refusal("either targetRef or targetRefs must be given, or targetSelectors", "targetRefs")
        return self

    @model_validator(mode="after")
    def _kinds_of_targets(self) -> Self:
        for place, ref in self._placed():
            if ref.group != GATEWAY_GROUP:
                raise refusal("a target must be of group gateway.networking.k8s.io", *place, "group")
            if ref.kind not in _TARGETS:
                raise refusal("a target must be a Gateway, ListenerSet or route", *place, "kind")
        return self

    @model_validator(mode="after")
    def _merge_for_routes(self) -> Self:
        kinds = (*(ref.kind for ref in self.targets), *(each.kind for each in self.target_selectors))
        if self.merge_type is not None and not set(kinds).issubset(_ROUTES):
            raise refusal("mergeType goes with routes as targets only", "mergeType")
        return self

    @model_validator(mode="after")
    def _token_rules_by_jwt(self) -> Self:
        rules = self.authorization.rules if self.authorization else ()
        for index, rule in enumerate(rules):
            if rule.principal and rule.principal.jwt and self.jwt is None:
                raise refusal("a principal of jwt needs jwt", "authorization", "rules", index, "principal", "jwt")
        return self

    def _placed(self) -> list[tuple[tuple[str | int, ...], SectionTarget]]:
        several = [(("targetRefs", index), ref) for index, ref in enumerate(self.target_refs or ())]
        return [*([(("targetRef",), self.target_ref)] if self.target_ref else []), *several]


class SecurityPolicy(Resource):
    """Who may come in (gateway.envoyproxy.io)."""

    api_version: Annotated[str, one_of("gateway.envoyproxy.io/v1alpha1")]
    kind: Annotated[str, one_of("SecurityPolicy")]
    spec: SecurityPolicySpec
    status: Ignored = Field(default=None, repr=False)
