"""CookieMatch: the first cookie of a name (Envoy Gateway, HTTPRouteFilter.matches)."""

from importlib.util import find_spec

import pytest

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching import CookieMatch, HeaderMatch, Match, QueryParamMatch, Regex
from gateway_filters.message.head import RequestHead

needs_re2 = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")

IS_ABSENT = "cookie user is absent"
IS_ANOTHER = "cookie user is not a1"


def _head(*lines: bytes) -> RequestHead:
    return RequestHead(b"GET", b"/", headers=tuple((b"cookie", line) for line in lines))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param((b"user=a1",), None, id="the only cookie"),
        pytest.param((b"a=b; user=a1; c=d",), None, id="a cookie among others"),
        pytest.param((b"a=b;user=a1",), None, id="a missing blank is forgiven"),
        pytest.param((b"a=b", b"user=a1"), None, id="a second line, as HTTP/2 may send it"),
        pytest.param((b"user=a1; user=b",), None, id="the first of that name"),
        pytest.param((b"user=b; user=a1",), IS_ANOTHER, id="a later one does not count"),
        pytest.param((b"user=b", b"user=a1"), IS_ANOTHER, id="one of a later line does not count"),
        pytest.param((b'user="a1"',), None, id="quotes do not count"),
        pytest.param((b'user="a1',), IS_ANOTHER, id="one quote counts"),
        pytest.param((b'user="',), IS_ANOTHER, id="a quote alone counts"),
        pytest.param((b"user=",), IS_ANOTHER, id="an empty value"),
        pytest.param((b"user=a1=",), IS_ANOTHER, id="an equals sign is part of the value"),
        pytest.param((b"user=A1",), IS_ANOTHER, id="case of the value counts"),
        pytest.param((b"User=a1",), IS_ABSENT, id="case of the name counts"),
        pytest.param((b"xuser=a1",), IS_ABSENT, id="a name that ends alike"),
        pytest.param((b"user",), IS_ABSENT, id="a name without a value is no cookie"),
        pytest.param((b"",), IS_ABSENT, id="an empty line"),
        pytest.param((), IS_ABSENT, id="no cookies at all"),
    ],
)
def test_cookies(lines: tuple[bytes, ...], reason: str | None) -> None:
    """Cookies are read as RFC 6265 4.2.1 writes them, and the first of the name is compared."""
    assert CookieMatch("user", "a1").mismatch(_head(*lines)) == reason


@needs_re2
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param((b"user=a1",), None, id="the whole value"),
        pytest.param((b'user="a22"',), None, id="the whole value in quotes"),
        pytest.param((b"user=a1x",), "cookie user does not match a[0-9]+", id="more than it"),
        pytest.param((b"user=b; user=a1",), "cookie user does not match a[0-9]+", id="a later one does not count"),
        pytest.param((b"a=b",), IS_ABSENT, id="another cookie"),
    ],
)
def test_cookies_by_pattern(lines: tuple[bytes, ...], reason: str | None) -> None:
    """The expression must take all of the first cookie's value."""
    assert CookieMatch("user", Regex("a[0-9]+")).mismatch(_head(*lines)) == reason


def test_all_cookies_of_a_match_count() -> None:
    """Cookies are ANDed with all the rest, also two conditions on one name."""
    match = Match(headers=(HeaderMatch("a", "1"),), cookies=(CookieMatch("user", "a1"), CookieMatch("user", "b")))
    assert len(match.cookies) == 2
    head = _head(b"user=a1")
    assert match.mismatch(head) == "header a is absent"
    assert match.mismatch(head.with_header(b"a", b"1")) == "cookie user is not b"
    assert Match(cookies=(CookieMatch("user", "a1"),)).mismatch(head) is None


def test_cookies_come_last_in_the_order() -> None:
    """More cookies win, but only where headers and query parameters leave it open."""
    two = Match(cookies=(CookieMatch("a", "1"), CookieMatch("b", "1")))
    one = Match(cookies=(CookieMatch("a", "1"),))
    query = Match(query_params=(QueryParamMatch("q", "1"),))
    assert query.precedence < two.precedence < one.precedence < Match().precedence


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é"])
def test_a_name_that_no_cookie_has_is_refused(name: str) -> None:
    """A cookie's name is a token (RFC 6265 4.1.1)."""
    with pytest.raises(ConfigurationError, match="cookie name"):
        CookieMatch(name, "a")
