"""http2: header compression, against another library's encoder and decoder."""

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.http2 import Http2Limits, huffman, integers
from gateway_filters.http2.decoder import Decoder
from gateway_filters.http2.encoder import NO_TABLE, encoded_fields, encoded_head
from gateway_filters.http2.faults import ConnectionFault, ErrorCode, HeadTooLarge, StreamFault
from gateway_filters.http2.static_table import STATIC

NAMES = st.sampled_from([b"accept", b"x-one", b"x-two", b"cookie", b":path", b":method", b"user-agent"])
VALUES = st.binary(max_size=40).map(lambda raw: bytes(byte for byte in raw if 0x20 < byte < 0x7F or byte > 0x7F))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
LIMITS = Http2Limits()


def test_the_codes_are_the_standards() -> None:
    """Codes and lengths of all 257 symbols."""
    assert huffman.codes() == list(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True))


def test_the_static_table_is_the_standards() -> None:
    """All 61 fields."""
    assert STATIC == HeaderTable.STATIC_TABLE


@given(st.binary(max_size=200))
def test_strings_are_decoded(text: bytes) -> None:
    """Whatever another encoder makes of a string is that string."""
    packed = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)
    assert huffman.decoded(packed) == text


@given(st.lists(st.sampled_from([0xFF, 0xFE, 0xF8, 0x00, 0x1C, 0x7F]), max_size=8).map(bytes))
def test_what_is_no_string_is_refused(packed: bytes) -> None:
    """Padding with zeros, too long a padding and the end symbol are refused exactly where another decoder does."""
    from hpack.huffman_table import decode_huffman

    try:
        expected: bytes | None = decode_huffman(packed)
    except hpack.HPACKDecodingError:
        expected = None
    try:
        found: bytes | None = huffman.decoded(packed)
    except ValueError:
        found = None
    assert found == expected


@given(st.integers(0, 2**28), st.sampled_from([0x0F, 0x1F, 0x3F, 0x7F]))
def test_integers_there_and_back(number: int, mask: int) -> None:
    """Of every prefix, as another library has them."""
    written = integers.encoded(number, mask)
    assert written == bytes(hpack.hpack.encode_integer(number, mask.bit_length()))
    assert integers.integer(written + b"x", 0, mask) == (number, len(written))


@given(st.lists(FIELDS, max_size=5), st.booleans())
def test_blocks_are_decoded(heads: list[list[tuple[bytes, bytes]]], packed: bool) -> None:
    """A connection's blocks, one after the other: the table follows the other encoder's."""
    encoder, decoder = hpack.Encoder(), Decoder(LIMITS)
    for index, fields in enumerate(heads):
        if index == 2:
            encoder.header_table_size = 100
        assert decoder.decode(encoder.encode(fields, huffman=packed)) == fields


@given(st.lists(st.tuples(NAMES.filter(lambda name: name[0] != 0x3A), VALUES), max_size=12), st.integers(100, 999))
def test_blocks_are_encoded(fields: list[tuple[bytes, bytes]], status: int) -> None:
    """Another decoder reads what we write, whatever size of table its side allows."""
    decoder = hpack.Decoder()
    head = decoder.decode(NO_TABLE + encoded_head(status, fields), raw=True)
    assert [tuple(each) for each in head] == [(b":status", b"%d" % status), *fields]
    assert [tuple(each) for each in decoder.decode(encoded_fields(fields), raw=True)] == fields


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_no_bytes_do_anything_else_than_fail(blocks: list[bytes]) -> None:
    """Any bytes are a head or one of the three refusals."""
    decoder = Decoder(LIMITS)
    for block in blocks:
        try:
            decoder.decode(block)
        except (ConnectionFault, StreamFault, HeadTooLarge):
            continue


BROKEN = [
    pytest.param(b"\x80", id="index 0"),
    pytest.param(b"\xbe", id="an index beyond the table"),
    pytest.param(b"\xff", id="an index that does not end"),
    pytest.param(b"\xff\xff\xff\xff\xff\xff\x01", id="an index of six bytes"),
    pytest.param(b"\x00\x05abc", id="a name that does not end"),
    pytest.param(b"\x00\x01a\x05bc", id="a value that does not end"),
    pytest.param(b"\x00\x01a", id="no value"),
    pytest.param(b"\x82\x20", id="the table's size after a field"),
    pytest.param(b"\x3f\xe2\x1f", id="a table larger than allowed"),
    pytest.param(b"\x00\x81\xff\x00", id="a name that is no Huffman string"),
]


@pytest.mark.parametrize("block", BROKEN)
def test_a_block_that_cannot_be_decoded(block: bytes) -> None:
    """The connection ends: what the client remembers is not known any more."""
    with pytest.raises(ConnectionFault) as caught:
        Decoder(LIMITS).decode(block)
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


FORBIDDEN = [
    pytest.param((b"X-Upper", b"a"), id="a name in upper case"),
    pytest.param((b"", b"a"), id="an empty name"),
    pytest.param((b"a b", b"a"), id="a blank in a name"),
    pytest.param((b"a_b", b"a"), id="an underscore in a name, which some take for a hyphen"),
    pytest.param((b"a:", b"a"), id="a colon in a name"),
    pytest.param((b":unknown", b"a"), id="an unknown pseudo-header"),
    pytest.param((b"n\xe4me", b"a"), id="a name that is not ASCII"),
    pytest.param((b"name", b"a\r\nb: c"), id="a line break in a value"),
    pytest.param((b"name", b"a\0"), id="a NUL in a value"),
    pytest.param((b"name", b"a\x7f"), id="a DEL in a value"),
    pytest.param((b"name", b" a"), id="a blank before a value"),
    pytest.param((b"name", b"a\t"), id="a tab after a value"),
]


@pytest.mark.parametrize("field", FORBIDDEN)
@pytest.mark.parametrize("sensitive", [False, True], ids=["remembered", "never indexed"])
def test_a_field_that_http_forbids(field: tuple[bytes, bytes], sensitive: bool) -> None:
    """It is told each time it comes, the second time out of the table, and the blocks between are decoded."""
    encoder, decoder = hpack.Encoder(), Decoder(LIMITS)
    for _ in range(2):
        with pytest.raises(StreamFault) as caught:
            decoder.decode(encoder.encode([(*field, sensitive), (b"kept", b"1")]))
        assert caught.value.code == ErrorCode.PROTOCOL_ERROR
        assert decoder.decode(encoder.encode([(b"kept", b"1")])) == [(b"kept", b"1")]


def test_values_outside_ascii_pass() -> None:
    """Bytes in, bytes out."""
    assert Decoder(LIMITS).decode(hpack.Encoder().encode([(b"name", b"\xff a\tb")])) == [(b"name", b"\xff a\tb")]


TOO_LARGE = [
    pytest.param([(b"a", b"b" * 16_385)], id="a line of more than 16 KiB"),
    pytest.param([(b"a", b"%d" % index) for index in range(101)], id="101 fields"),
    pytest.param([(b"a%d" % index, b"b" * 16_000) for index in range(5)], id="more than 64 KiB in all"),
]


@pytest.mark.parametrize("fields", TOO_LARGE)
def test_a_head_that_is_too_large(fields: list[tuple[bytes, bytes]]) -> None:
    """It is decoded to its end all the same: the next head is understood."""
    encoder, decoder = hpack.Encoder(), Decoder(LIMITS)
    last = (b"x-last", b"remembered")
    with pytest.raises(HeadTooLarge):
        decoder.decode(encoder.encode([*fields, last]))
    assert decoder.decode(encoder.encode([last])) == [last]


def test_a_compression_bomb() -> None:
    """A large field, remembered once and named ten thousand times, is not unfolded (CVE-2016-6581)."""
    encoder, decoder = hpack.Encoder(), Decoder(LIMITS)
    decoder.decode(encoder.encode([(b"bomb", b"x" * 4000)]))
    with pytest.raises(HeadTooLarge):
        decoder.decode(b"\xbe" * 10_000)


def test_what_belongs_to_http1_is_not_encoded() -> None:
    """Fields of a connection and pseudo-headers are left out, names get their lower case."""
    fields = [
        (b"Connection", b"close"),
        (b"keep-alive", b"1"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"x"),
        (b":status", b"200"),
        (b"", b"x"),
        (b"X-Kept", b"1"),
        (b"Server", b"s"),
    ]
    assert [tuple(each) for each in hpack.Decoder().decode(encoded_fields(fields), raw=True)] == [
        (b"x-kept", b"1"),
        (b"server", b"s"),
    ]


def test_a_cookie_is_never_remembered() -> None:
    """By nobody on the way (RFC 7541 7.1.3)."""
    (decoded,) = hpack.Decoder().decode(encoded_fields([(b"set-cookie", b"secret")]), raw=True)
    assert isinstance(decoded, hpack.NeverIndexedHeaderTuple)


@pytest.mark.parametrize("status", [0, 99, 1000])
def test_a_status_that_is_none(status: int) -> None:
    """It is not sent."""
    with pytest.raises(ValueError, match="no status"):
        encoded_head(status, [])


def test_a_value_that_would_break_an_http1_line() -> None:
    """It is not sent either."""
    with pytest.raises(ValueError, match="control character"):
        encoded_head(200, [(b"a", b"b\r\nc: d")])
