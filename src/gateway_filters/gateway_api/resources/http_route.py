"""HTTPRoute: which requests go where, through which filters."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gateway_filters.gateway_api.resources.http_filters import RouteFilter, RouteFilters
from gateway_filters.gateway_api.resources.http_match import HTTPRouteMatch
from gateway_filters.gateway_api.resources.http_modifiers import HTTPPathModifier
from gateway_filters.gateway_api.resources.http_session import EitherSessionPersistence
from gateway_filters.gateway_api.resources.http_timing import HTTPRouteRetry, HTTPRouteTimeouts
from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, first_repeated, refusal
from gateway_filters.gateway_api.resources.references import BackendObjectReference, ParentReference
from gateway_filters.gateway_api.resources.scalars import Hostname, SectionName

_MOST_MATCHES = 128
_ANY_PATH = (HTTPRouteMatch(),)


class HTTPBackendRef(BackendObjectReference):
    """A backend of a rule, its weight among the others and its own filters."""

    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    filters: RouteFilters = ()


def _replaces_prefix(item: RouteFilter, member: str) -> bool:
    change = getattr(item, member)
    path: HTTPPathModifier | None = change and change.path
    return path is not None and path.type == "ReplacePrefixMatch"


def _prefix_replacer(rule: "HTTPRouteRule") -> tuple[str | int, ...] | None:
    for member, name in (("request_redirect", "requestRedirect"), ("url_rewrite", "urlRewrite")):
        for index, item in enumerate(rule.filters):
            if _replaces_prefix(item, member):
                return ("filters", index, name, "path", "type")
        if place := _only_backend_replacer(rule, member, name):
            return place
    return None


def _only_backend_replacer(rule: "HTTPRouteRule", member: str, name: str) -> tuple[str | int, ...] | None:
    places = [
        ("backendRefs", at, "filters", index, name, "path", "type")
        for at, backend in enumerate(rule.backend_refs)
        for index, item in enumerate(backend.filters)
        if _replaces_prefix(item, member)
    ]
    # The CRD asks whether exactly one backendRef does so; two of them slip through there, and so here.
    return places[0] if len(places) == 1 else None


class HTTPRouteRule(Part):
    """Conditions, the filters for requests that meet them, and where these go."""

    name: SectionName | None = None
    matches: Annotated[Items[HTTPRouteMatch], Field(max_length=64)] = _ANY_PATH
    filters: RouteFilters = ()
    backend_refs: Annotated[Items[HTTPBackendRef], Field(max_length=16)] = ()
    timeouts: HTTPRouteTimeouts | None = None
    retry: HTTPRouteRetry | None = None
    session_persistence: EitherSessionPersistence | None = None

    @model_validator(mode="after")
    def _redirect_or_backends(self) -> Self:
        if self.backend_refs:
            for index, item in enumerate(self.filters):
                if item.type == "RequestRedirect":
                    raise refusal(
                        "a rule with a RequestRedirect filter may not have backendRefs",
                        "filters",
                        index,
                        "type",
                    )
        return self

    @model_validator(mode="after")
    def _prefix_to_replace(self) -> Self:
        one_prefix = len(self.matches) == 1 and self.matches[0].path.type == "PathPrefix"
        if not one_prefix and (place := _prefix_replacer(self)):
            raise refusal("ReplacePrefixMatch needs a rule with exactly one match, of type PathPrefix", *place)
        return self

    @model_validator(mode="after")
    def _empty_matches_are_none(self) -> Self:
        # The API server gives a default to an absent list only; to Gateway API an empty one means the same.
        return self if self.matches else self.model_copy(update={"matches": _ANY_PATH})


def _parent_of(ref: ParentReference) -> tuple[str | None, ...]:
    return (ref.group, ref.kind, ref.name, ref.namespace)


def _distinct_parents(refs: tuple[ParentReference, ...]) -> tuple[ParentReference, ...]:
    if len(refs) > 1:
        shapes: dict[tuple[str | None, ...], tuple[bool, bool]] = {}
        for index, ref in enumerate(refs):
            shape = (ref.section_name is None, ref.port is None)
            if shapes.setdefault(_parent_of(ref), shape) != shape:
                raise refusal("parentRefs to one parent must all give sectionName, or port, or both", index)
        again = first_repeated(refs, lambda ref: (*_parent_of(ref), ref.section_name, ref.port))
        if again is not None:
            raise refusal("parentRefs to one parent must differ in sectionName or port", again)
    return refs


def _few_matches(rules: tuple[HTTPRouteRule, ...]) -> tuple[HTTPRouteRule, ...]:
    total = 0
    for index, rule in enumerate(rules):
        total += len(rule.matches)
        if total > _MOST_MATCHES:
            raise refusal("all rules of a route together may have at most 128 matches", index, "matches")
    return rules


def _distinct_names(rules: tuple[HTTPRouteRule, ...]) -> tuple[HTTPRouteRule, ...]:
    named = tuple((index, rule.name) for index, rule in enumerate(rules) if rule.name is not None)
    again = first_repeated(named, lambda entry: entry[1])
    if again is not None:
        raise refusal("the name of a rule must be unique in its route", named[again][0], "name")
    return rules


class HTTPRouteSpec(Part):
    """The parents, hostnames and rules of an HTTPRoute."""

    parent_refs: Annotated[Items[ParentReference], Field(max_length=32), AfterValidator(_distinct_parents)] = ()
    hostnames: Annotated[Items[Hostname], Field(max_length=16)] = ()
    rules: Annotated[
        Items[HTTPRouteRule],
        Field(min_length=1, max_length=16),
        AfterValidator(_few_matches),
        AfterValidator(_distinct_names),
    ] = (HTTPRouteRule(),)
    use_default_gateways: Literal["All", "None"] | None = None


class HTTPRoute(Resource):
    """A route for HTTP requests (gateway.networking.k8s.io)."""

    api_version: Annotated[str, one_of("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1")]
    kind: Annotated[str, one_of("HTTPRoute")]
    spec: HTTPRouteSpec
    status: Ignored = Field(default=None, repr=False)
