"""HTTPRoutes into routes: one route for each match of each rule and each host name."""

from collections.abc import Iterator
from itertools import product

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import Filter, Refusal
from gateway_filters.gateway_api.attachment import hostnames
from gateway_filters.gateway_api.backends import UnusableBackend, translate_backend
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.filters import FilterSite, translate_filter
from gateway_filters.gateway_api.resources import HTTPRoute, HTTPRouteMatch, HTTPRouteRule
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.matching import ExactMatch, HeaderMatch, Match, PathMatch, PrefixMatch, QueryParamMatch
from gateway_filters.routing import Route, WeightedBackend


def translate_routes(context: Context) -> tuple[Route, ...]:
    """All routes, of older HTTPRoutes first, then by namespace and name: the order in which equal ones win."""
    ordered = sorted(context.objects.of(HTTPRoute), key=_age)
    return tuple(route for written in ordered for route in _routes(context, written))


def _age(route: HTTPRoute) -> tuple[str, str]:
    # Without a time an object counts as newer than one that has one.
    return (route.metadata.creation_timestamp or "9999", qualified(route))


def _routes(context: Context, written: HTTPRoute) -> Iterator[Route]:
    names = hostnames(context, written)
    if not names:
        return
    for index, rule in enumerate(written.spec.rules):
        location: Location = ("spec", "rules", index)
        filters = _filters(context, written, location, rule)
        backends, refusals = _backends(context, written, location, rule)
        for (at, match), hostname in product(enumerate(rule.matches), names):
            yield Route(
                name=f"{qualified(written)}/rules/{index}/matches/{at}",
                match=_match(context, written, (*location, "matches", at), match),
                hostname=hostname,
                filters=(*_unsupported(context, written, location, rule), *filters, *refusals),
                backends=backends,
            )


def _unsupported(context: Context, route: HTTPRoute, location: Location, rule: HTTPRouteRule) -> tuple[Filter, ...]:
    fields = {"timeouts": rule.timeouts, "retry": rule.retry, "sessionPersistence": rule.session_persistence}
    return tuple(
        Refusal(context.problem(route, (*location, name), f"{name} is not supported"))
        for name, value in fields.items()
        if value is not None
    )


def _filters(context: Context, route: HTTPRoute, location: Location, rule: HTTPRouteRule) -> tuple[Filter, ...]:
    # A rule with ReplacePrefixMatch has exactly one match, so the filter can carry that match's prefix.
    prefix = rule.matches[0].path.value if rule.matches[0].path.type == "PathPrefix" else None
    return tuple(
        translate_filter(each, FilterSite(context, route, (*location, "filters", index), prefix))
        for index, each in enumerate(rule.filters)
    )


def _backends(
    context: Context, route: HTTPRoute, location: Location, rule: HTTPRouteRule
) -> tuple[tuple[WeightedBackend, ...], tuple[Refusal, ...]]:
    backends: list[WeightedBackend] = []
    refusals: list[Refusal] = []
    for index, ref in enumerate(rule.backend_refs):
        here = (*location, "backendRefs", index)
        try:
            backends.append(translate_backend(context, route, here, ref))
        except UnusableBackend as error:
            refusals.append(Refusal(context.problem(route, here, str(error))))
    return tuple(backends), tuple(refusals)


def _match(context: Context, route: HTTPRoute, location: Location, written: HTTPRouteMatch) -> Match:
    try:
        return Match(
            path=_path(written),
            method=written.method,
            headers=tuple(HeaderMatch(each.name, each.value) for each in written.headers),
            query_params=tuple(QueryParamMatch(each.name, each.value) for each in written.query_params),
        )
    except ConfigurationError as error:
        raise context.refused(route, location, error) from error


def _path(written: HTTPRouteMatch) -> PathMatch:
    regular = [
        each for each in (written.path, *written.headers, *written.query_params) if each.type == "RegularExpression"
    ]
    if regular:
        raise ConfigurationError("matches of type RegularExpression are not supported")
    return ExactMatch(written.path.value) if written.path.type == "Exact" else PrefixMatch(written.path.value)
