"""http2: whatever bytes come, a connection answers them or ends; it never breaks, and never keeps anything."""

# pyright: reportPrivateUsage=false

import asyncio
from typing import cast

import hpack
from h2_peer import GET, POST, State, echo, raw
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.http1.watch import Watch
from gateway_filters.http2 import PREFACE, Http2Connection, Http2Limits, Service

HEAD, UPLOAD = (hpack.Encoder().encode(list(fields)) for fields in (GET, POST))
SETTINGS = raw(4, 0, 0, b"")
STREAMS = st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 - 1])
LIKELY = st.sampled_from(
    [
        *(raw(1, flags, stream, HEAD) for flags in (4, 5) for stream in (1, 3, 5, 7)),
        *(raw(1, 0, stream, UPLOAD[:3]) + raw(9, 4, stream, UPLOAD[3:]) for stream in (1, 3, 5)),
        *(raw(0, flags, stream, b"body") for flags in (0, 1) for stream in (1, 3, 5)),
        *(raw(3, 0, stream, b"\0\0\0\x08") for stream in (1, 3)),
        *(raw(8, 0, stream, b"\0\0\x10\0") for stream in (0, 1, 3)),
        raw(4, 0, 0, b"\0\4\0\0\0\1"),
        raw(4, 0, 0, b"\0\4\0\1\0\0"),
        raw(6, 0, 0, b"12345678"),
        raw(7, 0, 0, b"\0" * 8),
    ]
)
ANY = st.builds(raw, st.integers(0, 11), st.integers(0, 255), STREAMS, st.binary(max_size=40))
FRAMES = st.lists(LIKELY | LIKELY | LIKELY | ANY, max_size=30)
CUTS = st.lists(st.integers(1, 60), min_size=1, max_size=10)


class Pipe:
    """A transport that takes everything; ``ended`` once it has been closed by us."""

    def __init__(self) -> None:
        self.sent = b""
        self.ended = False

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.sent += data

    def close(self) -> None:
        """It is over."""
        self.ended = True

    abort = write_eof = close

    def get_extra_info(self, name: str) -> object:
        """Nothing is known of the other side."""
        del name

    def set_write_buffer_limits(self, high: int) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        """There is none."""
        return 0

    def can_write_eof(self) -> bool:
        """As on any socket."""
        return True


async def take(data: bytes, cuts: list[int]) -> Pipe:
    """Everything that a connection says to ``data``, which comes in pieces of these sizes, over and over."""
    pipe, state = Pipe(), State()
    service = Service(echo, Http2Limits(), state.connections, state.tasks, Watch(), lambda status, reason: b"{}")
    connection = Http2Connection(service, {})
    connection.connection_made(cast("asyncio.Transport", pipe))
    at = turn = 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        connection.data_received(data[at : at + size])
        at, turn = at + size, turn + 1
        if turn % 3 == 0:
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not state.tasks
    assert not connection._session.streams.open
    assert not connection._session.streams.running
    return pipe


def frames_of(data: bytes) -> list[int]:
    """The kinds of the frames that were sent; every one of them is whole."""
    kinds: list[int] = []
    while data:
        length = int.from_bytes(data[:3])
        assert len(data) >= 9 + length
        kinds.append(data[3])
        data = data[9 + length :]
    return kinds


@given(FRAMES, CUTS)
@settings(max_examples=150)
def test_frames_in_any_order(frames: list[bytes], cuts: list[int]) -> None:
    """What is said begins with settings, is whole, and ends with GOAWAY where it ends."""
    pipe = asyncio.run(take(PREFACE + SETTINGS + b"".join(frames), cuts))
    kinds = frames_of(pipe.sent)
    assert kinds[0] == 4
    assert (7 in kinds) == pipe.ended
    if pipe.ended:
        assert kinds[-1] == 7


@given(st.binary(max_size=300), CUTS)
@settings(max_examples=80)
def test_bytes_that_are_no_frames(data: bytes, cuts: list[int]) -> None:
    """Behind the preface, and instead of it."""
    for begun in (b"", PREFACE, PREFACE + SETTINGS):
        frames_of(asyncio.run(take(begun + data, cuts)).sent)
