"""URLRewrite: another path, another Host, never another query."""

import pytest

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import ReplaceFullPath, ReplacePrefixMatch, URLRewrite
from gateway_filters.message.head import RequestHead


def _head(path: bytes = b"/foo/bar") -> RequestHead:
    return RequestHead(
        b"GET", path, authority=b"client.example:8080", query=b"a=/foo&b=%2F", headers=((b"accept", b"*/*"),)
    )


@pytest.mark.parametrize(
    ("path", "prefix", "replacement", "forwarded"),
    [
        pytest.param(b"/foo/bar", "/foo", "/xyz", b"/xyz/bar", id="what is below the prefix stays"),
        pytest.param(b"/foo/bar", "/foo", "/xyz/", b"/xyz/bar", id="the replacement's slash does not double"),
        pytest.param(b"/foo/bar", "/foo/", "/xyz", b"/xyz/bar", id="the prefix's slash does not vanish"),
        pytest.param(b"/foo/bar", "/foo/", "/xyz/", b"/xyz/bar", id="slashes of both make one"),
        pytest.param(b"/foo", "/foo", "/xyz", b"/xyz", id="the prefix alone becomes the replacement"),
        pytest.param(b"/foo/", "/foo", "/xyz", b"/xyz/", id="the request's last slash stays"),
        pytest.param(b"/foo/bar", "/foo", "", b"/bar", id="an empty replacement cuts the prefix off"),
        pytest.param(b"/foo/", "/foo", "", b"/", id="an empty replacement leaves the request's last slash"),
        pytest.param(b"/foo", "/foo", "", b"/", id="an empty replacement leaves no empty path"),
        pytest.param(b"/foo/", "/foo", "/", b"/", id="a replacement of a slash does not double the last one"),
        pytest.param(b"/foo", "/foo", "/", b"/", id="a replacement of a slash leaves a slash"),
        pytest.param(b"/", "/", "/xyz", b"/xyz/", id="the prefix slash is put before the root"),
        pytest.param(b"/a", "/", "/xyz", b"/xyz/a", id="the prefix slash is put before a path"),
        pytest.param(b"/foo/a%2Fb", "/foo", "/c/%41", b"/c/%41/a%2Fb", id="escapes stay on both sides"),
        pytest.param(b"/foobar", "/foo", "/xyz", b"/foobar", id="a path that is not under the prefix stays"),
    ],
)
def test_the_matched_prefix_is_replaced(path: bytes, prefix: str, replacement: str, forwarded: bytes) -> None:
    """ReplacePrefixMatch yields every row of Gateway API's table; query, Host and headers stay."""
    rewrite = URLRewrite(path=ReplacePrefixMatch(prefix, replacement))
    assert rewrite.on_request(_head(path)) == _head(forwarded)


@pytest.mark.parametrize(
    ("value", "forwarded"),
    [
        pytest.param("/x/y", b"/x/y", id="the value is the path"),
        pytest.param("/x/", b"/x/", id="a trailing slash is part of the value"),
        pytest.param("/", b"/", id="a slash is the root"),
        pytest.param("", b"/", id="an empty value is the root"),
        pytest.param("/a%2Fb/%E4%BD%A0", b"/a%2Fb/%E4%BD%A0", id="escapes of the value stay"),
        pytest.param("/\\1/$0", b"/\\1/$0", id="nothing in the value is special"),
    ],
)
@pytest.mark.parametrize("path", [b"/", b"/foo/bar", b"/a%2Fb"])
def test_the_full_path_is_replaced(path: bytes, value: str, forwarded: bytes) -> None:
    """ReplaceFullPath sends its literal value whatever the path was; the query stays."""
    assert URLRewrite(path=ReplaceFullPath(value)).on_request(_head(path)) == _head(forwarded)


@pytest.mark.parametrize(
    ("hostname", "sent"),
    [
        pytest.param("api.example.com", b"api.example.com", id="a name replaces Host and port"),
        pytest.param("api.example.com:8443", b"api.example.com:8443", id="a port may be given"),
        pytest.param("[::1]:80", b"[::1]:80", id="an IPv6 address may be given"),
    ],
)
def test_the_host_is_replaced(hostname: str, sent: bytes) -> None:
    """A hostname becomes the Host; path, query and headers stay."""
    assert URLRewrite(hostname=hostname).on_request(_head()) == _head().with_authority(sent)


def test_host_and_path_change_together() -> None:
    """Both given, both change."""
    rewrite = URLRewrite(hostname="up", path=ReplacePrefixMatch("/foo", "/v1"))
    assert rewrite.on_request(_head()) == _head(b"/v1/bar").with_authority(b"up")


def test_nothing_given_changes_nothing() -> None:
    """A URLRewrite without a hostname and a path passes the request as it is."""
    assert URLRewrite().on_request(_head()) == _head()


@pytest.mark.parametrize(
    "path",
    ["foo", "/a?b", "/a#b", "/a b", "/a\r\nx: y", "/a\0", "/é", "http://h/a"],
    ids=["no slash", "a query", "a fragment", "a blank", "a line end", "a NUL", "a letter beyond ASCII", "a URL"],
)
def test_a_path_that_no_request_has_is_refused(path: str) -> None:
    """Prefix, replacement and full path are checked when the filter is built."""
    for build in (
        lambda: ReplacePrefixMatch(path, "/"),
        lambda: ReplacePrefixMatch("/", path),
        lambda: ReplaceFullPath(path),
    ):
        with pytest.raises(ConfigurationError):
            build()


def test_an_empty_prefix_is_refused() -> None:
    """A prefix begins with a slash, so it is never empty."""
    with pytest.raises(ConfigurationError):
        ReplacePrefixMatch("", "/x")


@pytest.mark.parametrize(
    "hostname",
    ["", "a b", "a/b", "https://a", "u@a", "a\r\nx: y", "é.example"],
    ids=["nothing", "a blank", "a path", "a scheme", "a user", "a line end", "a letter beyond ASCII"],
)
def test_a_hostname_that_no_header_has_is_refused(hostname: str) -> None:
    """The hostname is checked when the filter is built."""
    with pytest.raises(ConfigurationError):
        URLRewrite(hostname=hostname)
