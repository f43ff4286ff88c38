"""Header pairs: order and duplicates kept, hop-by-hop fields known."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.message.headers import (
    HOP_BY_HOP,
    Headers,
    end_to_end,
    first,
    named,
    nominated,
    replaced,
    values,
    without,
)

QUICK = settings(derandomize=True, max_examples=50)
NAMES = [b"a", b"b", b"set-cookie", b"connection", b"host", b"content-length", b"te"]
PAIR = st.tuples(st.sampled_from(NAMES), st.sampled_from([b"", b"1", b"a", b"b, te", b"host"]))
HEADERS = st.lists(PAIR, max_size=8).map(tuple)

COOKIES: Headers = ((b"set-cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1"))


def test_values_come_in_order() -> None:
    """All values of a name come in the order of the wire, equal ones too."""
    assert values(COOKIES, b"set-cookie") == (b"a=1", b"b=2", b"a=1")
    assert values(COOKIES, b"absent") == ()


def test_first_is_the_first_even_if_empty() -> None:
    """The first value is the first line's, an empty one included; an absent name has None."""
    assert first(((b"a", b""), (b"a", b"2")), b"a") == b""
    assert first(COOKIES, b"set-cookie") == b"a=1"
    assert first(COOKIES, b"absent") is None


def test_without_drops_every_field_of_a_name() -> None:
    """All fields of the names go, the others keep their order."""
    assert without(COOKIES, [b"set-cookie"]) == ((b"x", b"y"),)
    assert without(COOKIES, [b"x", b"absent"]) == tuple(pair for pair in COOKIES if pair[0] != b"x")


def test_replaced_leaves_exactly_one() -> None:
    """Of the name exactly one field is left, with the new value."""
    assert replaced(COOKIES, b"set-cookie", b"c=3") == ((b"x", b"y"), (b"set-cookie", b"c=3"))
    assert replaced((), b"a", b"1") == ((b"a", b"1"),)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        pytest.param([], set[bytes](), id="no Connection nominates nothing"),
        pytest.param([b"close"], {b"close"}, id="one token is one name"),
        pytest.param([b"X-One, x-two"], {b"x-one", b"x-two"}, id="names compare without regard to case"),
        pytest.param([b"x-one", b"keep-alive, x-two"], {b"x-one", b"keep-alive", b"x-two"}, id="all lines count"),
        pytest.param([b" \tx-one\t ,,  , x-two,"], {b"x-one", b"x-two"}, id="blanks and empty elements do not count"),
        pytest.param([b""], set[bytes](), id="an empty line nominates nothing"),
        pytest.param([b"Content-Length, x"], {b"x"}, id="the message's length is never nominated"),
        pytest.param([b"HOST, x"], {b"x"}, id="the message's destination is never nominated"),
    ],
)
def test_connection_nominates(lines: list[bytes], names: set[bytes]) -> None:
    """Connection nominates the names in it (RFC 9110 7.6.1), but never Content-Length and Host."""
    assert nominated(tuple((b"connection", line) for line in lines)) == names


@pytest.mark.parametrize(
    "name",
    [b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"],
    ids=lambda name: f"{name.decode()} ends at this hop",
)
def test_hop_by_hop_fields_end_here(name: bytes) -> None:
    """A field that concerns one connection is not forwarded (RFC 9110 7.6.1)."""
    assert name in HOP_BY_HOP
    assert end_to_end(((name, b"x"), (b"a", b"1"), (name, b"y"))) == ((b"a", b"1"),)


def test_nominated_fields_end_here() -> None:
    """What Connection nominates goes with it, the frame and the destination stay."""
    headers: Headers = (
        (b"host", b"h"),
        (b"content-length", b"3"),
        (b"x-hop", b"1"),
        (b"accept", b"*/*"),
        (b"connection", b"X-Hop, Content-Length"),
        (b"connection", b"host"),
        (b"x-hop", b"2"),
    )
    assert end_to_end(headers) == ((b"host", b"h"), (b"content-length", b"3"), (b"accept", b"*/*"))


def test_end_to_end_fields_stay_as_they_are() -> None:
    """Order and duplicates of end-to-end fields survive."""
    assert end_to_end(COOKIES) == COOKIES


@pytest.mark.parametrize(
    "name",
    [
        *("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
        *("accept-ranges", "content-range", "etag", "last-modified", "vary", "cache-control", "age"),
    ],
)
def test_ranges_and_conditions_pass(name: str) -> None:
    """They are end to end (RFC 9110 13, 14), and no business of a gateway's."""
    headers: Headers = ((name.encode(), b'W/"a", bytes=0-4, "b"'), (b"x", b"y"))
    assert end_to_end(headers) == headers


@QUICK
@given(headers=HEADERS)
def test_end_to_end_only_ever_drops(headers: Headers) -> None:
    """What is left is a subsequence, holds no hop-by-hop or nominated name and settles at once."""
    left = end_to_end(headers)
    remaining = iter(headers)
    assert all(pair in remaining for pair in left)
    assert not {name for name, _ in left} & (HOP_BY_HOP | nominated(headers))
    assert end_to_end(left) == left
    for name in (b"host", b"content-length"):
        assert values(left, name) == values(headers, name)


@QUICK
@given(headers=HEADERS, name=st.sampled_from(NAMES))
def test_replacing_touches_no_other_name(headers: Headers, name: bytes) -> None:
    """Other fields keep order and duplicates when one name is replaced or dropped."""
    assert values(replaced(headers, name, b"new"), name) == (b"new",)
    assert without(replaced(headers, name, b"new"), [name]) == without(headers, [name])
    assert values(without(headers, [name]), name) == ()


def test_what_clients_nominate_does_not_fill_the_memory() -> None:
    """Long lists of names are forgotten."""
    tracemalloc.start()
    try:
        for number in range(64):
            assert len(named(b",".join(b"%d-%d" % (number, name) for name in range(2000)))) == 2000
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
