"""Matches: all conditions at once, and which of two matches wins."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching import ExactMatch, HeaderMatch, Match, PrefixMatch, QueryParamMatch
from gateway_filters.message.head import RequestHead

QUICK = settings(derandomize=True, max_examples=50)
H = tuple(HeaderMatch(name, "1") for name in "abcd")
Q = tuple(QueryParamMatch(name, "1") for name in "abcd")


def _head(
    *, method: bytes = b"GET", path: bytes = b"/v1", query: bytes = b"a=1", headers: tuple[bytes, ...] = (b"a", b"b")
) -> RequestHead:
    return RequestHead(method, path, query=query, headers=tuple((name, b"1") for name in headers))


EVERYTHING = Match(PrefixMatch("/v1"), "GET", H[:2], Q[:1])


@pytest.mark.parametrize(
    ("match", "head", "reason"),
    [
        pytest.param(Match(), _head(), None, id="no condition takes everything"),
        pytest.param(EVERYTHING, _head(), None, id="all conditions hold"),
        pytest.param(EVERYTHING, _head(path=b"/v2"), "path is not under /v1", id="the path does not"),
        pytest.param(EVERYTHING, _head(method=b"POST"), "method is not GET", id="the method does not"),
        pytest.param(EVERYTHING, _head(headers=(b"b",)), "header a is absent", id="the first header does not"),
        pytest.param(EVERYTHING, _head(headers=(b"a",)), "header b is absent", id="the second header does not"),
        pytest.param(EVERYTHING, _head(query=b""), "parameter a is absent", id="the parameter does not"),
        pytest.param(Match(method="GET"), _head(method=b"HEAD"), "method is not GET", id="GET takes no HEAD"),
        pytest.param(Match(method="GET"), _head(method=b"get"), "method is not GET", id="a method counts case"),
        pytest.param(Match(ExactMatch("/v1")), _head(path=b"/v1/"), "path is not /v1", id="an exact path is exact"),
    ],
)
def test_a_request_matches_or_the_reason_is_told(match: Match, head: RequestHead, reason: str | None) -> None:
    """All conditions of a match must hold; the reason names one that does not."""
    assert match.mismatch(head) == reason


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param(
            Match(ExactMatch("/a")), Match(PrefixMatch("/a/longer"), "GET", H, Q), id="exact before any prefix"
        ),
        pytest.param(Match(ExactMatch("/a")), Match(PrefixMatch("/a")), id="exact before the same prefix"),
        pytest.param(Match(PrefixMatch("/a/b")), Match(PrefixMatch("/a")), id="the longer prefix"),
        pytest.param(
            Match(PrefixMatch("/a/b")), Match(PrefixMatch("/a"), "GET", H, Q), id="the longer prefix before all else"
        ),
        pytest.param(Match(PrefixMatch("/ab")), Match(PrefixMatch("/a")), id="length counts characters, not segments"),
        pytest.param(Match(PrefixMatch("/a")), Match(), id="a prefix before the default one"),
        pytest.param(Match(method="GET"), Match(), id="a method before none"),
        pytest.param(Match(method="GET"), Match(headers=H, query_params=Q), id="a method before headers"),
        pytest.param(Match(headers=H[:1]), Match(), id="a header before none"),
        pytest.param(Match(headers=H[:2]), Match(headers=H[2:3]), id="more headers"),
        pytest.param(Match(headers=H[:1]), Match(query_params=Q), id="a header before parameters"),
        pytest.param(Match(headers=H[:2]), Match(headers=H[:1], query_params=Q), id="more headers before parameters"),
        pytest.param(Match(query_params=Q[:1]), Match(), id="a parameter before none"),
        pytest.param(Match(query_params=Q[:3]), Match(query_params=Q[:2]), id="more parameters"),
        pytest.param(
            Match(ExactMatch("/a"), "GET"), Match(ExactMatch("/a"), headers=H), id="a method on equal exact paths"
        ),
    ],
)
def test_the_stronger_match_wins(winner: Match, loser: Match) -> None:
    """Exact path, longer prefix, method, more headers, more parameters: each looked at on ties of those before."""
    assert winner.precedence < loser.precedence


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Match(method="GET"), Match(method="POST"), id="which method does not count"),
        pytest.param(Match(headers=H[:1]), Match(headers=H[3:]), id="which header does not count"),
        pytest.param(Match(query_params=Q[:1]), Match(query_params=Q[3:]), id="which parameter does not count"),
        pytest.param(Match(PrefixMatch("/a")), Match(PrefixMatch("/b")), id="which characters do not count"),
    ],
)
def test_equally_strong_matches_tie(one: Match, other: Match) -> None:
    """What the specification does not look at leaves a tie."""
    assert one.precedence == other.precedence


def test_a_match_without_conditions_is_the_prefix_slash() -> None:
    """The default of a match is the prefix ``/`` (Gateway API)."""
    assert Match() == Match(PrefixMatch("/")) and hash(Match()) == hash(Match(PrefixMatch("/")))
    assert Match(method="GET") != Match()


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "É"])
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    """A method that no request line can hold is refused when the match is built."""
    with pytest.raises(ConfigurationError, match="method"):
        Match(method=method)


MATCH = st.builds(
    Match,
    st.sampled_from([PrefixMatch("/"), PrefixMatch("/a"), PrefixMatch("/a/b"), ExactMatch("/a"), ExactMatch("/")]),
    st.sampled_from([None, "GET"]),
    st.sampled_from([H[:count] for count in range(4)]),
    st.sampled_from([Q[:count] for count in range(4)]),
)


def _beats(one: Match, other: Match) -> bool:
    # Criterion by criterion, in the words of the specification; exact paths among themselves tie if both match.
    exact, other_exact = isinstance(one.path, ExactMatch), isinstance(other.path, ExactMatch)
    if exact != other_exact:
        return exact
    if not exact and len(one.path.value) != len(other.path.value):
        return len(one.path.value) > len(other.path.value)
    if (one.method is None) != (other.method is None):
        return one.method is not None
    if len(one.headers) != len(other.headers):
        return len(one.headers) > len(other.headers)
    return len(one.query_params) > len(other.query_params)


@QUICK
@given(matches=st.lists(MATCH, min_size=2, max_size=6))
def test_sorting_follows_the_specification(matches: list[Match]) -> None:
    """In sorted matches none beats the one before it, unless two exact paths can never meet."""
    for before, after in pairwise(sorted(matches, key=lambda match: match.precedence)):
        apart = isinstance(before.path, ExactMatch) and isinstance(after.path, ExactMatch) and before.path != after.path
        assert apart or not _beats(after, before)
