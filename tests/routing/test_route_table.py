"""Routes: values in the order in which they win, and the one that takes a request."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.filters import CORS, Refusal
from gateway_filters.matching import ExactMatch, HeaderMatch, Match, PrefixMatch, QueryParamMatch
from gateway_filters.matching.hostname import host_of
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Backend, BackendTLS, Endpoint, Route, RouteTable, WeightedBackend


def _head(host: bytes = b"a.example.com", path: bytes = b"/v1/x") -> RequestHead:
    return RequestHead(b"GET", path, authority=host, query=b"q=1", headers=((b"h", b"1"),))


def _prefix(value: str) -> Match:
    return Match(PrefixMatch(value))


# From the strongest to the weakest; all of them take the request of _head().
RANKED = (
    Route("a name before any path", Match(), "a.example.com"),
    Route("the longer wildcard before any path", _prefix("/"), "*.example.com"),
    Route("an exact path under a shorter wildcard", Match(ExactMatch("/v1/x")), "*.com"),
    Route("a prefix under a shorter wildcard", _prefix("/v1/x"), "*.com"),
    Route("an exact path", Match(ExactMatch("/v1/x"))),
    Route("a long prefix", _prefix("/v1/x")),
    Route("a shorter prefix with everything", Match(PrefixMatch("/v1"), "GET", (HeaderMatch("h", "1"),))),
    Route("a shorter prefix with a method", Match(PrefixMatch("/v1"), "GET")),
    Route("a header", Match(PrefixMatch("/v1"), headers=(HeaderMatch("h", "1"),))),
    Route("a parameter", Match(PrefixMatch("/v1"), query_params=(QueryParamMatch("q", "1"),))),
    Route("a shorter prefix", _prefix("/v1")),
    Route("no condition"),
)


@pytest.mark.parametrize("rank", range(len(RANKED)), ids=[f"{route.name} is next" for route in RANKED])
def test_the_strongest_route_takes_the_request(rank: int) -> None:
    """Whatever order routes are given in, the strongest that matches takes the request."""
    weakest_first = tuple(reversed(RANKED[rank:]))
    assert RouteTable(weakest_first).find(_head()) is RANKED[rank]
    assert RouteTable(weakest_first).routes == RANKED[rank:]


def test_no_order_of_giving_counts() -> None:
    """Routes of different strength have one order."""
    some = RANKED[1::3]
    assert {RouteTable(order).routes for order in permutations(some)} == {some}


def test_of_equal_routes_the_first_given_wins() -> None:
    """On a tie the route given first takes the request, and the table keeps the order."""
    one, two, three = Route("one", _prefix("/v1")), Route("two", _prefix("/v1")), Route("three", _prefix("/v1/"))
    assert RouteTable([one, two]).find(_head()) is one
    assert RouteTable([two, one]).find(_head()) is two
    assert RouteTable([one, two, one]).routes == (one, two, one)
    assert RouteTable(iter([one, three])).routes[0] is three


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        pytest.param(b"a.example.com", b"/v1/models", "exact", id="a name takes its requests"),
        pytest.param(b"A.Example.Com:8443", b"/v1/models", "exact", id="port and case do not count"),
        pytest.param(b"b.example.com", b"/v1", "wild", id="a wildcard takes what the name does not"),
        pytest.param(b"example.com", b"/v1", "any", id="a wildcard does not take its suffix"),
        pytest.param(b".example.com", b"/v1", "any", id="a wildcard takes no empty label"),
        pytest.param(b"", b"/v1", "any", id="a request without a Host has the routes for any"),
        pytest.param(b"a.example.com", b"/v2", "wild", id="a name's path that does not match leaves the wildcard"),
        pytest.param(b"other.net", b"/v2", None, id="a path that nobody has is nobody's"),
        pytest.param(b"a.example.com", b"/v1beta", "wild", id="a longer segment is not under the prefix"),
    ],
)
def test_the_host_decides_before_the_path(host: bytes, path: bytes, name: str | None) -> None:
    """Among the routes that match, host names are compared first; none that matches gives None."""
    table = RouteTable(
        [
            Route("any", _prefix("/v1")),
            Route("wild", Match(), "*.example.com"),
            Route("exact", _prefix("/v1"), "a.example.com"),
        ]
    )
    found = table.find(_head(host, path))
    assert (None if found is None else found.name) == name


HOST = st.sampled_from([None, "*.com", "*.example.com", "a.example.com", "example.com", "*.b.example.com"])
PATH = st.sampled_from(["/", "/v1", "/v1/", "/v1/x", "/v1/x/", "/v1x", "/v1//x", "/v1/a%2Fb"])
ROUTE = st.builds(
    Route,
    st.sampled_from("abcd"),
    st.builds(
        Match,
        PATH.map(PrefixMatch) | PATH.map(ExactMatch),
        st.sampled_from([None, "GET", "POST"]),
        st.sampled_from([(), (HeaderMatch("h", "1"),), (HeaderMatch("h", "2"),)]),
    ),
    HOST,
)
ASKED = st.sampled_from([b"", b"a.example.com:80", b"x.b.example.com", b"example.com.", b".example.com", b"[::1]"])


@settings(derandomize=True, max_examples=50)
@given(routes=st.lists(ROUTE, max_size=8), host=ASKED, path=PATH.map(str.encode) | st.sampled_from([b"", b"*"]))
def test_finding_is_trying_all_in_order(routes: list[Route], host: bytes, path: bytes) -> None:
    """The route found is the first of all, in order of precedence, that takes the request."""
    table, head = RouteTable(routes), _head(host, path)
    name = host_of(host)
    assert table.find(head) is next((route for route in table.routes if route.mismatch(name, head) is None), None)


def test_no_route_takes_nothing() -> None:
    """A table without routes finds none."""
    assert RouteTable([]).find(_head()) is None


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        pytest.param(Route("r", _prefix("/v1"), "a.example.com"), None, id="host and match hold"),
        pytest.param(
            Route("r", _prefix("/v2"), "b.example.com"), "host is not b.example.com", id="the host comes first"
        ),
        pytest.param(Route("r", _prefix("/v2"), "a.example.com"), "path is not under /v2", id="the match comes second"),
        pytest.param(Route("r"), None, id="no condition holds"),
    ],
)
def test_a_route_takes_a_request_or_says_why_not(route: Route, reason: str | None) -> None:
    """A route that does not take a request says which condition does not hold."""
    assert route.mismatch("a.example.com", _head()) == reason


def test_routes_are_values() -> None:
    """Routes and what they lead to are equal by content and can be keys."""

    def build(port: int) -> Route:
        backend = Backend("b", (Endpoint("h", port),), BackendTLS("h"))
        return Route("r", Match(), "h", (Refusal("x"),), (WeightedBackend(backend, 2, (Refusal("y"),)),))

    assert build(443) == build(443) and hash(build(443)) == hash(build(443))
    assert build(443) != build(444)


def test_a_backend_has_a_weight_of_one_and_no_tls_by_default() -> None:
    """An unweighted backend has one share, no filters of its own and plain HTTP."""
    backend = Backend("b", ())
    assert WeightedBackend(backend) == WeightedBackend(backend, 1, ())
    assert backend.tls is None


GRANTS = (CORS(allow_origins=("*",)),)


def _of(method: str | None, path: str = "/v1", *, name: str = "", cors: bool = True) -> Route:
    return Route(name or f"{method} {path}", Match(PrefixMatch(path), method), filters=GRANTS if cors else ())


def _preflight(method: bytes = b"POST", path: bytes = b"/v1/x") -> RequestHead:
    headers = ((b"origin", b"https://page.example"), (b"access-control-request-method", method))
    return RequestHead(b"OPTIONS", path, authority=b"h", headers=headers)


def _to(*weights: int, granting: int) -> Route:
    """A rule for POST to backends with these weights, of which the first ones have a CORS filter."""
    backends = (
        WeightedBackend(Backend("b", ()), weight, GRANTS if at < granting else ()) for at, weight in enumerate(weights)
    )
    return Route("to backends", Match(PrefixMatch("/v1"), "POST"), backends=tuple(backends))


EVERYTHING = _of(None, "/", cors=False)
PREFLIGHTS: dict[str, tuple[RequestHead, tuple[Route, ...], str | None]] = {
    "the match that names the method asked for takes it": (_preflight(), (_of("POST"), _of("GET")), "POST /v1"),
    "of two that name the method the stronger takes it": (
        _preflight(),
        (_of("POST", "/v1/x"), _of("POST")),
        "POST /v1/x",
    ),
    "a match that names no method and is weaker does not": (_preflight(), (_of("POST"), EVERYTHING), "POST /v1"),
    "what the method's own request would not reach does not take it": (
        _preflight(),
        (_of("POST", "/v1", cors=False), EVERYTHING),
        "None /",
    ),
    "what takes the method's own request without naming it takes it as ever": (
        _preflight(),
        (_of("POST"), _of(None, "/v1/x", cors=False)),
        "None /v1/x",
    ),
    "a CORS filter of the only backend counts": (_preflight(), (_to(1, granting=1), EVERYTHING), "to backends"),
    "CORS filters of all backends count": (_preflight(), (_to(1, 2, 0, granting=2), EVERYTHING), "to backends"),
    "a CORS filter of one of two backends does not": (_preflight(), (_to(1, 1, granting=1), EVERYTHING), "None /"),
    "one of a backend without weight does not": (_preflight(), (_to(0, granting=1), EVERYTHING), "None /"),
    "of equal strength the one for OPTIONS takes it": (_preflight(), (_of("POST"), _of("OPTIONS")), "OPTIONS /v1"),
    "one for OPTIONS that is weaker does not": (_preflight(), (_of("POST"), _of("OPTIONS", "/")), "POST /v1"),
    "a method that no match names finds none": (_preflight(b"PUT"), (_of("POST"),), None),
    "letters' case of a method counts": (_preflight(b"post"), (_of("POST"),), None),
    "OPTIONS without an origin is no preflight": (
        _preflight().with_headers(((b"access-control-request-method", b"POST"),)),
        (_of("POST"), EVERYTHING),
        "None /",
    ),
    "OPTIONS that asks for no method is no preflight": (
        _preflight().with_headers(((b"origin", b"https://page.example"),)),
        (_of("POST"), EVERYTHING),
        "None /",
    ),
    "a POST that says it were a preflight is none": (
        _preflight(b"GET").with_method(b"POST"),
        (_of("GET"), EVERYTHING),
        "None /",
    ),
}


@pytest.mark.parametrize("sentence", PREFLIGHTS)
def test_a_preflight_goes_where_the_request_goes_that_it_asks_for(sentence: str) -> None:
    """Only rules that answer preflights count, each with the precedence of its match; the order given does not."""
    head, routes, name = PREFLIGHTS[sentence]
    for order in permutations(routes):
        found = RouteTable(order).find(head)
        assert (found and found.name) == name


def test_a_preflight_keeps_to_its_host_name() -> None:
    """A rule for another host takes no preflight."""
    elsewhere = Route("elsewhere", Match(method="POST"), "other.example", GRANTS)
    assert RouteTable([elsewhere]).find(_preflight()) is None
    assert RouteTable([elsewhere]).find(_preflight().with_authority(b"other.example")) is elsewhere
