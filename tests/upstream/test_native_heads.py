"""upstream/request_head and response_head: bytes of heads, without a connection."""

import pytest

from gateway_filters.errors import BadRequest, UpstreamMalformed
from gateway_filters.upstream.request_head import WireHead, framed
from gateway_filters.upstream.response_head import MOST_BYTES, AnswerHead, check_size, ends_exactly
from gateway_filters.upstream.transport import OutgoingRequest

Pairs = tuple[tuple[bytes, bytes], ...]


def head_of(method: str = "GET", target: bytes = b"/", headers: Pairs = ()) -> WireHead:
    """The head of a request."""
    return WireHead(OutgoingRequest(method, target, headers, None))


HEADS = [
    pytest.param("GET", b"/", (), b"GET / HTTP/1.1\r\n\r\n", id="no field at all"),
    pytest.param("GET", b"/a//b/../%2F%7e?x=%zz&y", (), b"GET /a//b/../%2F%7e?x=%zz&y HTTP/1.1\r\n\r\n", id="a target"),
    pytest.param("OPTIONS", b"*", (), b"OPTIONS * HTTP/1.1\r\n\r\n", id="the asterisk"),
    pytest.param(
        "get",
        b"/",
        ((b"Host", b"A"), (b"x-a", b"1"), (b"X-A", b"2"), (b"x-a", b"1")),
        b"get / HTTP/1.1\r\nHost: A\r\nx-a: 1\r\nX-A: 2\r\nx-a: 1\r\n\r\n",
        id="case, order and duplicates",
    ),
    pytest.param("GET", b"/", ((b"a", b""),), b"GET / HTTP/1.1\r\na: \r\n\r\n", id="an empty value"),
    pytest.param("GET", b"/", ((b"a", b"\xe4\t\xff"),), b"GET / HTTP/1.1\r\na: \xe4\t\xff\r\n\r\n", id="other bytes"),
]


@pytest.mark.parametrize(("method", "target", "headers", "block"), HEADS)
def test_a_head_is_written_as_it_was_given(method: str, target: bytes, headers: Pairs, block: bytes) -> None:
    """Target, names and values go out byte for byte."""
    assert head_of(method, target, headers).block == block


UNSENDABLE = [
    pytest.param("GET", b"/", ((b"a", b"b\r\nc: d"),), id="a line in a value"),
    pytest.param("GET", b"/", ((b"a", b"b\nc: d"),), id="a bare LF in a value"),
    pytest.param("GET", b"/", ((b"a", b"b\rc"),), id="a bare CR in a value"),
    pytest.param("GET", b"/", ((b"a\r\nb", b"c"),), id="a line in a name"),
    pytest.param("GET", b"/", ((b"a", b"b\0c"),), id="a NUL in a value"),
    pytest.param("GET", b"/ HTTP/1.1\r\nx: y", (), id="a line in the target"),
    pytest.param("GET", b"/a b", (), id="a space in the target"),
    pytest.param("GET", b"/\xff", (), id="a byte beyond ASCII in the target"),
    pytest.param("GET", b"/\x7f", (), id="a control byte in the target"),
    pytest.param("GET", b"", (), id="no target"),
    pytest.param("GET /x", b"/", (), id="a space in the method"),
    pytest.param("", b"/", (), id="no method"),
    pytest.param("GET\r\nx: y", b"/", (), id="a line in the method"),
    pytest.param("CONNECT", b"a:1", (), id="a tunnel"),
    pytest.param("GET", b"/", ((b"content-length", b"1"), (b"Content-Length", b"1")), id="two lengths"),
    pytest.param("GET", b"/", ((b"content-length", b"1"), (b"transfer-encoding", b"chunked")), id="both framings"),
    pytest.param("GET", b"/", ((b"transfer-encoding", b"gzip, chunked"),), id="another coding"),
    pytest.param("GET", b"/", ((b"content-length", b"+1"),), id="a signed length"),
    pytest.param("GET", b"/", ((b"content-length", b""),), id="an empty length"),
    pytest.param("GET", b"/", ((b"content-length", b"9" * 5000),), id="a length beyond all bounds"),
]


@pytest.mark.parametrize(("method", "target", "headers"), UNSENDABLE)
def test_a_head_that_could_be_read_in_two_ways_is_refused(method: str, target: bytes, headers: Pairs) -> None:
    """Nothing inside a part of a head begins a line, and a body is framed once."""
    with pytest.raises(BadRequest):
        head_of(method, target, headers)


def test_a_whole_body_is_framed_as_the_head_says() -> None:
    """By its length, which must be right, or as one chunk."""
    assert framed(b"abc", 3) == b"abc"
    assert framed(b"abc", "chunked") == b"3\r\nabc\r\n0\r\n\r\n"
    assert framed(b"", "chunked") == b"0\r\n\r\n"
    assert framed(b"", None) == b""
    for body, framing in ((b"abc", 2), (b"abc", 4), (b"abc", None)):
        with pytest.raises(BadRequest):
            framed(body, framing)


@pytest.mark.parametrize(("value", "closes"), [(b"close", True), (b"x, Close", True), (b"keep-alive", False)])
def test_a_request_that_closes(value: bytes, closes: bool) -> None:
    """``Connection: close`` from a user of the transport is meant for our connection."""
    assert head_of(headers=((b"Connection", value),)).closes is closes


def test_only_idempotent_methods_are_repeatable() -> None:
    """RFC 9110 9.2.2; anything unknown is not."""
    methods = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "get", "FOO")
    assert [head_of(each).repeatable for each in methods] == [True] * 6 + [False] * 4


FRAMINGS = [
    pytest.param(200, (), True, id="nothing frames the body but the connection"),
    pytest.param(200, ((b"Content-Length", b"3"),), False, id="a length"),
    pytest.param(200, ((b"Transfer-Encoding", b"Chunked"),), False, id="chunks"),
    pytest.param(204, (), False, id="204 has no body"),
    pytest.param(304, (), False, id="304 has no body"),
]


@pytest.mark.parametrize(("status", "fields", "until_close"), FRAMINGS)
def test_how_an_answer_is_framed(status: int, fields: Pairs, until_close: bool) -> None:
    """A body without a length and without chunks ends with its connection."""
    head = AnswerHead(status, list(fields), bodiless=False, version="1.1")
    assert head.until_close is until_close
    assert head.headers == tuple((name.lower(), value) for name, value in fields)
    assert not AnswerHead(status, list(fields), bodiless=True, version="1.1").until_close


REFUSED = [
    pytest.param(200, ((b"transfer-encoding", b"gzip, chunked"),), "1.1", id="gzip inside chunks"),
    pytest.param(200, ((b"transfer-encoding", b"identity"),), "1.1", id="identity"),
    pytest.param(200, ((b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")), "1.1", id="twice"),
    pytest.param(200, ((b"transfer-encoding", b"chunked"),), "1.0", id="chunks in HTTP/1.0"),
    pytest.param(600, (), "1.1", id="a status above all"),
    pytest.param(99, (), "1.1", id="a status below all"),
    pytest.param(200, (), "2.0", id="HTTP/2.0"),
    pytest.param(200, (), "0.9", id="HTTP/0.9"),
]


@pytest.mark.parametrize(("status", "fields", "version"), REFUSED)
def test_an_answer_that_is_not_understood_is_refused(status: int, fields: Pairs, version: str) -> None:
    """What the parser lets pass and two readers could take differently."""
    with pytest.raises(UpstreamMalformed):
        AnswerHead(status, list(fields), bodiless=False, version=version)


def test_the_size_of_a_head() -> None:
    """100 fields and 64 KiB pass; a large read with a small head in it is no large head."""
    check_size([(b"a", b"b")] * 100, MOST_BYTES)
    check_size([(b"a", b"b")], 10 * MOST_BYTES)
    with pytest.raises(UpstreamMalformed):
        check_size([(b"a", b"b")] * 101, 1)
    with pytest.raises(UpstreamMalformed):
        check_size([(b"a", b"b" * MOST_BYTES)], MOST_BYTES + 1)


ENDS = [
    pytest.param(b"...\r\n\r\nok", b"ok", False, True, id="a body"),
    pytest.param(b"...\r\n\r\nok\r\n", b"ok", False, False, id="a line end behind a body"),
    pytest.param(b"...\r\n\r\nok\n", b"ok\n", False, True, id="a body that ends in a line end"),
    pytest.param(b"...\r\n\r\nok\n\n", b"ok\n", False, False, id="a line end behind such a body"),
    pytest.param(b"...\r\n\r\n\r\n", b"\r\n", False, False, id="a body of line ends cannot be told"),
    pytest.param(b"2\r\nok\r\n0\r\n\r\n", b"ok", True, True, id="chunks"),
    pytest.param(b"0\r\n\r\n\r\n", b"", True, False, id="a line end behind chunks"),
    pytest.param(b"0\r\nx: y\r\n\r\n", b"", True, True, id="trailers"),
    pytest.param(b"\r\n", b"", True, False, id="the last line end alone cannot be told"),
    pytest.param(b"HTTP/1.1 204 No\r\n\r\n", b"", False, True, id="no body"),
    pytest.param(b"HTTP/1.1 204 No\r\n\r\n\n", b"", False, False, id="a line end behind no body"),
]


@pytest.mark.parametrize(("data", "piece", "chunked", "exact"), ENDS)
def test_whether_a_message_ends_with_the_read(data: bytes, piece: bytes, chunked: bool, exact: bool) -> None:
    """Line ends behind a message, which the parser swallows, are seen; in doubt there are some."""
    assert ends_exactly(data, piece, chunked=chunked) is exact
