"""The filters of an HTTPRoute as a union: a type, the member of that name, and rules for lists of them."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway_filters.gateway_api.resources.http_cors import HTTPCORSFilter
from gateway_filters.gateway_api.resources.http_modifiers import (
    HTTPHeaderFilter,
    HTTPRequestRedirect,
    HTTPURLRewrite,
)
from gateway_filters.gateway_api.resources.http_side_requests import HTTPExternalAuth, HTTPRequestMirror
from gateway_filters.gateway_api.resources.part import Items, Part, first_repeated, refusal
from gateway_filters.gateway_api.resources.references import LocalObjectReference

FilterType = Literal[
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "URLRewrite",
    "ExtensionRef",
    "CORS",
    "ExternalAuth",
]

# type -> (attribute, name in YAML) of the one member that goes with it
_MEMBERS: dict[FilterType, tuple[str, str]] = {
    "RequestHeaderModifier": ("request_header_modifier", "requestHeaderModifier"),
    "ResponseHeaderModifier": ("response_header_modifier", "responseHeaderModifier"),
    "RequestMirror": ("request_mirror", "requestMirror"),
    "RequestRedirect": ("request_redirect", "requestRedirect"),
    "URLRewrite": ("url_rewrite", "urlRewrite"),
    "ExtensionRef": ("extension_ref", "extensionRef"),
    "CORS": ("cors", "cors"),
    "ExternalAuth": ("external_auth", "externalAuth"),
}
_MAY_REPEAT: frozenset[FilterType] = frozenset({"RequestMirror", "ExtensionRef", "ExternalAuth"})


class RouteFilter(Part):
    """One filter of a rule or a backendRef: its type and the member that the type names."""

    type: FilterType
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirror | None = None
    request_redirect: HTTPRequestRedirect | None = None
    url_rewrite: HTTPURLRewrite | None = None
    extension_ref: LocalObjectReference | None = None
    cors: HTTPCORSFilter | None = None
    external_auth: HTTPExternalAuth | None = None

    @model_validator(mode="after")
    def _member_by_type(self) -> Self:
        attribute, name = _MEMBERS[self.type]
        if getattr(self, attribute) is None:
            raise refusal("a filter needs the member that its type names", name)
        if len(self.model_fields_set) > 2:
            raise refusal("a filter may have no member but the one its type names", self._stray(attribute))
        return self

    def _stray(self, attribute: str) -> str:
        return next(name for own, name in _MEMBERS.values() if own != attribute and own in self.model_fields_set)


def _together(filters: tuple[RouteFilter, ...]) -> tuple[RouteFilter, ...]:
    if len(filters) < 2:
        return filters
    types = [item.type for item in filters]
    if "URLRewrite" in types and "RequestRedirect" in types:
        raise refusal("URLRewrite and RequestRedirect may not be used together", types.index("RequestRedirect"), "type")
    once = tuple((index, name) for index, name in enumerate(types) if name not in _MAY_REPEAT)
    again = first_repeated(once, lambda entry: entry[1])
    if again is not None:
        raise refusal("a filter of this type may occur only once in filters", once[again][0], "type")
    return filters


RouteFilters = Annotated[Items[RouteFilter], Field(max_length=16), AfterValidator(_together)]
"""The filters of one rule or backendRef, in their order."""
