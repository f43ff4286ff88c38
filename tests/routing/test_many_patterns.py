"""routing/table with regular expressions: the order that Gateway API wants, however many there are, and soon (F41)."""

import time
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.matching import ExactMatch, HeaderMatch, Match, PrefixMatch, RegexMatch
from gateway_filters.matching.hostname import host_of
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Route, RouteTable

pytestmark = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")

MANY = 2000
PROMISED = 0.005


def _head(path: bytes, host: bytes = b"a.example.com") -> RequestHead:
    return RequestHead(b"GET", path, authority=host, query=b"", headers=((b"h", b"1"),))


PATH = st.sampled_from(["/", "/v1", "/v1/x", "/v1/xy", "/v1x", "/v2/x"])
PATTERN = st.sampled_from(["/v1/.*", "/v1(/x)?", "/v[12]/x.?", ".*", "/(v1/?)+x", "/v1/x", "/v2.*"])
ROUTE = st.builds(
    Route,
    st.sampled_from("abcd"),
    st.builds(
        Match,
        PATTERN.map(RegexMatch) | PATH.map(PrefixMatch) | PATH.map(ExactMatch),
        st.sampled_from([None, "GET", "POST"]),
        st.sampled_from([(), (HeaderMatch("h", "1"),), (HeaderMatch("h", "2"),)]),
    ),
    st.sampled_from([None, "*.com", "a.example.com"]),
)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(routes=st.lists(ROUTE, max_size=40), paths=st.lists(PATH.map(str.encode), min_size=1, max_size=4))
def test_finding_among_patterns_is_trying_all_in_order(routes: list[Route], paths: list[bytes]) -> None:
    """The route found is the first of all, in order of precedence, that takes the request; asked again, too."""
    table = RouteTable(routes)
    for path in (*paths, *paths):
        head = _head(path)
        first = next((each for each in table.routes if each.mismatch(host_of(head.authority), head) is None), None)
        assert table.find(head) is first


SHAPES: dict[str, Callable[[int], str]] = {
    "repetitions of repetitions": lambda number: f"^/(a+)+x{number}$",
    "repetitions of repetitions behind a name": lambda number: f"^/r{number}/(a+)+$",
    "a segment between names": lambda number: f"/v1/models/[^/]+/r{number}(/.*)?",
    "an end": lambda number: f"/.*x{number}",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [60, 1024], ids=["a usual path", "the longest that so many take"])
def test_two_thousand_patterns_are_quick(shape: str, size: int) -> None:
    """Under five milliseconds, as F41 wants it, for paths that keep all of them busy and that nobody asked before."""
    table = RouteTable(Route(str(number), Match(RegexMatch(SHAPES[shape](number)))) for number in range(MANY))
    quickest = PROMISED
    for number in range(20):
        head = _head((b"/" + b"a" * size)[: size - 4] + b"%04d" % number)
        begun = time.perf_counter()
        assert table.find(head) is None
        quickest = min(quickest, time.perf_counter() - begun)
    assert quickest < PROMISED


def test_the_one_that_is_meant_is_found_among_two_thousand() -> None:
    """And what is known of a path is kept, so the patterns are asked once."""
    table = RouteTable(Route(str(number), Match(RegexMatch(f"/r{number}/(a+)+"))) for number in range(MANY))
    for number in (0, 15, 16, 1999):
        for _ in range(2):
            found = table.find(_head(b"/r%d/aaa" % number))
            assert found is not None and found.name == str(number)
