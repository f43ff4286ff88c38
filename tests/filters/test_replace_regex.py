"""ReplaceRegexMatch: RE2 over the raw path, all occurrences, and never a path that is none."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.errors import BadRequest, ConfigurationError, PathTooLong
from gateway_filters.filters import HostFromPath, ReplaceRegexMatch, RequestRedirect, URLRewrite
from gateway_filters.message.head import RequestHead
from gateway_filters.message.regex import Replacement

needs_re2 = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")


def _head(path: bytes) -> RequestHead:
    return RequestHead(b"GET", path, authority=b"h", query=b"one=/one")


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "forwarded"),
    [
        pytest.param(
            "^/service/([^/]+)(/.*)$", r"\2/instance/\1", b"/service/foo/v1/api", b"/v1/api/instance/foo", id="groups"
        ),
        pytest.param("one", "two", b"/xxx/one/yyy/one/zzz", b"/xxx/two/yyy/two/zzz", id="all occurrences"),
        pytest.param("^(.*?)one(.*)$", r"\1two\2", b"/xxx/one/yyy/one/zzz", b"/xxx/two/yyy/one/zzz", id="the first"),
        pytest.param("(?i)/xxx/", "/yyy/", b"/aaa/XxX/bbb", b"/aaa/yyy/bbb", id="any case"),
        pytest.param("one", "two", b"/three", b"/three", id="no occurrence changes nothing"),
        pytest.param("^/foo", "", b"/foo/bar", b"/bar", id="an empty substitution cuts"),
        pytest.param("^/foo$", "", b"/foo", b"/", id="an empty result is the root"),
        pytest.param("%2F", "/", b"/a%2Fb", b"/a/b", id="the raw path is matched, escapes and all"),
        pytest.param("a", "$1&\\0", b"/a", b"/$1&a", id="only the backslash is special"),
        pytest.param("a", "..", b"/abc", b"/..bc", id="dots that are no segment"),
    ],
)
def test_the_path_is_replaced(pattern: str, substitution: str, path: bytes, forwarded: bytes) -> None:
    """The examples of Envoy Gateway's CRD and their like; query and Host stay."""
    rewrite = URLRewrite(path=ReplaceRegexMatch(pattern, substitution))
    assert rewrite.on_request(_head(path)) == _head(forwarded)


@needs_re2
def test_a_redirect_takes_it_too() -> None:
    """A path modifier serves redirects as it serves rewrites."""
    redirect = RequestRedirect(path=ReplaceRegexMatch("^/old/(.*)$", r"/new/\1"))
    assert redirect.on_request(_head(b"/old/a")).head.headers == ((b"location", b"http://h/new/a?one=/one"),)


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "subject", "replaced"),
    [
        pytest.param("o", r"[\0]", b"foo", b"f[o][o]", id="group 0 is the occurrence"),
        pytest.param("(a)|(b)", r"<\1\2>", b"ab", b"<a><b>", id="a group that took no part is empty"),
        pytest.param("(a)(b)(c)", r"\3\12", b"abc", b"ca2", id="groups have one digit"),
        pytest.param("a", r"\\", b"a", b"\\", id="two backslashes are one"),
        pytest.param("a*", "x", b"baac", b"xbxcx", id="no empty occurrence right after another"),
        pytest.param("^a", "x", b"aa", b"xa", id="the beginning is the subject's"),
        pytest.param("", "-", b"ab", b"-a-b-", id="nothing occurs everywhere"),
        pytest.param("é", "e", "aé".encode(), b"ae", id="patterns are read as UTF-8"),
        pytest.param(".", "x", b"a\xff", b"x\xff", id="a byte that is no UTF-8 is matched by no dot"),
        pytest.param("b", "x", b"aa", None, id="no occurrence at all"),
    ],
)
def test_replacement(pattern: str, substitution: str, subject: bytes, replaced: bytes | None) -> None:
    """RE2's GlobalReplace and rewrite syntax."""
    assert Replacement(pattern, substitution, "it").apply(subject) == replaced


@needs_re2
@given(subject=st.binary(max_size=40))
def test_replacing_by_itself_changes_nothing(subject: bytes) -> None:
    """Every occurrence put back where it was gives the subject, byte for byte."""
    for pattern in ("a*", "[^/]+", "(?s).", "/"):
        assert Replacement(pattern, r"\0", "it").apply(subject) in (subject, None)


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "why"),
    [
        pytest.param("^/", "", b"/evil", "begin", id="no slash at the beginning"),
        pytest.param("^/x(.*)", r"\1", b"/x@evil.example", "begin", id="a client cuts the slash off"),
        pytest.param("^/files(.*)$", r"/shared/\1", b"/files../key", "dot segment", id="two dots become a segment"),
        pytest.param("^/files(.*)$", r"/shared/\1", b"/files./key", "dot segment", id="one dot becomes a segment"),
        pytest.param("^/files(.*)$", r"/shared/\1", b"/files%2e%2E", "dot segment", id="escaped dots"),
        pytest.param("a", "b", b"/" + b"a" * 1001, "1000", id="too many occurrences"),
    ],
)
def test_what_is_no_path_is_refused(pattern: str, substitution: str, path: bytes, why: str) -> None:
    """What the client's path makes of the substitution is sent only when it is a path without dot segments."""
    with pytest.raises(BadRequest, match=why):
        URLRewrite(path=ReplaceRegexMatch(pattern, substitution)).on_request(_head(path))


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "named"),
    [
        pytest.param("(", "/", "pattern of a path .* missing \\)", id="a pattern that is none"),
        pytest.param("(?=a)", "/", "pattern of a path", id="look-ahead"),
        pytest.param(r"(a)\1", "/", "pattern of a path", id="a group in the pattern"),
        pytest.param("a{1001}", "/", "repetition", id="too many repetitions"),
        pytest.param("a" * 8193, "/", "8192", id="too long a pattern"),
        pytest.param("a", "a" * 8193, "8192", id="too long a substitution"),
        pytest.param("(a)", r"\2", "group 2", id="a group that is none"),
        pytest.param("a", r"\x", "backslash", id="a backslash before a letter"),
        pytest.param("a", "\\", "backslash", id="a backslash at the end"),
        pytest.param("a", "/a?b", "substitution", id="a query"),
        pytest.param("a", "a#b", "substitution", id="a fragment"),
        pytest.param("a", "a b", "substitution", id="a blank"),
        pytest.param("a", "\r\n", "substitution", id="a line end"),
        pytest.param("a", "é", "substitution", id="a letter beyond ASCII"),
    ],
)
def test_what_cannot_work_is_refused(pattern: str, substitution: str, named: str) -> None:
    """Pattern and substitution are checked when the value is built."""
    with pytest.raises(ConfigurationError, match=named):
        ReplaceRegexMatch(pattern, substitution)


@pytest.mark.parametrize("build", [ReplaceRegexMatch, HostFromPath])
def test_without_re2_there_are_no_patterns(
    build: Callable[[str, str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra the value is not built: Python's own engine never stands in."""
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ConfigurationError, match=r"needs the extra gateway-filters\[re2\]"):
        build("a", "b")


@needs_re2
@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)+$", "(.*a){20}!"])
def test_a_hostile_path_is_quick(pattern: str) -> None:
    """What holds a backtracking engine up for ever takes linear time: 50 KB in well under a second, or 414."""
    path = b"/" + b"a" * 50_000 + b"!"
    rewrite = ReplaceRegexMatch(pattern, "/")
    begun = time.perf_counter()
    with suppress(PathTooLong):
        rewrite.apply(path)
    assert time.perf_counter() - begun < 1


@needs_re2
def test_it_is_a_value() -> None:
    """Equal when built alike, with a text that shows what it does."""
    assert ReplaceRegexMatch("a", "b") == ReplaceRegexMatch("a", "b") != ReplaceRegexMatch("a", "c")
    assert hash(ReplaceRegexMatch("a", "b")) == hash(ReplaceRegexMatch("a", "b"))
    assert repr(ReplaceRegexMatch("a", "b")) == "ReplaceRegexMatch(pattern='a', substitution='b')"
