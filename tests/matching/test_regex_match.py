"""Matches by regular expression: all of the value, RE2's dialect, and their place in the order."""

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching import (
    CookieMatch,
    ExactMatch,
    HeaderMatch,
    Match,
    PrefixMatch,
    QueryParamMatch,
    Regex,
    RegexMatch,
)
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers

needs_re2 = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")


def _head(path: bytes = b"/", *, query: bytes = b"", headers: Headers = ()) -> RequestHead:
    return RequestHead(b"GET", path, authority=b"h.example:81", query=query, headers=headers)


@needs_re2
@pytest.mark.parametrize(
    ("value", "path", "matched"),
    [
        pytest.param("/v[0-9]+/models", b"/v1/models", True, id="the whole path"),
        pytest.param("/v[0-9]+/models", b"/v1/models/", False, id="something after it"),
        pytest.param("v[0-9]+/models", b"/v1/models", False, id="something before it"),
        pytest.param("/a|/b", b"/a", True, id="an alternative"),
        pytest.param("/a|/b", b"/ab", False, id="an alternative with something after it"),
        pytest.param("/A", b"/a", False, id="case counts"),
        pytest.param("(?i)/A", b"/a", True, id="case does not count where it says so"),
        pytest.param("/a/b", b"/a%2Fb", False, id="an escaped slash is no slash"),
        pytest.param(r"/\pL+", "/é".encode(), True, id="letters of any script"),
        pytest.param("/.", b"/\xff", False, id="a byte that is no UTF-8"),
    ],
)
def test_paths(value: str, path: bytes, matched: bool) -> None:
    """The expression must take all of the raw path, as in Envoy; the query is no part of it."""
    reason = RegexMatch(value).mismatch(_head(path, query=b"a=b"))
    assert reason == (None if matched else f"path does not match {value}")


@needs_re2
@pytest.mark.parametrize(
    ("name", "value", "headers", "reason"),
    [
        pytest.param("X-V", "v[12]", ((b"x-v", b"v1"),), None, id="the whole value"),
        pytest.param("X-V", "v[12]", ((b"x-v", b"v1x"),), "header X-V does not match v[12]", id="more than it"),
        pytest.param("X-V", ".*", (), "header X-V is absent", id="no header"),
        pytest.param("X-V", "", ((b"x-v", b""),), None, id="an empty value"),
        pytest.param("x-v", "a,b", ((b"x-v", b"a"), (b"x-v", b"b")), None, id="two lines joined by a comma"),
        pytest.param("Host", r"h\..*", (), None, id="the Host"),
    ],
)
def test_headers(name: str, value: str, headers: Headers, reason: str | None) -> None:
    """As for exact values: lines of one name are joined, and Host is the authority."""
    assert HeaderMatch(name, Regex(value)).mismatch(_head(headers=headers)) == reason


@needs_re2
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        pytest.param(b"a=x1", None, id="the whole value"),
        pytest.param(b"b=1&a=x1&a=y", None, id="the first of that name"),
        pytest.param(b"a=y&a=x1", "parameter a does not match x.", id="a later one does not count"),
        pytest.param(b"a=x+", None, id="the value is decoded"),
        pytest.param(b"a=x12", "parameter a does not match x.", id="more than it"),
        pytest.param(b"A=x1", "parameter a is absent", id="case of the name counts"),
        pytest.param(b"", "parameter a is absent", id="no query"),
    ],
)
def test_query_parameters(query: bytes, reason: str | None) -> None:
    """As for exact values: the first of the name, decoded."""
    assert QueryParamMatch("a", Regex("x.")).mismatch(_head(query=query)) == reason


@needs_re2
@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param(lambda: ExactMatch("/"), lambda: RegexMatch("/aaaaaaaa"), id="an exact path before a pattern"),
        pytest.param(lambda: RegexMatch("/"), lambda: PrefixMatch("/aaaaaaaa"), id="a pattern before a prefix"),
        pytest.param(lambda: RegexMatch("/aa"), lambda: RegexMatch("/a"), id="the longer pattern"),
    ],
)
def test_order_of_paths(
    winner: Callable[[], ExactMatch | RegexMatch], loser: Callable[[], RegexMatch | PrefixMatch]
) -> None:
    """Exact, then patterns, then prefixes, the longer first (Envoy Gateway; open in Gateway API)."""
    assert winner().precedence < loser().precedence
    assert Match(winner()).precedence < Match(loser(), method="GET").precedence


@needs_re2
def test_exact_headers_win_over_as_many_patterns() -> None:
    """Where Gateway API's order leaves it open more exact headers win (Envoy Gateway), and only there."""
    exact = Match(headers=(HeaderMatch("a", "1"),))
    pattern = Match(headers=(HeaderMatch("a", Regex("1")),))
    assert exact.precedence < pattern.precedence
    more = Match(headers=(HeaderMatch("a", Regex("1")),), query_params=(QueryParamMatch("q", Regex("1")),))
    assert more.precedence < exact.precedence


@needs_re2
def test_only_the_first_condition_on_a_name_counts() -> None:
    """Later ones on the same header, in any case, or the same parameter are dropped (Gateway API)."""
    match = Match(
        headers=(HeaderMatch("X-A", "1"), HeaderMatch("x-a", Regex("2")), HeaderMatch("x-b", "1")),
        query_params=(QueryParamMatch("q", Regex("1")), QueryParamMatch("q", "2"), QueryParamMatch("Q", "3")),
    )
    assert match == Match(
        headers=(HeaderMatch("X-A", "1"), HeaderMatch("x-b", "1")),
        query_params=(QueryParamMatch("q", Regex("1")), QueryParamMatch("Q", "3")),
    )
    assert match.mismatch(_head(query=b"q=1&Q=3", headers=((b"x-a", b"1"), (b"x-b", b"1")))) is None


def _header(value: str) -> HeaderMatch:
    return HeaderMatch("a", Regex(value))


def _parameter(value: str) -> QueryParamMatch:
    return QueryParamMatch("a", Regex(value))


def _cookie(value: str) -> CookieMatch:
    return CookieMatch("a", Regex(value))


BUILDERS = [
    pytest.param(RegexMatch, "path", id="a path"),
    pytest.param(_header, "value of header 'a'", id="a header"),
    pytest.param(_parameter, "value of parameter 'a'", id="a query parameter"),
    pytest.param(_cookie, "value of cookie 'a'", id="a cookie"),
]


@needs_re2
@pytest.mark.parametrize(("build", "what"), BUILDERS)
@pytest.mark.parametrize(
    ("value", "defect"),
    [
        pytest.param("(", r"missing \)", id="an open group"),
        pytest.param("(?=a)", "invalid perl operator", id="look-ahead"),
        pytest.param(r"(a)\1", "invalid escape sequence", id="a group in the pattern"),
        pytest.param("a{1001}", "repetition", id="too many repetitions"),
        pytest.param("a" * 8193, "longer than 8192 bytes", id="too long"),
    ],
)
def test_what_re2_refuses_is_refused(
    build: Callable[[str], object], what: str, value: str, defect: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error names the place and the defect, and RE2 writes nothing of its own."""
    with pytest.raises(ConfigurationError, match=f"^{what} .*{defect}"):
        build(value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("build", "what"), BUILDERS)
def test_without_re2_there_are_no_patterns(
    build: Callable[[str], object], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra nothing is built: Python's own engine never stands in."""
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ConfigurationError, match=rf"^{what} .* needs the extra gateway-filters\[re2\]$"):
        build("a")


@needs_re2
@pytest.mark.parametrize("end", [b"", b"!"], ids=["matched", "not matched"])
def test_a_hostile_path_is_quick(end: bytes) -> None:
    """What holds a backtracking engine up for ever takes linear time: 50 KB in well under a second."""
    match = RegexMatch("^(/?a+)+$")
    head = _head(b"/" + b"a" * 50_000 + end)
    begun = time.perf_counter()
    assert (match.mismatch(head) is None) is (not end)
    assert time.perf_counter() - begun < 1


@needs_re2
def test_conditions_are_values() -> None:
    """Equal when built alike, with a text that shows what they ask."""
    assert RegexMatch("a") == RegexMatch("a") != RegexMatch("b")
    assert HeaderMatch("a", Regex("b")) != HeaderMatch("a", "b")
    assert hash(HeaderMatch("a", Regex("b"))) == hash(HeaderMatch("a", Regex("b")))
    assert repr(QueryParamMatch("a", Regex("b"))) == "QueryParamMatch(name='a', value=Regex(pattern='b'))"
