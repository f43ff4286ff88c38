"""RequestRedirect: where it leads, part by part, and that no client can lead it elsewhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.errors import BadRequest, ConfigurationError
from gateway_filters.filters import ReplaceFullPath, ReplacePrefixMatch, RequestRedirect
from gateway_filters.filters.url_rewrite import PathModifier
from gateway_filters.message.head import Reply, RequestHead


def _head(path: bytes = b"/p", *, scheme: bytes = b"http", authority: bytes = b"h", query: bytes = b"") -> RequestHead:
    return RequestHead(b"GET", path, scheme=scheme, authority=authority, query=query)


def _location(redirect: RequestRedirect, head: RequestHead) -> bytes:
    reply = redirect.on_request(head)
    ((name, location),) = reply.head.headers
    assert name == b"location"
    return location


@pytest.mark.parametrize(
    ("listener", "scheme", "port", "origin"),
    [
        pytest.param(("http", 80), None, None, b"http://h", id="http on 80 stays as it is"),
        pytest.param(("http", 80), None, 80, b"http://h", id="http on 80 to port 80 leaves it out"),
        pytest.param(("http", 80), None, 8080, b"http://h:8080", id="http on 80 to port 8080 writes it"),
        pytest.param(("http", 80), "https", None, b"https://h", id="http on 80 to https takes its port"),
        pytest.param(("http", 80), "https", 443, b"https://h", id="http on 80 to https on 443 leaves it out"),
        pytest.param(("http", 80), "https", 8443, b"https://h:8443", id="http on 80 to https on 8443 writes it"),
        pytest.param(("http", 8080), None, None, b"http://h:8080", id="http on 8080 keeps the listener's port"),
        pytest.param(("http", 8080), None, 80, b"http://h", id="http on 8080 to port 80 leaves it out"),
        pytest.param(("http", 8080), "https", None, b"https://h", id="http on 8080 to https takes its port"),
        pytest.param(("https", 443), None, None, b"https://h", id="https on 443 stays as it is"),
        pytest.param(("https", 443), None, 443, b"https://h", id="https on 443 to port 443 leaves it out"),
        pytest.param(("https", 443), None, 8443, b"https://h:8443", id="https on 443 to port 8443 writes it"),
        pytest.param(("https", 443), "http", None, b"http://h", id="https on 443 to http takes its port"),
        pytest.param(("https", 443), "http", 80, b"http://h", id="https on 443 to http on 80 leaves it out"),
        pytest.param(("https", 443), "http", 8080, b"http://h:8080", id="https on 443 to http on 8080 writes it"),
        pytest.param(("http", 80), None, 443, b"http://h:443", id="443 is written for http"),
        pytest.param(("https", 443), None, 80, b"https://h:80", id="80 is written for https"),
    ],
)
@pytest.mark.parametrize("claimed", [b"h", b"h:9999"], ids=["Host without a port", "Host with another port"])
def test_scheme_and_port(
    listener: tuple[str, int], scheme: str | None, port: int | None, origin: bytes, claimed: bytes
) -> None:
    """Gateway API's table, whatever port the client claims."""
    redirect = RequestRedirect(scheme=scheme, port=port, listener_port=listener[1])
    assert _location(redirect, _head(scheme=listener[0].encode(), authority=claimed)) == origin + b"/p"


@pytest.mark.parametrize(
    ("redirect", "head", "location"),
    [
        pytest.param(
            RequestRedirect(hostname="o"), _head(authority=b"h:81"), b"http://o:81/p", id="Host's port stands in"
        ),
        pytest.param(RequestRedirect(hostname="o"), _head(), b"http://o/p", id="no port at all is the scheme's own"),
        pytest.param(RequestRedirect(), _head(authority=b"h:0080"), b"http://h/p", id="a port is read as a number"),
        pytest.param(
            RequestRedirect(hostname="o", listener_port=80), _head(authority=b"?"), b"http://o/p", id="Host not needed"
        ),
        pytest.param(
            RequestRedirect(port=81), _head(authority=b"[::1]:9"), b"http://[::1]:81/p", id="an IPv6 Host with a port"
        ),
        pytest.param(RequestRedirect(), _head(authority=b"[::1]"), b"http://[::1]/p", id="an IPv6 Host without one"),
        pytest.param(RequestRedirect(hostname="[::1]"), _head(), b"http://[::1]/p", id="an IPv6 hostname"),
    ],
)
def test_without_a_listener_port_host_decides(redirect: RequestRedirect, head: RequestHead, location: bytes) -> None:
    """Standing alone the filter knows no listener: the port of Host stands for its port."""
    assert _location(redirect, head) == location


@pytest.mark.parametrize(
    ("path", "request_path", "location"),
    [
        pytest.param(None, b"/a%2Fb/", b"/a%2Fb/", id="without a modifier the raw path stays"),
        pytest.param(ReplaceFullPath("/x"), b"/a/b", b"/x", id="ReplaceFullPath is the path"),
        pytest.param(ReplacePrefixMatch("/foo", "/xyz"), b"/foo/bar", b"/xyz/bar", id="ReplacePrefixMatch"),
        pytest.param(ReplacePrefixMatch("/foo", ""), b"/foo", b"/", id="an empty prefix leaves a slash"),
        pytest.param(None, b"//evil.example/", b"//evil.example/", id="two slashes stay behind the host"),
        pytest.param(None, b"/a b\r\n#\xe9", b"/a%20b%0D%0A%23%E9", id="what no URL holds is escaped"),
    ],
)
def test_the_path(path: PathModifier | None, request_path: bytes, location: bytes) -> None:
    """The path is the request's or what the modifier makes of it; the query is kept in all cases."""
    redirect = RequestRedirect(path=path)
    assert _location(redirect, _head(request_path)) == b"http://h" + location
    assert _location(redirect, _head(request_path, query=b"a=%2F&b")) == b"http://h" + location + b"?a=%2F&b"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_status(status: int) -> None:
    """Every redirect has its status, a Location and no body."""
    redirect = RequestRedirect(status=status, hostname="o")
    assert redirect.on_request(_head()) == Reply(status, ((b"location", b"http://o/p"),))


def test_a_redirect_is_a_value() -> None:
    """302 unless told otherwise; equal when built alike, and its text shows nothing derived."""
    assert RequestRedirect(hostname="o").on_request(_head()).head.status == 302
    assert RequestRedirect(hostname="o") == RequestRedirect(hostname="o") != RequestRedirect(hostname="p")
    assert hash(RequestRedirect(port=1)) == hash(RequestRedirect(port=1))
    assert " _" not in repr(RequestRedirect(port=1))


@pytest.mark.parametrize(
    "authority",
    [
        b"",
        b"h h",
        b"h/x",
        b"u@h",
        b"h\r\nx: y",
        b"h\\e",
        b"h:",
        b"h:0",
        b"h:65536",
        b"h:x",
        b"h:1:2",
        b"h\xe9",
        b"[::1",
    ],
    ids=repr,
)
def test_a_host_that_is_none_is_refused(authority: bytes) -> None:
    """The client's Host goes into Location only when it is a host name with or without a port."""
    with pytest.raises(BadRequest, match="Host") as refused:
        RequestRedirect().on_request(_head(authority=authority))
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("path", [b"*", b"@evil.example", b".evil.example", b""], ids=repr)
def test_a_path_that_would_change_the_host_is_refused(path: bytes) -> None:
    """What follows the host begins with a slash."""
    with pytest.raises(BadRequest, match="does not begin"):
        RequestRedirect().on_request(_head(path))


@given(authority=st.binary(max_size=12), path=st.binary(max_size=12), query=st.binary(max_size=12))
def test_nothing_of_the_client_injects(authority: bytes, path: bytes, query: bytes) -> None:
    """Location is one URL of visible ASCII whose host is the one asked for, or the request is refused."""
    head = _head(b"/" + path, authority=authority, query=query)
    try:
        location = _location(RequestRedirect(), head)
    except BadRequest:
        return
    assert re.fullmatch(rb"http://[^/?#@\\]+/[!-~]*", location)
    assert b"#" not in location


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"status": 304}, "304", id="a status that redirects nowhere"),
        pytest.param({"status": 200}, "200", id="a status that is no redirect"),
        pytest.param({"scheme": "ftp"}, "ftp", id="another scheme"),
        pytest.param({"scheme": ""}, "scheme", id="an empty scheme"),
        pytest.param({"port": 0}, "port 0", id="port 0"),
        pytest.param({"port": 65536}, "65536", id="a port beyond the last"),
        pytest.param({"listener_port": 0}, "listener port 0", id="listener port 0"),
        pytest.param({"hostname": "h:80"}, "port", id="a hostname with a port"),
        pytest.param({"hostname": "h/x"}, "hostname", id="a hostname with a path"),
        pytest.param({"hostname": ""}, "hostname", id="an empty hostname"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, str | int], named: str) -> None:
    """Arguments are checked when the filter is built."""
    with pytest.raises(ConfigurationError, match=named):
        RequestRedirect(**fields)  # pyright: ignore[reportArgumentType]
