"""Which listener and which match take a request, and for each other one the reason why not."""

from collections.abc import Iterator, Sequence

from gateway_filters.explanation.redaction import Redaction
from gateway_filters.explanation.request import Asked
from gateway_filters.explanation.values import ListenerVerdict, MatchVerdict
from gateway_filters.explanation.words import header_value, match_words
from gateway_filters.matching.hostname import covers, host_of
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Listener, ListenerTable, Route

# One for each part of ``Route.precedence``, in its order: what the winner is ahead in.
_AHEAD = (
    "its host name is more exact",
    "its host name is longer",
    "its kind of path match goes first",
    "its path is longer",
    "it names a method",
    "it has more conditions on headers",
    "it has more conditions on parameters",
    "it has more exact conditions on headers",
    "it has more conditions on cookies",
)
_EQUAL = "they are equal and it comes first"


class Choice:
    """How a request finds its route among ``listeners``: ``winner``, or None.

    Listeners on the port of the URL are candidates, of these the ones at its address when it is one of theirs;
    where no listener has the port, the gateway is thought to run under another server, and all HTTP listeners
    are.
    """

    def __init__(self, listeners: Sequence[Listener], request: Asked, head: RequestHead) -> None:
        self._listeners = listeners
        self._request = request
        self._head = head
        self._host = host_of(head.authority)
        self._candidates = candidates(listeners, request)
        found = ListenerTable(self._candidates).isolated(self._host)
        self._chosen = [] if found is None else [each for each in self._candidates if each.hostname == found[0]]
        self._routes = () if found is None else tuple(dict.fromkeys(found[1].routes))
        self.winner: Route | None = None if found is None else found[1].find(head)

    def listeners(self) -> Iterator[ListenerVerdict]:
        """A verdict on each listener, in the order they were given."""
        for each in self._listeners:
            reason = self._not_chosen(each)
            yield ListenerVerdict(each.name, each.protocol, each.port, each.hostname, not reason, reason)

    def matches(self, redaction: Redaction) -> Iterator[MatchVerdict]:
        """A verdict on each match: those of the chosen listeners by precedence, then all others."""
        owners = {route: each.name for each in reversed(self._chosen) for route in each.routes}
        for route in self._routes:
            reason = self._reason(route, redaction)
            words = match_words(route.match, redaction)
            yield MatchVerdict(route.name, owners[route], route.hostname, words, route is self.winner, reason)
        for listener in self._listeners:
            if listener not in self._chosen:
                reason = f"listener {listener.name}: {self._not_chosen(listener)}"
                for route in listener.routes:
                    words = match_words(route.match, redaction)
                    yield MatchVerdict(route.name, listener.name, route.hostname, words, wins=False, reason=reason)

    def _not_chosen(self, listener: Listener) -> str:
        if listener in self._chosen:
            return ""
        if listener not in self._candidates:
            return _elsewhere(listener, self._request)
        if not covers(listener.hostname, self._host):
            return f"host {self._host} is not {listener.hostname}"
        return f"listener {self._chosen[0].name} has the more exact host name {self._chosen[0].hostname}"

    def _reason(self, route: Route, redaction: Redaction) -> str:
        reason = route.mismatch(self._host, self._head)
        if route is self.winner:
            return "" if reason is None else f"the request is a preflight for {route.match.method}"
        if reason is None:
            assert self.winner is not None
            return f"{self.winner.name} wins before it: {_ahead(self.winner, route)}"
        for header in route.match.headers:
            if header.text and redaction.hides(header.name.lower().encode()):
                reason = reason.replace(f" {header.text}", f" {header_value(header, redaction)}")
        return reason


def candidates(listeners: Sequence[Listener], request: Asked) -> list[Listener]:
    """The listeners that a request may come in at."""
    here = [each for each in listeners if each.port == request.port]
    if not here:
        return [each for each in listeners if each.protocol == "HTTP"]
    return [each for each in here if request.host.strip("[]") in each.addresses] or here


def _elsewhere(listener: Listener, request: Asked) -> str:
    if listener.port != request.port:
        return f"its port is {listener.port} and not {request.port}"
    return f"its address is {', '.join(listener.addresses) or 'another'} and not {request.host}"


def _ahead(winner: Route, other: Route) -> str:
    parts = zip(_flat(winner), _flat(other), _AHEAD, strict=True)
    return next((words for ours, theirs, words in parts if ours != theirs), _EQUAL)


def _flat(route: Route) -> list[int]:
    return [part for parts in route.precedence for part in parts]
