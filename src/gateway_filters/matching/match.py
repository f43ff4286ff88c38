"""A match: all of its conditions hold at once (Gateway API, HTTPRouteMatch)."""

from dataclasses import dataclass, field

from gateway_filters.matching.fields import HeaderMatch, QueryParamMatch
from gateway_filters.matching.path import PathMatch, PrefixMatch
from gateway_filters.message.head import RequestHead
from gateway_filters.message.text import settle, token


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions on path, method, headers and query parameters; those that are not given always hold."""

    path: PathMatch = field(default_factory=PrefixMatch)
    method: str | None = None
    headers: tuple[HeaderMatch, ...] = ()
    query_params: tuple[QueryParamMatch, ...] = ()
    _method: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _method=None if self.method is None else token(self.method, "method"))

    @property
    def precedence(self) -> tuple[int, ...]:
        """Gateway API's order as a tuple: the smaller one wins.

        Exact path, then the longer path, then a method, then more headers, then more query parameters.
        """
        return (*self.path.precedence, self.method is None, -len(self.headers), -len(self.query_params))

    def mismatch(self, head: RequestHead) -> str | None:
        """The first condition that does not hold, as a phrase; None when all do."""
        if self._method is not None and head.method != self._method:
            return f"method is not {self.method}"
        reason = self.path.mismatch(head)
        if reason is not None:
            return reason
        for condition in (*self.headers, *self.query_params):
            reason = condition.mismatch(head)
            if reason is not None:
                return reason
        return None
