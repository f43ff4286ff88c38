"""What concerns browsers: CORS, CSRF and logging in (Envoy Gateway, SecurityPolicy)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.cluster_settings import FetchedCluster
from gateway_filters.gateway_api.resources.http_side_requests import Fraction
from gateway_filters.gateway_api.resources.part import Items, Part, refusal
from gateway_filters.gateway_api.resources.references import SecretObjectReference
from gateway_filters.gateway_api.resources.scalars import SUBDOMAIN, Duration, HeaderName

_WORD = "[0-9A-Za-z_-]"
Origin = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        pattern=rf"^(\*|[A-Za-z][A-Za-z0-9+.-]*:\/\/(\*|(\*\.)?(({_WORD}+\.?)+)?{_WORD}+)(:[0-9]{{1,5}})?)$",
    ),
]


class SecurityCORS(Part):
    """Which cross-origin requests browsers may make."""

    allow_origins: Items[Origin] = ()
    allow_methods: Items[str] = ()
    allow_headers: Items[str] = ()
    expose_headers: Items[str] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None


class CSRF(Part):
    """Which origins may change something."""

    additional_origins: Annotated[Items[Origin], Field(max_length=16)] = ()
    shadow_fraction: Fraction | None = None


def _not_host(name: str) -> str:
    if name.lower() == "host":
        raise refusal("header cannot be the Host header")
    return name


class ForwardIDToken(Part):
    """The header that gets an ID token."""

    header: Annotated[HeaderName, AfterValidator(_not_host)]


class CookieConfig(Part):
    """How cookies are set."""

    same_site: Literal["Lax", "Strict", "None"] | None = None


class CookieNames(Part):
    """What cookies are called."""

    access_token: str | None = None
    id_token: str | None = None


class RedirectDenial(Part):
    """A header of requests that are not sent away to log in."""

    name: Annotated[str, StringConstraints(min_length=1)]
    type: Literal["Exact", "Prefix", "Suffix", "RegularExpression"] = "Exact"
    value: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class DenyRedirect(Part):
    """Requests that are not sent away to log in."""

    headers: Annotated[Items[RedirectDenial], Field(min_length=1, max_length=16)]


class OIDCProvider(FetchedCluster):
    """Where to log in."""

    issuer: Annotated[str, StringConstraints(min_length=1)]
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    end_session_endpoint: str | None = None


class OIDC(Part):
    """Logging in with OpenID Connect."""

    provider: OIDCProvider
    client_id: Annotated[str, StringConstraints(min_length=1)] | None = Field(default=None, alias="clientID")
    client_id_ref: SecretObjectReference | None = Field(default=None, alias="clientIDRef")
    client_secret: SecretObjectReference
    cookie_config: CookieConfig | None = None
    cookie_domain: Annotated[str, StringConstraints(pattern=f"^{SUBDOMAIN}$")] | None = None
    cookie_names: CookieNames | None = None
    csrf_token_ttl: Duration | None = Field(default=None, alias="csrfTokenTTL")
    default_refresh_token_ttl: Duration | None = Field(default=None, alias="defaultRefreshTokenTTL")
    default_token_ttl: Duration | None = Field(default=None, alias="defaultTokenTTL")
    deny_redirect: DenyRedirect | None = None
    disable_token_encryption: bool | None = None
    forward_access_token: bool | None = None
    forward_id_token: ForwardIDToken | None = Field(default=None, alias="forwardIDToken")
    logout_path: str | None = None
    pass_through_auth_header: bool | None = None
    redirect_url: str | None = Field(default=None, alias="redirectURL")
    refresh_token: bool = True
    resources: Items[str] = ()
    scopes: Items[str] = ()

    @model_validator(mode="after")
    def _one_client(self) -> Self:
        if (self.client_id is None) == (self.client_id_ref is None):
            raise refusal("exactly one of clientID and clientIDRef must be given")
        return self

    @model_validator(mode="after")
    def _one_token_in_authorization(self) -> Self:
        forwarded = self.forward_id_token
        if self.forward_access_token and forwarded and forwarded.header.lower() == "authorization":
            raise refusal("forwardAccessToken takes Authorization already", "forwardIDToken", "header")
        return self
