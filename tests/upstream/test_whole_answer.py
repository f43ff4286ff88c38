"""upstream/response_head: what is told of a whole answer at a glance is what the parser says of it byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from overheard import heard

from gateway_filters.upstream.response_head import whole_answer

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        pytest.param(OK + b"Content-Length: 2\r\n\r\nhi", 200, b"hi", id="a length and so many bytes"),
        pytest.param(OK + b"content-length:0\r\nX: \t y \r\n\r\n", 200, b"", id="no bytes, blanks round a value"),
        pytest.param(b"HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx", 404, b"x", id="no reason"),
        pytest.param(b"HTTP/1.1 503\r\nContent-Length: 1\r\n\r\nx", 503, b"x", id="no blank before no reason"),
        pytest.param(OK + b"a: \xff\r\nContent-Length: 1\r\n\r\nx", 200, b"x", id="bytes above ASCII in a value"),
    ],
)
def test_told_at_a_glance(data: bytes, status: int, body: bytes) -> None:
    """A whole, plain answer needs no parser."""
    answer = whole_answer(data)
    assert answer is not None
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(OK + b"Content-Length: 3\r\n\r\nhi", id="bytes are missing"),
        pytest.param(OK + b"Content-Length: 1\r\n\r\nhi", id="bytes are left over"),
        pytest.param(OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", id="two lengths"),
        pytest.param(OK + b"Content-Length: 2, 2\r\n\r\nhi", id="a list of lengths"),
        pytest.param(OK + b"Content-Length: +2\r\n\r\nhi", id="a signed length"),
        pytest.param(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", id="both framings"),
        pytest.param(OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nhi", id="the connection is spoken of"),
        pytest.param(OK + b"Content-Length: 2\r\nUpgrade: h2c\r\n\r\nhi", id="another protocol is offered"),
        pytest.param(OK + b"X: 1\r\n\r\nhi", id="no length"),
        pytest.param(OK + b"Content-Length: 2\r\n folded\r\n\r\nhi", id="a folded line"),
        pytest.param(OK + b"Content-Length : 2\r\n\r\nhi", id="a blank before the colon"),
        pytest.param(OK + b"Content-Length: 2\nX: y\r\n\r\nhi", id="a bare line feed"),
        pytest.param(OK + b"Content-Length: 2\rX: y\r\n\r\nhi", id="a bare carriage return"),
        pytest.param(OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nhi", id="a NUL"),
        pytest.param(OK + b": a\r\nContent-Length: 2\r\n\r\nhi", id="a field without a name"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", id="a status that has no body"),
        pytest.param(b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", id="an interim answer"),
        pytest.param(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", id="four digits of status"),
        pytest.param(b"\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", id="an empty line before"),
        pytest.param(OK + b"X: " + b"y" * 600 + b"\r\nContent-Length: 2\r\n\r\nhi", id="a line too long to remember"),
    ],
)
def test_left_to_the_parser(data: bytes) -> None:
    """Anything else is the parser's to tell."""
    assert whole_answer(data) is None


PIECES = [
    b"Content-Length: 2\r\n",
    b"content-length:2\r\n",
    b"Content-Length: 02\r\n",
    b"Content-Length: 2 \t\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length:\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close\r\n",
    b"Date: Mon, 23 Nov 2026 00:00:00 GMT\r\n",
    b"X-Empty:\r\n",
    b"X-Tab:\ta\tb\r\n",
    b"X-High: \x80\xff\r\n",
    b"X-Del: \x7f\r\n",
    b"!#$%&'*+-.^_`|~09: token\r\n",
    b"bad name: x\r\n",
    b" fold\r\n",
    b"NoColon\r\n",
    b"Bare: a\rb\r\n",
    b"Feed: a\nb\r\n",
    b"\r\n",
]
STATUSES = [b"200 OK", b"200", b"404 ", b"599 \xff", b"204 No", b"304 No", b"150 x", b"600 x", b"20 x", b"200OK"]


@given(
    st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/1.1  "]),
    st.sampled_from(STATUSES),
    st.lists(st.sampled_from(PIECES), max_size=5),
    st.sampled_from([b"", b"hi", b"hi\r\n", b"\r\n", b"2\r\nhi\r\n0\r\n\r\n"]),
)
def test_the_parser_agrees(version: bytes, status: bytes, fields: list[bytes], body: bytes) -> None:
    """Whatever is told at a glance is told the same when the first byte comes alone, which leaves it to the parser."""
    data = version + status + b"\r\n" + b"".join(fields) + b"\r\n" + body
    if whole_answer(data) is not None:
        # Behind a body of line ends the parser cannot tell whether more of them followed, and gives up the connection.
        assert heard(data)[:-1] == heard(data[:1], data[1:])[:-1]
        assert heard(data)[-2:] == ("finished", True)
