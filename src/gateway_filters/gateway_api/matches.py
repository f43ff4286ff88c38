"""Matches as manifests write them into conditions."""

from gateway_filters.gateway_api.resources import CookieMatch as WrittenCookie
from gateway_filters.gateway_api.resources import HTTPRouteMatch
from gateway_filters.gateway_api.resources.http_match import HTTPHeaderMatch, HTTPPathMatch, HTTPQueryParamMatch
from gateway_filters.matching import (
    CookieMatch,
    ExactMatch,
    HeaderMatch,
    Match,
    PathMatch,
    PrefixMatch,
    QueryParamMatch,
    Regex,
    RegexMatch,
)

Cookies = tuple[CookieMatch, ...]


def match_of(written: HTTPRouteMatch, cookies: Cookies) -> Match:
    """The match with its rule's conditions on cookies; raises ``ConfigurationError`` for what cannot be asked.

    Of several conditions on one field the first counts, and the others are not even read.
    """
    headers = {each.name.lower(): each for each in reversed(written.headers)}
    parameters = {each.name: each for each in reversed(written.query_params)}
    return Match(
        path=_path(written.path),
        method=written.method,
        headers=tuple(HeaderMatch(each.name, _value(each)) for each in reversed(headers.values())),
        query_params=tuple(QueryParamMatch(each.name, _value(each)) for each in reversed(parameters.values())),
        cookies=cookies,
    )


def cookies_of(written: tuple[WrittenCookie, ...]) -> Cookies:
    """Conditions on cookies; raises ``ConfigurationError`` for one that cannot be asked."""
    return tuple(CookieMatch(each.name, _value(each)) for each in written)


def _value(written: HTTPHeaderMatch | HTTPQueryParamMatch | WrittenCookie) -> str | Regex:
    return written.value if written.type == "Exact" else Regex(written.value)


def _path(written: HTTPPathMatch) -> PathMatch:
    match written.type:
        case "Exact":
            return ExactMatch(written.value)
        case "RegularExpression":
            return RegexMatch(written.value)
        case _:
            return PrefixMatch(written.value)
