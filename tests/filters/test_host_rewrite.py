"""HostFromHeader and HostFromPath: a Host out of the request, or no request."""

from importlib.util import find_spec

import pytest

from gateway_filters.errors import BadRequest, ConfigurationError
from gateway_filters.filters import HostFromHeader, HostFromPath, ReplaceFullPath, URLRewrite
from gateway_filters.message.head import RequestHead

needs_re2 = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")

NO_AUTHORITY = [b"", b"a b", b"a/b", b"u@a", b"a\r\nx: y", b"a:", b"a:0", b"a:65536", b"a,b", b"\xe9"]


def _head(path: bytes = b"/p", *values: bytes) -> RequestHead:
    return RequestHead(
        b"GET", path, authority=b"client:81", query=b"q=/tenant/x/", headers=tuple((b"x-host", each) for each in values)
    )


@pytest.mark.parametrize(
    ("value", "host"),
    [
        pytest.param(b"up.example", b"up.example", id="a name"),
        pytest.param(b"up.example:8443", b"up.example:8443", id="a name and a port"),
        pytest.param(b"[::1]:80", b"[::1]:80", id="an IPv6 address and a port"),
        pytest.param(b"10.0.0.1", b"10.0.0.1", id="an IPv4 address"),
    ],
)
def test_the_header_becomes_the_host(value: bytes, host: bytes) -> None:
    """The header's value is the Host; all else of the request stays."""
    head = _head(b"/p", value)
    assert URLRewrite(hostname=HostFromHeader("X-Host")).on_request(head) == head.with_authority(host)


def test_without_the_header_the_host_stays() -> None:
    """An absent header changes nothing (Envoy Gateway)."""
    assert URLRewrite(hostname=HostFromHeader("X-Host")).on_request(_head()) == _head()


@pytest.mark.parametrize("value", NO_AUTHORITY, ids=repr)
def test_a_header_that_is_no_host_is_refused(value: bytes) -> None:
    """What is no authority never goes out as a Host."""
    with pytest.raises(BadRequest, match="header X-Host"):
        URLRewrite(hostname=HostFromHeader("X-Host")).on_request(_head(b"/p", value))


def test_two_headers_are_refused() -> None:
    """Of two values neither is taken."""
    with pytest.raises(BadRequest, match="header X-Host stands there 2 times"):
        URLRewrite(hostname=HostFromHeader("X-Host")).on_request(_head(b"/p", b"a", b"b"))


def test_a_header_name_that_is_none_is_refused() -> None:
    """The name is checked when the value is built."""
    with pytest.raises(ConfigurationError, match="header name"):
        HostFromHeader("x host")


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "host"),
    [
        pytest.param(
            "^/tenant/([a-z0-9-]+)/.*",
            r"\1.example.internal",
            b"/tenant/t1/api/v1",
            b"t1.example.internal",
            id="a group",
        ),
        pytest.param("^/([a-z]+)/(\\d+)/.*$", r"\1:\2", b"/up/81/x", b"up:81", id="a name and a port"),
        pytest.param(".*", "fixed.example", b"/any", b"fixed.example", id="no group at all"),
        pytest.param("/", "", b"/up/", b"up", id="what is not matched stays, as in Envoy"),
    ],
)
def test_the_path_gives_the_host(pattern: str, substitution: str, path: bytes, host: bytes) -> None:
    """The path after replacement is the Host; path and query stay, and the path seen is the client's."""
    rewrite = URLRewrite(hostname=HostFromPath(pattern, substitution))
    assert rewrite.on_request(_head(path)) == _head(path).with_authority(host)
    both = URLRewrite(hostname=HostFromPath(pattern, substitution), path=ReplaceFullPath("/x"))
    assert both.on_request(_head(path)) == _head(b"/x").with_authority(host)


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "path"),
    [
        pytest.param("^/tenant/([a-z]+)/.*", r"\1.internal", b"/evil.example", id="the pattern does not occur"),
        pytest.param("^/tenant/([a-z]+)", r"\1.internal", b"/tenant/a/b", id="something of the path is left over"),
        pytest.param("^/tenant/([^/]*)/.*", r"\1.internal", b"/tenant/u@a/", id="a user slips through a wide pattern"),
        pytest.param("^/tenant/([^/]*)/.*", r"\1", b"/tenant//", id="nothing comes out"),
        pytest.param("^/tenant/([^/]*)/.*", r"\1", b"/tenant/a%2Fb/", id="an escape comes out"),
    ],
)
def test_a_path_that_gives_no_host_is_refused(pattern: str, substitution: str, path: bytes) -> None:
    """Envoy would make the whole path the Host; here the client gets 400."""
    with pytest.raises(BadRequest, match="path"):
        URLRewrite(hostname=HostFromPath(pattern, substitution)).on_request(_head(path))


@needs_re2
@pytest.mark.parametrize(
    ("pattern", "substitution", "named"),
    [
        pytest.param("(", "a", "pattern of a hostname", id="a pattern that is none"),
        pytest.param("a", r"\1", "group 1", id="a group that is none"),
        pytest.param("a", "a\r\nb", "substitution", id="a line end"),
        pytest.param("a", "é", "substitution", id="a letter beyond ASCII"),
    ],
)
def test_what_cannot_work_is_refused(pattern: str, substitution: str, named: str) -> None:
    """Pattern and substitution are checked when the value is built."""
    with pytest.raises(ConfigurationError, match=named):
        HostFromPath(pattern, substitution)


@needs_re2
def test_hosts_are_values() -> None:
    """Equal when built alike, with a text that shows what they do."""
    assert HostFromPath("a", "b") == HostFromPath("a", "b") != HostFromPath("a", "c")
    assert hash(HostFromHeader("a")) == hash(HostFromHeader("a"))
    assert (
        repr(URLRewrite(hostname=HostFromHeader("a"))) == "URLRewrite(hostname=HostFromHeader(header='a'), path=None)"
    )
    assert repr(HostFromPath("a", "b")) == "HostFromPath(pattern='a', substitution='b')"
