"""Questions about a request head. Each answers with the reason why not; precedence is a tuple."""

from gateway_filters.matching.fields import CookieMatch, FieldMatch, HeaderMatch, QueryParamMatch, Regex
from gateway_filters.matching.match import Match
from gateway_filters.matching.path import ExactMatch, PathMatch, PrefixMatch, RegexMatch

__all__ = [
    "CookieMatch",
    "ExactMatch",
    "FieldMatch",
    "HeaderMatch",
    "Match",
    "PathMatch",
    "PrefixMatch",
    "QueryParamMatch",
    "Regex",
    "RegexMatch",
]
