"""http2/requests: heads that come again are known, and never mistaken for others."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.http2 import Http2Limits
from gateway_filters.http2.faults import StreamFault
from gateway_filters.http2.requests import Requests

Field = tuple[bytes, bytes]
HEAD: list[Field] = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"test")]
PATHS = st.sampled_from([b"/", b"/a", b"/b?c", b"/%41"])
MORE = st.lists(st.tuples(st.sampled_from([b"x", b"y"]), st.sampled_from([b"1", b"2", b""])), max_size=2)


@given(st.lists(st.tuples(PATHS, MORE, st.booleans()), max_size=20))
def test_whatever_comes_again(asked: list[tuple[bytes, list[Field], bool]]) -> None:
    """Each head is what it is, whether the table has changed in between or the same bytes came before."""
    encoder, requests = hpack.Encoder(), Requests(Http2Limits())
    for path, more, secret in asked:
        sensitive = [(name, value, secret) for name, value in (*HEAD, (b":path", path), *more)]
        request = requests.asked(encoder.encode(sensitive))
        raw, _, query = path.partition(b"?")
        assert (request.raw_path, request.query) == (raw, query)
        assert request.headers == [(b"host", b"test"), *more]


def test_a_head_that_comes_again_is_known() -> None:
    """As soon as its bytes change nothing any more."""
    encoder, requests = hpack.Encoder(), Requests(Http2Limits())
    found = [requests.asked(encoder.encode([*HEAD, (b":path", b"/a")])) for _ in range(4)]
    assert found[0] is not found[1]
    assert found[1] is found[2] is found[3]


def test_the_same_bytes_after_the_table_has_changed() -> None:
    """Index 62 is the newest entry: the bytes stay, what they mean does not."""
    requests = Requests(Http2Limits())
    requests.skip(b"\x40\x01x\x01" + b"1")
    block = b"\x82\x84\x86\x01\x01t\xbe"
    assert requests.asked(block).headers[-1] == (b"x", b"1")
    assert requests.asked(block).headers[-1] == (b"x", b"1")
    with pytest.raises(StreamFault):
        requests.fields(b"\x40\x01X\x01" + b"2")
    with pytest.raises(StreamFault):
        requests.asked(block)
    requests.skip(b"\x40\x01x\x01" + b"3")
    assert requests.asked(block).headers[-1] == (b"x", b"3")


def test_few_bytes_that_mean_many() -> None:
    """They are understood each time anew: what a connection keeps is not for its client to multiply."""
    requests = Requests(Http2Limits())
    value = b"x" * 3000
    requests.skip(b"\x40\x06cookie\x7f" + _length(3000 - 127) + value)
    block = b"\x82\x84\x86\x01\x01t" + b"\xbe" * 20
    first, second = requests.asked(block), requests.asked(block)
    assert first is not second
    assert first.headers == second.headers == [(b"host", b"t"), (b"cookie", b"; ".join([value] * 20))]


def _length(rest: int) -> bytes:
    return bytes((rest & 0x7F | 0x80, rest >> 7))
