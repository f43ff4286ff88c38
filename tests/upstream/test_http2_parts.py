"""upstream/http2: its parts that need no connection."""

import pytest
from hpack.struct import HeaderTuple
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.errors import BadRequest
from gateway_filters.upstream.http2.budget import Budget
from gateway_filters.upstream.http2.frames import LONGEST, Cutter
from gateway_filters.upstream.http2.outbox import Outbox
from gateway_filters.upstream.http2.violation import ENHANCE_YOUR_CALM, Violation, code_name

# Frames, as another library writes them

FRAMES: list[Frame] = [
    DataFrame(1, b"x" * 100, flags=["END_STREAM"]),
    DataFrame(3, b""),
    HeadersFrame(2**31 - 1, b"\x88", flags=["END_HEADERS"]),
    PingFrame(0, b"8 bytes!"),
    GoAwayFrame(0, last_stream_id=7, error_code=11, additional_data=b"bye"),
    DataFrame(5, bytes(LONGEST)),
]


@given(st.lists(st.sampled_from(FRAMES), max_size=6), st.data())
def test_frames_are_cut_wherever_bytes_end(frames: list[Frame], data: st.DataObject) -> None:
    """The same frames come out, in whatever pieces they arrive."""
    wire = b"".join(frame.serialize() for frame in frames)
    ends = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    cutter = Cutter()
    pieces = [wire[start:end] for start, end in zip([0, *ends], [*ends, len(wire)], strict=True)]
    found = [frame for piece in pieces for frame in cutter.frames(piece)]
    assert [(each.kind, each.stream, each.data) for each in found] == [
        (frame.type, frame.stream_id, frame.serialize()) for frame in frames
    ]


def test_the_longest_frame() -> None:
    """One byte more is refused as soon as its length is known; what came before it has been given."""
    wire = PingFrame(0).serialize() + (LONGEST + 1).to_bytes(3) + bytes(6)
    frames = Cutter().frames(wire)
    assert next(frames).stream == 0
    with pytest.raises(Violation):
        next(frames)


USEFUL = [
    pytest.param(DataFrame(1, b"x"), True, id="a body"),
    pytest.param(DataFrame(1, b"x" * 300, flags=["PADDED"], pad_length=255), True, id="a body with padding"),
    pytest.param(DataFrame(1, b"", flags=["END_STREAM"]), False, id="an end"),
    pytest.param(DataFrame(1, b"", flags=["PADDED"], pad_length=255), False, id="padding"),
    pytest.param(PingFrame(0), False, id="a PING"),
    pytest.param(HeadersFrame(1, b"\x88"), False, id="a head"),
]


@pytest.mark.parametrize(("frame", "useful"), USEFUL)
def test_what_brings_something(frame: Frame, useful: bool) -> None:
    """A piece of a body does; other frames have to be earned."""
    (found,) = Cutter().frames(frame.serialize())
    assert found.useful is useful


def test_codes_have_names() -> None:
    """Those of RFC 9113, and others by number."""
    assert code_name(ENHANCE_YOUR_CALM) == "ENHANCE_YOUR_CALM"
    assert code_name(0x1234) == "code 0x1234"


# What may come for nothing


def test_a_budget() -> None:
    """There is something at first, earning adds to it, time gives it back, and nothing grows without end."""
    budget = Budget(0.0)
    assert all(budget.spend() for _ in range(1000))
    assert not budget.spend()
    assert not budget.refill(0.001)
    assert budget.refill(1.0)
    assert all(budget.spend() for _ in range(49))
    assert not budget.spend()
    budget.earn(10)
    assert sum(budget.spend() for _ in range(20)) == 9
    assert budget.refill(1e9)
    assert sum(budget.spend() for _ in range(5000)) == 1000
    for _ in range(100_000):
        budget.earn(1000)
    assert sum(budget.spend() for _ in range(20_000)) == 10_000


# Bodies


@given(st.lists(st.binary(max_size=30_000), max_size=8), st.integers(1, 20_000), st.integers(0, 40))
def test_an_outbox_loses_nothing(pieces: list[bytes], room: int, sent_before: int) -> None:
    """Everything leaves in order; after a rewind all of it once more, or it says that it cannot."""
    outbox = Outbox(sum(map(len, pieces)))
    for piece in pieces:
        outbox.put(piece)
    outbox.close()
    before = _taken(outbox, room, sent_before)
    rewound = outbox.rewind()
    assert rewound or len(before) > 64 * 1024
    after = _taken(outbox, room, None)
    assert (after if rewound else before + after) == b"".join(pieces)
    assert outbox.empty


def _taken(outbox: Outbox, room: int, times: int | None) -> bytes:
    taken = bytearray()
    while not outbox.empty and times != 0:
        piece = outbox.next(room)
        last = outbox.ends_with(len(piece))
        taken += piece
        outbox.sent(len(piece))
        assert last is outbox.empty
        times = None if times is None else times - 1
    return bytes(taken)


def test_an_outbox_that_is_longer_than_it_says() -> None:
    """Is refused with the piece that is too much; one that is shorter, at its end."""
    outbox = Outbox(3)
    outbox.put(b"ab")
    with pytest.raises(BadRequest, match="shorter"):
        outbox.close()
    with pytest.raises(BadRequest, match="longer"):
        outbox.put(b"cd")


def test_an_outbox_with_trailers() -> None:
    """No piece of its body is the end, also when it is sent again."""
    outbox = Outbox(2)
    outbox.put(b"ab")
    outbox.close([HeaderTuple(b"x-sum", b"1")])
    assert not outbox.ends_with(2)
    outbox.sent(2)
    assert outbox.empty and outbox.whole and outbox.rewind()
    assert not outbox.ends_with(2)
    assert outbox.trailers == [(b"x-sum", b"1")]


def test_an_outbox_that_goes_on() -> None:
    """What is sent does not end it before it is closed."""
    outbox = Outbox(None)
    outbox.put(b"ab")
    assert not outbox.ends_with(2)
    outbox.sent(2)
    assert outbox.empty and not outbox.whole
    outbox.put(b"cd")
    outbox.close()
    assert outbox.ends_with(2)
    assert outbox.rewind()
    assert bytes(outbox.next(10)) == b"ab"
