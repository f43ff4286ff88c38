"""Conditions on headers and query parameters."""

import pytest

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching import CookieMatch, HeaderMatch, QueryParamMatch
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers


@pytest.mark.parametrize(
    ("condition", "headers", "reason"),
    [
        pytest.param(HeaderMatch("version", "one"), ((b"version", b"one"),), None, id="the value is the same"),
        pytest.param(HeaderMatch("VerSion", "one"), ((b"version", b"one"),), None, id="the name counts no case"),
        pytest.param(
            HeaderMatch("version", "one"), ((b"version", b"One"),), "header version is not one", id="values count case"
        ),
        pytest.param(
            HeaderMatch("version", "one"), ((b"version", b"one1"),), "header version is not one", id="no longer value"
        ),
        pytest.param(
            HeaderMatch("Version", "one"), ((b"other", b"one"),), "header Version is absent", id="another name is none"
        ),
        pytest.param(HeaderMatch("version", "one"), (), "header version is absent", id="no header is none"),
        pytest.param(HeaderMatch("a", "1,2"), ((b"a", b"1"), (b"b", b"x"), (b"a", b"2")), None, id="lines are joined"),
        pytest.param(HeaderMatch("a", "1"), ((b"a", b"1"), (b"a", b"2")), "header a is not 1", id="all lines count"),
        pytest.param(HeaderMatch("a", ""), ((b"a", b""),), None, id="an empty value is a value"),
        pytest.param(HeaderMatch("a", ""), (), "header a is absent", id="an absent header is not empty"),
        pytest.param(HeaderMatch("Host", "h:80"), (), None, id="the Host is a header too"),
        pytest.param(HeaderMatch("host", "h"), (), "header host is not h", id="the Host has its port"),
    ],
)
def test_a_header_matches_or_says_why_not(condition: HeaderMatch, headers: Headers, reason: str | None) -> None:
    """The name compares without regard to case, the value exactly; several lines count as joined by commas."""
    head = RequestHead(b"GET", b"/", authority=b"h:80", headers=headers)
    assert condition.mismatch(head) == reason


@pytest.mark.parametrize(
    ("name", "value", "query", "reason"),
    [
        pytest.param("animal", "whale", b"animal=whale", None, id="the value is the same"),
        pytest.param("animal", "whale", b"x=y&animal=whale&z", None, id="other parameters do not count"),
        pytest.param("animal", "whale", b"animal=Whale", "parameter animal is not whale", id="values count case"),
        pytest.param("animal", "whale", b"Animal=whale", "parameter animal is absent", id="names count case"),
        pytest.param("animal", "whale", b"animal=whales", "parameter animal is not whale", id="no longer value"),
        pytest.param("animal", "whale", b"animals=whale", "parameter animal is absent", id="no longer name"),
        pytest.param("animal", "whale", b"", "parameter animal is absent", id="no query has no parameter"),
        pytest.param("a", "1", b"a=1&a=2", None, id="the first of several counts"),
        pytest.param("a", "2", b"a=1&a=2", "parameter a is not 2", id="the others of several do not"),
        pytest.param("a b", "c&d", b"a%20b=c%26d", None, id="escapes are decoded"),
        pytest.param("a b", "c d", b"a+b=c+d", None, id="a plus is a blank"),
        pytest.param("a", "c+d", b"a=c%2Bd", None, id="an encoded plus is a plus"),
        pytest.param("你", "é", b"%E4%BD%A0=%C3%A9", None, id="text compares as UTF-8"),
        pytest.param("a", "b=c", b"a=b=c", None, id="the first equals sign parts name and value"),
        pytest.param("a", "", b"a", None, id="a name alone has the empty value"),
        pytest.param("a", "", b"a=", None, id="an empty value is a value"),
        pytest.param("a", "x", b"a", "parameter a is not x", id="a name alone has no other value"),
    ],
)
def test_a_parameter_matches_or_says_why_not(name: str, value: str, query: bytes, reason: str | None) -> None:
    """The first parameter of the name decides; name and value compare exactly once decoded."""
    assert QueryParamMatch(name, value).mismatch(RequestHead(b"GET", b"/", query=query)) == reason


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("a b", "x"), ("a", " x"), ("a", "x\n"), ("a", "é")])
def test_a_header_that_nobody_can_send_is_refused(name: str, value: str) -> None:
    """A header condition that no request can meet is refused when it is built."""
    with pytest.raises(ConfigurationError, match="header"):
        HeaderMatch(name, value)


def test_field_conditions_are_values() -> None:
    """Conditions are equal by what they ask for."""
    assert HeaderMatch("a", "1") == HeaderMatch("a", "1") != HeaderMatch("a", "2")
    assert QueryParamMatch("a", "1") == QueryParamMatch("a", "1") != QueryParamMatch("b", "1")
    assert HeaderMatch("a", "1") not in (QueryParamMatch("a", "1"), CookieMatch("a", "1"))
    assert hash(HeaderMatch("a", "1")) == hash(HeaderMatch("a", "1"))
    assert repr(QueryParamMatch("a", "1")) == "QueryParamMatch(name='a', value='1')"
