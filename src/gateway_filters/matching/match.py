"""A match: all of its conditions hold at once (Gateway API, HTTPRouteMatch)."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway_filters.matching.fields import CookieMatch, FieldMatch, HeaderMatch, QueryParamMatch
from gateway_filters.matching.path import PathMatch, PrefixMatch
from gateway_filters.message.head import RequestHead
from gateway_filters.message.text import settle, token

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions on path, method, headers, query parameters and cookies; those that are not given always hold.

    Of several conditions on one header (in any case) or one query parameter only the first counts (Gateway
    API, HTTPHeaderMatch and HTTPQueryParamMatch); the others are dropped.
    """

    path: PathMatch = field(default_factory=PrefixMatch)
    method: str | None = None
    headers: tuple[HeaderMatch, ...] = ()
    query_params: tuple[QueryParamMatch, ...] = ()
    cookies: tuple[CookieMatch, ...] = ()
    _method: bytes | None = field(init=False, repr=False, compare=False)
    _conditions: tuple[FieldMatch, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        headers = _first_of_each((each.name.lower(), each) for each in self.headers)
        query_params = _first_of_each((each.name, each) for each in self.query_params)
        method = None if self.method is None else token(self.method, "method")
        settle(self, headers=headers, query_params=query_params, _method=method)
        settle(self, _conditions=(*headers, *query_params, *self.cookies))

    @property
    def precedence(self) -> tuple[int, ...]:
        """Gateway API's order as a tuple: the smaller one wins.

        Exact path, then the longer path, then a method, then more headers, then more query parameters. Where
        that leaves it open, Envoy Gateway's: more exact headers, then more cookies.
        """
        exact = sum(each.exact for each in self.headers)
        fields = (-len(self.headers), -len(self.query_params), -exact, -len(self.cookies))
        return (*self.path.precedence, self.method is None, *fields)

    @property
    def asks_path_only(self) -> bool:
        """Whether no other condition is left once the path is known to match."""
        return self._method is None and not self._conditions

    def mismatch(self, head: RequestHead) -> str | None:
        """The first condition that does not hold, as a phrase; None when all do."""
        if self._method is not None and head.method != self._method:
            return f"method is not {self.method}"
        reason = self.path.mismatch(head)
        if reason is not None:
            return reason
        for condition in self._conditions:
            reason = condition.mismatch(head)
            if reason is not None:
                return reason
        return None


def _first_of_each(named: Iterable[tuple[Hashable, C]]) -> tuple[C, ...]:
    kept: dict[Hashable, C] = {}
    for name, condition in named:
        kept.setdefault(name, condition)
    return tuple(kept.values())
