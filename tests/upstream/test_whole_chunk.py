"""upstream/response_head: a chunk that is told at a glance is what the parser would say of it."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from overheard import heard

from gateway_filters.upstream.response_head import whole_chunk

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "piece"),
    [
        pytest.param(b"5\r\nhello\r\n", b"hello", id="a size and so many bytes"),
        pytest.param(b"0A\r\n0123456789\r\n", b"0123456789", id="a size with a zero before and a capital digit"),
        pytest.param(b"4\r\n\r\n\r\n\r\n", b"\r\n\r\n", id="line ends inside"),
    ],
)
def test_told_at_a_glance(data: bytes, piece: bytes) -> None:
    """One whole, plain chunk needs no parser."""
    assert whole_chunk(data) == piece


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"0\r\n\r\n", id="the last chunk"),
        pytest.param(b"6\r\nhello\r\n", id="a byte is missing"),
        pytest.param(b"4\r\nhello\r\n", id="a byte is left over"),
        pytest.param(b"5\r\nhello\r\n0\r\n\r\n", id="the last chunk behind it"),
        pytest.param(b"5\r\nhello", id="no end"),
        pytest.param(b"5\r\nhello\n\n", id="another end"),
        pytest.param(b"5;a=b\r\nhello\r\n", id="an extension"),
        pytest.param(b"5 \r\nhello\r\n", id="a blank behind the size"),
        pytest.param(b" 5\r\nhello\r\n", id="a blank before the size"),
        pytest.param(b"+5\r\nhello\r\n", id="a sign"),
        pytest.param(b"0x5\r\nhello\r\n", id="a prefix"),
        pytest.param(b"1_0\r\n0123456789abcdef\r\n", id="an underscore"),
        pytest.param(b"5\nhello\r\n", id="a bare line feed"),
        pytest.param(b"\r\n5\r\nhello\r\n", id="an empty line before"),
        pytest.param(b"000000005\r\nhello\r\n", id="more digits than a size needs"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_left_to_the_parser(data: bytes) -> None:
    """Anything else is the parser's to tell, or to refuse."""
    assert whole_chunk(data) is None


READS = st.sampled_from(
    [
        b"5\r\nhello\r\n",
        b"2\r\n\r\n\r\n",
        b"1\r\n\n\r\n",
        b"5\r\nhel",
        b"lo\r\n",
        b"5\r\n",
        b"hello",
        b"\r\n",
        b"\r",
        b"\n",
        b"5",
        b"0\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: y\r\n",
        b"X: y\r\n\r\n",
        b"5;a=b\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhello\r\n5\r\nhello\r\n",
        b"6\r\nhello\r\n",
        b"4\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ]
)


@given(st.lists(READS, max_size=8))
def test_the_parser_agrees(reads: list[bytes]) -> None:
    """Whole chunks among anything else mean what they mean to the parser, however the bytes come."""
    told = heard(HEAD, *reads)
    with patch("gateway_filters.upstream.connection.whole_chunk", return_value=None):
        assert told == heard(HEAD, *reads)
    assert told[:-1] == heard(*(bytes((byte,)) for byte in HEAD + b"".join(reads)))[:-1]


def test_a_whole_chunk_passes_the_parser_by() -> None:
    """Between two chunks, and nowhere else, the glance counts: what looks like a chunk inside one is its content."""
    assert heard(HEAD, b"2\r\nab\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n")[3:5] == (b"abhello", "finished")
    assert heard(HEAD, b"c\r\nab", b"5\r\nhello\r\n", b"\r\n0\r\n\r\n")[3:5] == (b"ab5\r\nhello\r\n", "finished")
