"""Host names: what a pattern covers, where two meet, which wins, and what a Host header says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.matching.hostname import covers, host_of, intersection, parents, precedence

QUICK = settings(derandomize=True, max_examples=50)


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        pytest.param(None, "example.com", True, id="none covers every name"),
        pytest.param(None, "", True, id="none covers a request without a name"),
        pytest.param("example.com", "example.com", True, id="a name covers itself"),
        pytest.param("example.com", "www.example.com", False, id="a name covers nothing below it"),
        pytest.param("www.example.com", "example.com", False, id="a name covers nothing above it"),
        pytest.param("example.com", "", False, id="a name covers no request without one"),
        pytest.param("*.example.com", "www.example.com", True, id="a wildcard covers one label"),
        pytest.param("*.example.com", "a.b.example.com", True, id="a wildcard covers several labels"),
        pytest.param("*.example.com", "example.com", False, id="a wildcard does not cover its own suffix"),
        pytest.param("*.example.com", ".example.com", False, id="a wildcard covers no empty label"),
        pytest.param("*.example.com", "badexample.com", False, id="a wildcard compares whole labels"),
        pytest.param("*.example.com", "www.example.com.evil", False, id="a wildcard's suffix ends the name"),
        pytest.param("*.example.com", "", False, id="a wildcard covers no request without a name"),
        pytest.param("*.example.com", "*.example.com", True, id="a wildcard covers itself"),
        pytest.param("*.example.com", "*.a.example.com", True, id="a wildcard covers a narrower one"),
        pytest.param("*.a.example.com", "*.example.com", False, id="a wildcard covers no wider one"),
        pytest.param("a.example.com", "*.example.com", False, id="a name covers no wildcard"),
    ],
)
def test_a_pattern_covers_whole_labels(pattern: str | None, host: str, expected: bool) -> None:
    """A name covers itself, a wildcard one or more labels before its suffix, none everything."""
    assert covers(pattern, host) is expected


@pytest.mark.parametrize(
    ("listener", "route", "effective"),
    [
        pytest.param(None, None, None, id="none and none meet in any"),
        pytest.param(None, "a.example.com", "a.example.com", id="none and a name meet in the name"),
        pytest.param(None, "*.example.com", "*.example.com", id="none and a wildcard meet in the wildcard"),
        pytest.param("a.example.com", None, "a.example.com", id="a name and none meet in the name"),
        pytest.param("*.example.com", None, "*.example.com", id="a wildcard and none meet in the wildcard"),
        pytest.param("a.example.com", "a.example.com", "a.example.com", id="equal names meet in it"),
        pytest.param("a.example.com", "*.example.com", "a.example.com", id="a listener's name is narrower"),
        pytest.param("*.example.com", "a.example.com", "a.example.com", id="a route's name is narrower"),
        pytest.param("*.example.com", "a.b.example.com", "a.b.example.com", id="a deeper name is narrower"),
        pytest.param("*.example.com", "*.example.com", "*.example.com", id="equal wildcards meet in it"),
        pytest.param("*.example.com", "*.a.example.com", "*.a.example.com", id="a route's longer wildcard is narrower"),
        pytest.param("*.a.example.com", "*.example.com", "*.a.example.com", id="a listener's longer one is narrower"),
        pytest.param("very.specific.com", "*.specific.com", "very.specific.com", id="only the listener's name is left"),
    ],
)
def test_host_names_meet_in_the_narrower(listener: str | None, route: str | None, effective: str | None) -> None:
    """The effective host name of a route on a listener is the narrower of the two."""
    assert intersection(listener, route) == effective


@pytest.mark.parametrize(
    ("listener", "route"),
    [
        pytest.param("a.example.com", "b.example.com", id="two names"),
        pytest.param("*.example.com", "example.com", id="a wildcard and its suffix"),
        pytest.param("example.com", "*.example.com", id="a suffix and its wildcard"),
        pytest.param("*.example.com", "*.example.net", id="two wildcards"),
        pytest.param("*.example.com", "badexample.com", id="half a label"),
        pytest.param("*.a.example.com", "b.example.com", id="a wildcard and a name beside it"),
    ],
)
def test_host_names_that_do_not_meet_raise(listener: str, route: str) -> None:
    """Where no request can have both host names there is no effective one."""
    with pytest.raises(ValueError, match="outside"):
        intersection(listener, route)


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param("a.example.com", "*.example.com", id="a name before a wildcard"),
        pytest.param("a.b", "*.very.long.example.com", id="a short name before a long wildcard"),
        pytest.param("*.a.example.com", "*.example.com", id="a longer wildcard before a shorter"),
        pytest.param("a.example.com", None, id="a name before none"),
        pytest.param("*.com", None, id="a wildcard before none"),
    ],
)
def test_the_more_specific_host_name_wins(winner: str | None, loser: str | None) -> None:
    """Exact before wildcard, longer before shorter, any host name before none."""
    assert precedence(winner) < precedence(loser)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        pytest.param(b"example.com", "example.com", id="a name"),
        pytest.param(b"example.com:8080", "example.com", id="the port does not count"),
        pytest.param(b"Example.COM", "example.com", id="case does not count"),
        pytest.param(b"example.com.", "example.com", id="the root's dot does not count"),
        pytest.param(b"example.com.:443", "example.com", id="neither dot nor port count"),
        pytest.param(b"10.0.0.1:80", "10.0.0.1", id="an IPv4 address"),
        pytest.param(b"[::1]", "[::1]", id="an IPv6 address"),
        pytest.param(b"[2001:DB8::1]:80", "[2001:db8::1]", id="an IPv6 address with a port"),
        pytest.param(b"", "", id="no Host has no name"),
        pytest.param(b":80", "", id="a port alone has no name"),
        pytest.param(b"[::1", "", id="half an address is no name"),
    ],
)
def test_a_host_header_says_a_name(authority: bytes, host: str) -> None:
    """The host name is the Host header in lower case without port and root dot."""
    assert host_of(authority) == host


@pytest.mark.parametrize(
    ("host", "wildcards"),
    [
        pytest.param("a.b.example.com", ["*.b.example.com", "*.example.com", "*.com"], id="each leading label counts"),
        pytest.param("com", [], id="a single label has none"),
        pytest.param("", [], id="no name has none"),
        pytest.param(".example.com", ["*.com"], id="an empty label is covered by no wildcard"),
    ],
)
def test_a_name_has_its_wildcards(host: str, wildcards: list[str]) -> None:
    """The wildcards over a host name are those that cover it, longest first."""
    assert parents(host) == wildcards
    assert all(covers(each, host) for each in wildcards)


NAME = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map(".".join)
PATTERN = st.none() | NAME | NAME.map(lambda name: f"*.{name}")


@QUICK
@given(listener=PATTERN, route=PATTERN, host=NAME)
def test_the_intersection_covers_what_both_cover(listener: str | None, route: str | None, host: str) -> None:
    """A host is covered by the effective host name exactly when listener and route both cover it."""
    both = covers(listener, host) and covers(route, host)
    try:
        effective = intersection(listener, route)
    except ValueError:
        assert not both
        return
    assert covers(effective, host) is both
    assert intersection(route, listener) == effective


@QUICK
@given(one=PATTERN, other=PATTERN, host=NAME)
def test_no_wider_pattern_wins(one: str | None, other: str | None, host: str) -> None:
    """Of two patterns that cover a host, one that covers the other as well never wins against it."""
    if one != other and other is not None and covers(one, other) and covers(other, host):
        assert precedence(other) < precedence(one)
