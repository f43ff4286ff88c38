"""Questions about a request head. Each answers with the reason why not; precedence is a tuple."""

from gateway_filters.matching.fields import HeaderMatch, QueryParamMatch
from gateway_filters.matching.match import Match
from gateway_filters.matching.path import ExactMatch, PathMatch, PrefixMatch

__all__ = ["ExactMatch", "HeaderMatch", "Match", "PathMatch", "PrefixMatch", "QueryParamMatch"]
