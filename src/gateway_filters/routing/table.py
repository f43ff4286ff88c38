"""The routes in the order in which they win, and an index that finds the winner without trying them all."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from gateway_filters.matching.path import ExactMatch, PrefixMatch, RegexMatch
from gateway_filters.matching.patterns import Patterns
from gateway_filters.message.head import RequestHead
from gateway_filters.routing.hosts import finder
from gateway_filters.routing.preflight import preflight_finder
from gateway_filters.routing.route import Route

# What clients send must not fill the memory: at most so many paths, of so many bytes, with so many routes each.
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 256
_FEW = 8

_Candidate = tuple[Route, Callable[[RequestHead], str | None] | None]


class RouteTable:
    """Routes by precedence; of equal ones the one given first wins.

    ``find(head)`` gives the route that takes the request, or None; raises ``PathTooLong`` where too many patterns would
    have to be asked for a path that is too long.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: route.precedence))
        by_hostname: dict[str | None, list[Route]] = {}
        for route in self.routes:
            by_hostname.setdefault(route.hostname, []).append(route)
        find = finder({hostname: _PathIndex(of).find for hostname, of in by_hostname.items()}, isolated=False)
        self.find = preflight_finder(find, self.routes)


class _PathIndex:
    """The routes of one host name, in the order of their precedence: exact paths, patterns, then prefixes by segments.

    That is the order of precedence, so the first route that takes a request is the one that wins.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[bytes, list[_Candidate]] = {}
        self._prefixes: dict[bytes, list[_Candidate]] = {}
        self._known: dict[bytes, tuple[_Candidate, ...]] = {}
        under: list[tuple[RegexMatch, _Candidate]] = []
        for route in routes:
            # Who is found by path has nothing left to ask where the path is all that is asked.
            candidate = (route, None if route.match.asks_path_only else route.match.mismatch)
            match route.match.path:
                case ExactMatch(value=value):
                    self._exact.setdefault(value.encode(), []).append(candidate)
                case PrefixMatch(value=value):
                    self._prefixes.setdefault(value.removesuffix("/").encode(), []).append(candidate)
                case RegexMatch() as path:
                    under.append((path, candidate))
        self._patterns = Patterns(under) if under else None

    def find(self, head: RequestHead) -> Route | None:
        """The first route that takes the request."""
        candidates = self._known.get(head.path)
        if candidates is None:
            candidates = self._looked_up(head.path)
        for route, mismatch in candidates:
            if mismatch is None or mismatch(head) is None:
                return route
        return None

    def _looked_up(self, path: bytes) -> Iterable[_Candidate]:
        """The routes that may take the path, in order; what leads to few is remembered, so nobody fills the memory."""
        lists = [routes for routes in self._candidates(path) if routes]
        if len(path) > _LONGEST_KNOWN or sum(map(len, lists)) > _FEW:
            return chain.from_iterable(lists)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        known = self._known[path] = tuple(chain.from_iterable(lists))
        return known

    def _candidates(self, path: bytes) -> Iterator[Sequence[_Candidate]]:
        yield self._exact.get(path, ())
        if self._patterns is not None:
            yield self._patterns.taking(path)
        yield self._prefixes.get(path, ())
        cut = path.rfind(b"/")
        while cut >= 0:
            path = path[:cut]
            yield self._prefixes.get(path, ())
            cut = path.rfind(b"/")
