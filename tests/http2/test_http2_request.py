"""http2/request: what is a request, and what only looks like one."""

import pytest

from gateway_filters.http2.faults import ErrorCode, StreamFault
from gateway_filters.http2.request import asked, check_trailers

Field = tuple[bytes, bytes]
METHOD, SCHEME, AUTHORITY, PATH = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"test"),
    (b":path", b"/a?b"),
)
HEAD = (METHOD, SCHEME, AUTHORITY, PATH)


def path(value: bytes) -> tuple[Field, ...]:
    """A head with another path."""
    return (METHOD, SCHEME, AUTHORITY, (b":path", value))


MALFORMED = [
    pytest.param((SCHEME, AUTHORITY, PATH), id="no method"),
    pytest.param(((b":method", b""), SCHEME, AUTHORITY, PATH), id="an empty method"),
    pytest.param(((b":method", b"G T"), SCHEME, AUTHORITY, PATH), id="a blank in the method"),
    pytest.param((METHOD, AUTHORITY, PATH), id="no scheme"),
    pytest.param((METHOD, (b":scheme", b"ftp"), AUTHORITY, PATH), id="another scheme"),
    pytest.param((METHOD, SCHEME, AUTHORITY), id="no path"),
    pytest.param(path(b""), id="an empty path"),
    pytest.param(path(b"a"), id="a path without a slash"),
    pytest.param(path(b"*"), id="an asterisk for another method than OPTIONS"),
    pytest.param(path(b"http://other/"), id="a whole URL"),
    pytest.param(path(b"/a b"), id="a blank in the path"),
    pytest.param(path(b"/a?b HTTP/1.1\r\nx: y"), id="a line break in the query"),
    pytest.param(path(b"/a#b"), id="a fragment"),
    pytest.param(path(b"/\xc3\xa4"), id="a path that is not ASCII"),
    pytest.param(path(b"/\x7f"), id="a control character in the path"),
    pytest.param((*HEAD, METHOD), id="a method twice"),
    pytest.param((*HEAD, (b":status", b"200")), id="a pseudo-header of answers"),
    pytest.param((METHOD, SCHEME, AUTHORITY, (b"a", b"b"), PATH), id="a pseudo-header after a field"),
    pytest.param((METHOD, SCHEME, PATH), id="no host"),
    pytest.param((METHOD, SCHEME, (b":authority", b""), PATH), id="an empty host"),
    pytest.param((*HEAD, (b"host", b"other")), id="a Host that disagrees with the authority"),
    pytest.param((METHOD, SCHEME, PATH, (b"host", b"a"), (b"host", b"b")), id="two hosts"),
    pytest.param((METHOD, SCHEME, PATH, (b"host", b"a"), (b"host", b"a")), id="the same host twice"),
    pytest.param((*HEAD, (b"host", b"test"), (b"host", b"test")), id="three hosts"),
    pytest.param((*HEAD, (b"connection", b"close")), id="Connection"),
    pytest.param((*HEAD, (b"keep-alive", b"1")), id="Keep-Alive"),
    pytest.param((*HEAD, (b"proxy-connection", b"close")), id="Proxy-Connection"),
    pytest.param((*HEAD, (b"transfer-encoding", b"chunked")), id="Transfer-Encoding"),
    pytest.param((*HEAD, (b"upgrade", b"websocket")), id="Upgrade"),
    pytest.param((*HEAD, (b"te", b"gzip")), id="TE for anything but trailers"),
    pytest.param((*HEAD, (b"te", b"trailers, gzip")), id="TE for more than trailers"),
    pytest.param((*HEAD, (b"content-length", b"1"), (b"content-length", b"1")), id="two lengths"),
    pytest.param((*HEAD, (b"content-length", b"+1")), id="a length with a sign"),
    pytest.param((*HEAD, (b"content-length", b"")), id="an empty length"),
    pytest.param((*HEAD, (b"content-length", b"1, 1")), id="a length that is a list"),
    pytest.param((*HEAD, (b"content-length", b"9" * 19)), id="a length beyond all lengths"),
]


@pytest.mark.parametrize("fields", MALFORMED)
def test_a_malformed_head(fields: tuple[Field, ...]) -> None:
    """It ends its stream with PROTOCOL_ERROR (RFC 9113 8.1.1)."""
    with pytest.raises(StreamFault) as caught:
        asked(list(fields))
    assert caught.value.code == ErrorCode.PROTOCOL_ERROR


def test_a_request() -> None:
    """Host first, then the fields in their order."""
    request = asked([*HEAD, (b"accept", b"*/*"), (b"content-length", b"3"), (b"te", b"Trailers")])
    assert (request.method, request.path, request.raw_path, request.query) == ("GET", "/a", b"/a", b"b")
    assert request.headers == [
        (b"host", b"test"),
        (b"accept", b"*/*"),
        (b"content-length", b"3"),
        (b"te", b"Trailers"),
    ]
    assert (request.length, request.expects) == (3, False)


HOSTS = [
    pytest.param(HEAD, b"test", id="the authority"),
    pytest.param((METHOD, SCHEME, PATH, (b"host", b"other")), b"other", id="the Host where there is no authority"),
    pytest.param((*HEAD, (b"host", b"TEST")), b"test", id="the authority, beside a Host that says the same"),
]


@pytest.mark.parametrize(("fields", "host"), HOSTS)
def test_the_one_host(fields: tuple[Field, ...], host: bytes) -> None:
    """There is exactly one, and it stands first."""
    request = asked(list(fields))
    assert [pair for pair in request.headers if pair[0] == b"host"] == [(b"host", host)]
    assert request.headers[0] == (b"host", host)


def test_the_pieces_of_a_cookie_are_joined() -> None:
    """As one field again (8.2.3)."""
    request = asked([*HEAD, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3")])
    assert request.headers[1:] == [(b"x", b"y"), (b"cookie", b"a=1; b=2; c=3")]


def test_the_asterisk_of_options() -> None:
    """The whole server, for whoever behind this wants to answer for it."""
    assert asked([(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")]).raw_path == b"*"


REFUSED = [
    pytest.param([(b":method", b"CONNECT"), AUTHORITY], 405, id="a tunnel, which has no path"),
    pytest.param([(b":method", b"TRACE"), *HEAD[1:]], 405, id="a method that echoes"),
    pytest.param([(b":method", b"trace"), *HEAD[1:]], 405, id="a method that echoes, in small letters"),
    pytest.param([(b":method", b"get"), *HEAD[1:]], 405, id="a method in small letters, as over HTTP/1.1"),
    pytest.param([*HEAD, (b"expect", b"something")], 417, id="an expectation"),
    pytest.param([*HEAD, (b"expect", b"100-Continue")], None, id="an expectation that is met"),
    pytest.param([*HEAD], None, id="nothing of that"),
]


@pytest.mark.parametrize(("fields", "status"), REFUSED)
def test_requests_that_are_not_served(fields: list[Field], status: int | None) -> None:
    """They are requests, and answered."""
    request = asked(fields)
    assert (request.refused, request.expects) == (status, request.headers[-1][0] == b"expect" and status is None)


@pytest.mark.parametrize("name", [b":path", b"connection", b"transfer-encoding"])
def test_what_is_no_trailer(name: bytes) -> None:
    """Pseudo-headers and fields of a connection."""
    check_trailers([(b"x-sum", b"1")])
    with pytest.raises(StreamFault):
        check_trailers([(b"x-sum", b"1"), (name, b"x")])
