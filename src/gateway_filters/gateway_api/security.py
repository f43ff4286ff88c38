"""SecurityPolicies (Envoy Gateway) into what is asked of clients.

What of a policy is not understood or cannot be had is never left out: the policy is then unmet as a whole, and
whatever it is for refuses all requests.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import CORS, Authorization, AuthorizationRule, ClaimIn, Operation, TokenHolder
from gateway_filters.gateway_api import resources
from gateway_filters.gateway_api.asked_services import asked_backend
from gateway_filters.gateway_api.resources.scalars import milliseconds
from gateway_filters.gateway_api.security_credentials import PolicySite, api_key_auth, basic_auth, jwt
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.gateway_api.unmet import UnmetError
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.message.text import header_name
from gateway_filters.routing import ExternalAuth, SecurityPolicy

W = TypeVar("W")
M = TypeVar("M")

_SECONDS_TO_ASK = 10.0


@dataclass(frozen=True)
class Asked:
    """What a policy asks of clients; where there are ``flaws`` (reasons and sentences), nobody passes."""

    policy: SecurityPolicy
    flaws: tuple[tuple[str, str], ...] = ()


def asked_by(context: Context, tls: UpstreamTLS, resource: resources.SecurityPolicy) -> Asked:
    """What ``resource`` asks; its flaws are problems in ``context`` too."""
    flaws: list[tuple[str, str]] = []
    site, spec = PolicySite(context, tls, resource), resource.spec

    def part(name: str, read: Callable[[PolicySite, W], M], written: W | None) -> M | None:
        if written is None:
            return None
        try:
            return read(site, written)
        except UnmetError as error:
            sentence = context.problem(resource, ("spec", name, *error.below), str(error))
            flaws.append((error.reason, sentence))
        except ConfigurationError as error:
            flaws.append(("Invalid", context.problem(resource, ("spec", name), str(error))))
        return None

    for name, written in (("mergeType", spec.merge_type), ("oidc", spec.oidc), ("csrf", spec.csrf)):
        part(name, _unsupported(name), written)
    policy = SecurityPolicy(
        qualified(resource),
        cors=part("cors", _cors, spec.cors),
        ext_auth=part("extAuth", _ext_auth, spec.ext_auth),
        api_key_auth=part("apiKeyAuth", api_key_auth, spec.api_key_auth),
        basic_auth=part("basicAuth", basic_auth, spec.basic_auth),
        jwt=part("jwt", jwt, spec.jwt),
        authorization=part("authorization", _authorization, spec.authorization),
    )
    return Asked(policy, tuple(flaws))


def _unsupported(name: str) -> Callable[[PolicySite, object], None]:
    def refuse(site: PolicySite, written: object) -> None:
        del site, written
        raise UnmetError(f"{name} is not supported")

    return refuse


def _cors(site: PolicySite, written: resources.SecurityCORS) -> CORS:
    del site
    return CORS(
        # Envoy Gateway makes any port of ``https://*``.
        allow_origins=_star_alone(f"{each}:*" if each.endswith("://*") else each for each in written.allow_origins),
        allow_credentials=bool(written.allow_credentials),
        allow_methods=_star_alone(written.allow_methods),
        allow_headers=_star_alone(written.allow_headers),
        expose_headers=tuple(written.expose_headers),
        max_age=None if written.max_age is None else milliseconds(written.max_age) // 1000,
    )


def _star_alone(items: Iterable[str]) -> tuple[str, ...]:
    found = tuple(items)
    return ("*",) if "*" in found else found


def _ext_auth(site: PolicySite, written: resources.ExtAuth) -> ExternalAuth:
    if written.http is None:
        raise UnmetError("external auth over gRPC is not supported", "grpc")
    for name in ("contextExtensions", "includeRouteMetadata", "recomputeRoute"):
        if getattr(written, _FIELDS[name]):
            raise UnmetError(f"{name} is not supported", name)
    http = written.http
    try:
        backend = asked_backend(site.context, site.tls, site.policy, http)
    except UnmetError as error:
        raise UnmetError(str(error), "http", *error.below, reason=error.reason) from None
    return ExternalAuth(
        backend,
        path=http.path or "",
        request_headers=tuple(map(header_name, written.headers_to_ext_auth)),
        response_headers=tuple(map(header_name, http.headers_to_backend)),
        max_body=written.body_to_ext_auth.max_request_bytes if written.body_to_ext_auth else 0,
        whole_path=http.path_override,
        timeout=milliseconds(written.timeout) / 1000 if written.timeout else _SECONDS_TO_ASK,
        status_on_error=written.status_on_error or 403,
        fail_open=written.fail_open,
    )


_FIELDS = {
    "contextExtensions": "context_extensions",
    "includeRouteMetadata": "include_route_metadata",
    "recomputeRoute": "recompute_route",
}


def _authorization(site: PolicySite, written: resources.Authorization) -> Authorization:
    providers = {each.name for each in site.policy.spec.jwt.providers} if site.policy.spec.jwt else set[str]()
    rules = tuple(_rule(each, index, providers) for index, each in enumerate(written.rules))
    return Authorization(rules, written.default_action or "Deny")


def _rule(written: resources.AuthorizationRule, index: int, providers: set[str]) -> AuthorizationRule:
    principal = written.principal
    if written.cel is not None or principal is None:
        raise UnmetError("cel is not supported", "rules", index, "cel")
    if principal.client_ip_geo_locations is not None:
        raise UnmetError("clientIPGeoLocations is not supported", "rules", index, "principal", "clientIPGeoLocations")
    if principal.jwt is not None and principal.jwt.provider not in providers:
        sentence = f"jwt has no provider {principal.jwt.provider}"
        raise UnmetError(sentence, "rules", index, "principal", "jwt", "provider")
    try:
        return AuthorizationRule(
            action=written.action,
            client_cidrs=tuple(principal.client_cidrs or ()),
            headers=tuple((each.name, tuple(each.values)) for each in principal.headers or ()),
            token=_token(principal.jwt) if principal.jwt else None,
            operation=_operation(written.operation) if written.operation else None,
            name=written.name or "",
        )
    except ConfigurationError as error:
        raise UnmetError(str(error), "rules", index) from None


def _token(written: resources.JWTPrincipal) -> TokenHolder:
    claims = tuple(
        ClaimIn(each.name, tuple(each.values), array=each.value_type == "StringArray") for each in written.claims or ()
    )
    return TokenHolder(written.provider, claims, tuple(written.scopes or ()))


def _operation(written: resources.Operation) -> Operation:
    path = written.path
    if path is None:
        return Operation(tuple(written.methods or ()))
    return Operation(tuple(written.methods or ()), path.value, path.type, path.invert)
