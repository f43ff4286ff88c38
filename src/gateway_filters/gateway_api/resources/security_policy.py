"""SecurityPolicy (Envoy Gateway): who may come in through Gateways, listeners, routes and rules."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, refusal
from gateway_filters.gateway_api.resources.policy_targets import PolicyTargets
from gateway_filters.gateway_api.resources.security_access import APIKeyAuth, Authorization, BasicAuth
from gateway_filters.gateway_api.resources.security_browser import CSRF, OIDC, SecurityCORS
from gateway_filters.gateway_api.resources.security_tokens import JWT, ExtAuth

_ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute")


def _no_replacement(merge: str) -> str:
    if merge == "Replace":
        raise refusal("Replace is no mergeType of a SecurityPolicy")
    return merge


class SecurityPolicySpec(PolicyTargets):
    """What a policy is for, and what it asks of clients."""

    KINDS = ("Gateway", "ListenerSet", *_ROUTES)
    KINDS_SAID = "a Gateway, ListenerSet or route"

    merge_type: Annotated[str, AfterValidator(_no_replacement)] | None = None
    api_key_auth: APIKeyAuth | None = None
    basic_auth: BasicAuth | None = None
    jwt: JWT | None = None
    oidc: OIDC | None = None
    cors: SecurityCORS | None = None
    csrf: CSRF | None = None
    ext_auth: ExtAuth | None = None
    authorization: Authorization | None = None

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


class SecurityPolicy(Resource):
    """Who may come in (gateway.envoyproxy.io)."""

    api_version: Annotated[str, one_of("gateway.envoyproxy.io/v1alpha1")]
    kind: Annotated[str, one_of("SecurityPolicy")]
    spec: SecurityPolicySpec
    status: Ignored = Field(default=None, repr=False)
