"""HTTPRouteFilter (Envoy Gateway): filters that an HTTPRoute names by extensionRef."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import DISTINCT, Ignored, Items, Part, refusal, unique_by
from gateway_filters.gateway_api.resources.references import LocalObjectReference, SecretObjectReference
from gateway_filters.gateway_api.resources.scalars import HeaderName, Int64

Pattern = Annotated[str, StringConstraints(min_length=1)]
HeaderSubstitution = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\r\n\x00]*$")]
FreeHeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class InjectedCredential(Part):
    """Where the credential is kept: the key `credential` of a Secret."""

    value_ref: SecretObjectReference


class CredentialInjection(Part):
    """A credential that is put into a header of each request."""

    header: str | None = None
    overwrite: bool | None = None
    credential: InjectedCredential


class DirectResponseBody(Part):
    """The body of an answer, written here or in a ConfigMap."""

    type: Literal["Inline", "ValueRef"] = "Inline"
    inline: str | None = None
    value_ref: LocalObjectReference | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if self.type == "Inline" and self.inline is None:
            raise refusal("a body of type Inline needs inline", "inline")
        if self.type == "ValueRef" and self.value_ref is None:
            raise refusal("a body of type ValueRef needs valueRef", "valueRef")
        return self

    @model_validator(mode="after")
    def _from_config_map(self) -> Self:
        if self.value_ref is not None and self.value_ref.kind != "ConfigMap":
            raise refusal("the valueRef of a body must name a ConfigMap", "valueRef", "kind")
        return self


class ResponseHeader(Part):
    """A header of an answer; its value is freer than that of a route's header modifier."""

    name: HeaderName
    value: FreeHeaderValue


class DirectResponseHeader(Part):
    """Headers of an answer that has no backend."""

    set: Annotated[Items[ResponseHeader], Field(max_length=16), unique_by("name")] = ()
    add: Annotated[Items[ResponseHeader], Field(max_length=16), unique_by("name")] = ()
    remove: Annotated[Items[str], Field(max_length=16), DISTINCT] = ()

    @model_validator(mode="after")
    def _nothing_to_remove(self) -> Self:
        if self.remove:
            raise refusal("remove is not possible in the header of a directResponse", "remove")
        return self


class DirectResponse(Part):
    """An answer that is given without asking a backend."""

    status_code: Int64 | None = None
    content_type: str | None = None
    body: DirectResponseBody | None = None
    header: DirectResponseHeader | None = None


class CookieMatch(Part):
    """A condition on one cookie."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    type: Literal["Exact", "RegularExpression"] = "Exact"
    value: FreeHeaderValue


class RouteFilterMatch(Part):
    """Conditions beyond those of the rule that names the filter."""

    cookies: Annotated[Items[CookieMatch], Field(min_length=1, max_length=16)] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.cookies:
            raise refusal("a match needs at least one condition, such as cookies")
        return self


class HostnamePathRegex(Part):
    """A host made from the path."""

    pattern: Pattern
    substitution: HeaderSubstitution


class HostnameModifier(Part):
    """The host under which a request goes on."""

    type: Literal["Header", "Backend", "PathRegex"]
    header: str | None = None
    path_regex: HostnamePathRegex | None = None

    @model_validator(mode="after")
    def _header_by_type(self) -> Self:
        if (self.header is not None) != (self.type == "Header"):
            raise refusal("header must be given with type Header and only then", "header")
        return self

    @model_validator(mode="after")
    def _path_regex_by_type(self) -> Self:
        if (self.path_regex is not None) != (self.type == "PathRegex"):
            raise refusal("pathRegex must be given with type PathRegex and only then", "pathRegex")
        return self


class ReplaceRegexMatch(Part):
    """What is searched for in a path, and what takes its place."""

    pattern: Pattern
    substitution: str


class RegexPathModifier(Part):
    """The path under which a request goes on."""

    type: Literal["ReplaceRegexMatch"]
    replace_regex_match: ReplaceRegexMatch | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        if self.replace_regex_match is None:
            raise refusal("a path of type ReplaceRegexMatch needs replaceRegexMatch", "replaceRegexMatch")
        return self


class EnvoyURLRewrite(Part):
    """Rewriting beyond what an HTTPRoute's own URLRewrite can say."""

    hostname: HostnameModifier | None = None
    path: RegexPathModifier | None = None
    append_x_forwarded_host: bool | None = None


class HTTPRouteFilterSpec(Part):
    """What the filter does, and further conditions."""

    url_rewrite: EnvoyURLRewrite | None = None
    direct_response: DirectResponse | None = None
    credential_injection: CredentialInjection | None = None
    matches: Annotated[Items[RouteFilterMatch], Field(max_length=8)] = ()


class HTTPRouteFilter(Resource):
    """A filter to be named by extensionRef (gateway.envoyproxy.io)."""

    api_version: Annotated[str, one_of("gateway.envoyproxy.io/v1alpha1")]
    kind: Annotated[str, one_of("HTTPRouteFilter")]
    spec: HTTPRouteFilterSpec
    status: Ignored = Field(default=None, repr=False)
