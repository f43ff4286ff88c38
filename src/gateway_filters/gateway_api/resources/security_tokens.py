"""Tokens and the services that are asked: JWT and external authorization (Envoy Gateway, SecurityPolicy)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.cluster_settings import AskedCluster, FetchedCluster
from gateway_filters.gateway_api.resources.part import Items, Part, refusal, unique_by
from gateway_filters.gateway_api.resources.references import LocalObjectReference
from gateway_filters.gateway_api.resources.scalars import Duration, Int32
from gateway_filters.gateway_api.resources.security_access import Name253

ErrorStatus = Literal[
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424,
    426, 428, 429, 431, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
]  # fmt: skip


class ClaimToHeader(Part):
    """A claim and the header that gets it."""

    claim: str
    header: str


class JWTHeader(Part):
    """A header with a token behind a prefix."""

    name: str
    value_prefix: str | None = None


class JWTSources(Part):
    """Where a token may stand."""

    headers: Items[JWTHeader] = ()
    params: Items[str] = ()
    cookies: Items[str] = ()


class LocalJWKS(Part):
    """Keys that are written here or in a ConfigMap."""

    type: Literal["Inline", "ValueRef"] = "Inline"
    inline: str | None = Field(default=None, repr=False)
    value_ref: LocalObjectReference | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if (self.inline is not None) != (self.type == "Inline"):
            raise refusal("inline must be given with type Inline and only then", "inline")
        if (self.value_ref is not None) != (self.type == "ValueRef"):
            raise refusal("valueRef must be given with type ValueRef and only then", "valueRef")
        return self


class RemoteJWKS(FetchedCluster):
    """Keys that are published somewhere."""

    uri: Name253
    cache_duration: Duration = "300s"
    failed_refetch_duration: Duration | None = None


class JWTProvider(Part):
    """Somebody who signs tokens."""

    name: Name253
    issuer: Annotated[str, StringConstraints(max_length=253)] | None = None
    audiences: Annotated[Items[str], Field(max_length=8)] = ()
    claim_to_headers: Items[ClaimToHeader] | None = None
    extract_from: JWTSources | None = None
    local_jwks: LocalJWKS | None = Field(default=None, alias="localJWKS")
    remote_jwks: RemoteJWKS | None = Field(default=None, alias="remoteJWKS")
    recompute_route: bool | None = None

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if (self.local_jwks is None) == (self.remote_jwks is None):
            raise refusal("exactly one of remoteJWKS and localJWKS must be given")
        return self

    @model_validator(mode="after")
    def _headers_for_routes(self) -> Self:
        if self.recompute_route and not self.claim_to_headers:
            raise refusal("recomputeRoute needs claimToHeaders", "claimToHeaders")
        return self


class JWT(Part):
    """Tokens that let in."""

    providers: Annotated[Items[JWTProvider], Field(min_length=1, max_length=16)]
    optional: bool | None = None
    fail_open: bool | None = None

    @model_validator(mode="after")
    def _one_way_to_be_lenient(self) -> Self:
        if self.optional is not None and self.fail_open is not None:
            raise refusal("either optional or failOpen may be given, not both", "failOpen")
        return self


class ContextSource(LocalObjectReference):
    """A key of a ConfigMap or Secret."""

    key: str

    @model_validator(mode="after")
    def _kinds(self) -> Self:
        if self.kind not in ("ConfigMap", "Secret") or self.group not in ("", "v1"):
            raise refusal("only a ConfigMap or Secret can be named here", "kind")
        return self


class ContextExtension(Part):
    """Something that an authorization service is told besides."""

    name: str
    type: Literal["Value", "ValueRef"] = "Value"
    value: str | None = None
    value_ref: ContextSource | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if (self.value is not None) != (self.type == "Value"):
            raise refusal("value must be given with type Value and only then", "value")
        if (self.value_ref is not None) != (self.type == "ValueRef"):
            raise refusal("valueRef must be given with type ValueRef and only then", "valueRef")
        return self


class GRPCAuthService(AskedCluster):
    """A service that is asked over gRPC."""


class HTTPAuthService(AskedCluster):
    """A service that is asked over HTTP."""

    headers_to_backend: Items[str] = ()
    path: str | None = None
    path_override: str | None = None

    @model_validator(mode="after")
    def _one_path(self) -> Self:
        if self.path is not None and self.path_override is not None:
            raise refusal("either path or pathOverride may be given, not both", "pathOverride")
        return self


class BodyToExtAuth(Part):
    """How much of a body an authorization service is sent."""

    max_request_bytes: Annotated[Int32, Field(ge=1)]


class ExtAuth(Part):
    """A service that is asked whether a request may pass."""

    grpc: GRPCAuthService | None = None
    http: HTTPAuthService | None = None
    body_to_ext_auth: BodyToExtAuth | None = None
    context_extensions: Annotated[Items[ContextExtension], unique_by("name")] = ()
    fail_open: bool = False
    headers_to_ext_auth: Items[str] = ()
    include_route_metadata: bool | None = None
    recompute_route: bool | None = None
    status_on_error: ErrorStatus | None = None
    timeout: Duration | None = None

    @model_validator(mode="after")
    def _one_service(self) -> Self:
        if (self.grpc is None) == (self.http is None):
            raise refusal("exactly one of grpc and http must be given")
        return self
