"""Who may come in and what they may do: API keys, passwords, rules (Envoy Gateway, SecurityPolicy)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import Items, Part, refusal
from gateway_filters.gateway_api.resources.references import SecretObjectReference
from gateway_filters.gateway_api.resources.scalars import Int32

Named = Annotated[str, StringConstraints(min_length=1)]
Name253 = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Names = Annotated[Items[Named], Field(min_length=1)]

_BYTE = "(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_LOW = "(25[0-5]|(2[0-4]|1{0,1}[0-9]){0,1}[0-9])"
_GROUP = "[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    (
        f"({_GROUP}:){{7,7}}{_GROUP}",
        f"({_GROUP}:){{1,7}}:",
        f"({_GROUP}:){{1,6}}:{_GROUP}",
        *(f"({_GROUP}:){{1,{6 - n}}}(:{_GROUP}){{1,{n + 1}}}" for n in range(1, 5)),
        f"{_GROUP}:((:{_GROUP}){{1,6}})",
        f":((:{_GROUP}){{1,7}}|:)",
        "fe80:(:[0-9a-fA-F]{0,4}){0,4}%[0-9a-zA-Z]{1,}",
        rf"::(ffff(:0{{1,4}}){{0,1}}:){{0,1}}({_LOW}\.){{3,3}}{_LOW}",
        rf"({_GROUP}:){{1,4}}:({_LOW}\.){{3,3}}{_LOW}",
    )
)
CIDR = Annotated[
    str, StringConstraints(pattern=rf"({_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}\/([0-9]+))|(({_IPV6})\/([0-9]+))")
]
"""A network, as far as the CRD looks: it searches for one anywhere in the text."""


class APIKeySource(Part):
    """Where an API key may stand, one kind of place."""

    headers: Names | None = None
    params: Names | None = None
    cookies: Names | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(each is not None for each in (self.headers, self.params, self.cookies)) != 1:
            raise refusal("exactly one of headers, params or cookies must be given")
        return self


class APIKeyAuth(Part):
    """Clients with keys: each key of the Secrets is a client's name."""

    credential_refs: Items[SecretObjectReference]
    extract_from: Annotated[Items[APIKeySource], Field(min_length=1)]
    forward_client_id_header: str | None = Field(default=None, alias="forwardClientIDHeader")
    sanitize: bool | None = None


class BasicAuth(Part):
    """Users with passwords: the key `.htpasswd` of a Secret."""

    users: SecretObjectReference
    forward_username_header: str | None = None


class AnonymousMatch(Part):
    """Networks that hide who is behind them."""

    is_anonymous: bool | None = None
    is_hosting: bool | None = None
    is_proxy: bool | None = None
    is_tor: bool | None = None
    is_vpn: bool | None = Field(default=None, alias="isVPN")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise refusal("at least one condition must be given")
        return self


class GeoLocation(Part):
    """Where an address is."""

    anonymous: AnonymousMatch | None = None
    asn: Annotated[Int32, Field(ge=1)] | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    country: Annotated[str, StringConstraints(min_length=2, max_length=2, pattern="^[A-Za-z]{2}$")] | None = None
    isp: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    region: Annotated[str, StringConstraints(min_length=1, max_length=16, pattern="^[A-Za-z0-9-]+$")] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise refusal("at least one of country, region, city, asn, isp or anonymous must be given")
        return self


class AuthorizationHeader(Part):
    """A header and the values of which it must have one."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    values: Annotated[Items[str], Field(min_length=1, max_length=256)]


class JWTClaim(Part):
    """A claim and the values of which it must have one."""

    name: Name253
    value_type: Literal["String", "StringArray"] = "String"
    values: Annotated[Items[str], Field(min_length=1, max_length=128)]


class JWTPrincipal(Part):
    """Who holds a token of a provider."""

    provider: Name253
    claims: Annotated[Items[JWTClaim], Field(min_length=1, max_length=16)] | None = None
    scopes: Annotated[Items[Name253], Field(min_length=1, max_length=16)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.claims is None and self.scopes is None:
            raise refusal("at least one of claims or scopes must be given")
        return self


class Principal(Part):
    """Who a client is; all that is given must hold."""

    client_cidrs: Annotated[Items[CIDR], Field(min_length=1)] | None = Field(default=None, alias="clientCIDRs")
    client_ip_geo_locations: Annotated[Items[GeoLocation], Field(min_length=1)] | None = Field(
        default=None, alias="clientIPGeoLocations"
    )
    headers: Annotated[Items[AuthorizationHeader], Field(min_length=1, max_length=256)] | None = None
    jwt: JWTPrincipal | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise refusal("at least one of clientCIDRs, jwt, headers or clientIPGeoLocations must be given")
        return self


class OperationPath(Part):
    """The path that is asked for."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Annotated[str, StringConstraints(max_length=1024)] = "/"
    invert: bool = False


class Operation(Part):
    """What a client asks for."""

    methods: (
        Annotated[
            Items[Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]],
            Field(min_length=1, max_length=16),
        ]
        | None
    ) = None
    path: OperationPath | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.methods is None and self.path is None:
            raise refusal("at least one of methods or path must be given")
        return self


class AuthorizationRule(Part):
    """Allows or denies what its parts say."""

    action: Literal["Allow", "Deny"]
    name: Name253 | None = None
    cel: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    operation: Operation | None = None
    principal: Principal | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.principal is None and self.cel is None:
            raise refusal("at least one of principal or cel must be given")
        return self


class Authorization(Part):
    """Rules, of which the first that holds decides."""

    default_action: Literal["Allow", "Deny"] | None = None
    rules: Items[AuthorizationRule] = ()
