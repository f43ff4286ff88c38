"""http2: bodies without measure, and bodies that trickle (T43, T45)."""

# pyright: reportPrivateUsage=false

import asyncio
import socket
from collections.abc import Callable

import pytest
from h2_peer import POST, Answer, Field, Peer, Seen, echo, forever, hello, raw, serving
from hyperframe.frame import RstStreamFrame
from starlette.types import Message, Receive, Scope, Send

from gateway_filters.errors import ConfigurationError
from gateway_filters.http2 import Http2Limits
from gateway_filters.http2.faults import ErrorCode


def sized(length: int) -> tuple[Field, ...]:
    """A head that tells the length of its body."""
    return (*POST, (b"content-length", b"%d" % length))


def told(peer: Peer) -> None:
    """Too long by its own words: the head is enough."""
    peer.ask(1, sized(101), end=False)


def in_one_frame(peer: Peer) -> None:
    """Too long in the frame that ends it."""
    peer.ask(1, POST, end=False)
    peer.data(1, b"x" * 101, end=True)


def in_two_frames(peer: Peer) -> None:
    """One byte too long, and more to come."""
    peer.ask(1, POST, end=False)
    peer.data(1, b"x" * 100)
    peer.data(1, b"x")


TOO_LONG = [
    pytest.param(told, ErrorCode.NO_ERROR, id="by its length"),
    pytest.param(in_one_frame, None, id="in one frame"),
    pytest.param(in_two_frames, ErrorCode.NO_ERROR, id="in the second frame"),
]


@pytest.mark.parametrize(("send", "reset"), TOO_LONG)
async def test_a_body_over_the_limit_is_413(send: Callable[[Peer], None], reset: ErrorCode | None) -> None:
    """It ends its own stream, what still comes of it is passed over, and the app sees its client leave."""
    async with serving(forever, body_bytes=100) as server, server.connected() as peer:
        send(peer)
        answer = await peer.answer(1)
        assert (answer.status, answer.ended, b"too large" in answer.body) == (413, True, True)
        await server.apps_ended()
        if reset is not None:
            assert (await peer.until(RstStreamFrame)).error_code == reset
            peer.data(1, b"x" * 1000)
        peer.ask(3)
        await peer.settle()
        assert peer.answers.get(3, Answer()).reset is None


async def test_a_body_at_the_limit() -> None:
    """The last byte that is allowed."""
    async with serving(echo, body_bytes=100) as server, server.connected() as peer:
        peer.ask(1, sized(100), end=False)
        peer.data(1, b"x" * 100, end=True)
        assert (await peer.answer(1)).body == b"x" * 100


async def test_a_body_over_the_limit_of_an_answer_that_has_begun() -> None:
    """Nothing honest can be said any more: the stream is reset."""
    async with serving(echo, body_bytes=100) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.data(1, b"x" * 60)
        await peer.settle()
        assert peer.answers[1].body == b"x" * 60
        peer.data(1, b"x" * 60)
        assert (await peer.answer(1)).reset == ErrorCode.CANCEL
        await server.apps_ended()


async def test_what_was_too_long_opens_the_window_again() -> None:
    """Bodies that nobody reads take no share of the connection's window with them."""
    async with serving(forever, body_bytes=100, connection_window=200_000) as server, server.connected() as peer:
        for stream in range(1, 41, 2):
            peer.ask(stream, POST, end=False)
            peer.data(stream, b"x" * 16_384, end=True)
            assert (await peer.answer(stream)).status == 413
        await server.apps_ended()


async def test_many_that_are_too_long_and_read_nothing() -> None:
    """Their refusals are answers to frames of the client's own, and are held so far and no further."""
    small = {"body_bytes": 1, "unsent_bytes": 10_000, "write_seconds": 1000.0, "chatter": 10**6}
    async with serving(forever, **small) as server, server.silent() as peer:
        peer.deaf()
        peer.greet()
        connection = await server.connection()
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        too_long = b"\x83\x84\x86\x01\x04test"
        await peer.flood(
            lambda stream: raw(1, 4, stream, too_long) + raw(0, 1, stream, b"xx"), lambda: connection._closed
        )


async def _trickle(peer: Peer, *, pieces: int, pause: float) -> Answer:
    peer.ask(1, POST, end=False)
    for _ in range(pieces):
        peer.data(1, b"xxxx")
        await asyncio.sleep(pause)
    return await peer.answer(1)


async def test_a_body_below_the_least_rate_is_408() -> None:
    """Bytes that come keep it from standing still; they are too few."""
    async with serving(Seen(), body_seconds=0.2, body_rate=10_000) as server, server.connected() as peer:
        answer = await _trickle(peer, pieces=40, pause=0.02)
        assert (answer.status, answer.ended) == (408, True)
        await server.apps_ended()


async def test_a_body_above_the_least_rate() -> None:
    """However long it takes."""
    async with serving(Seen(), body_seconds=0.1, body_rate=10) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        for _ in range(25):
            peer.data(1, b"xxxx")
            await asyncio.sleep(0.02)
        peer.data(1, b"", end=True)
        assert (await peer.answer(1)).status == 200


async def test_an_app_that_reads_slowly_makes_no_slow_client() -> None:
    """What has come and has not been read was not waited for."""
    taken: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.6)
        taken.append(await receive())
        await hello(scope, receive, send)

    async with serving(app, body_seconds=0.1, body_rate=100_000) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.data(1, b"x" * 100)
        assert (await peer.answer(1)).status == 200
        assert taken[0]["body"] == b"x" * 100


LIMITS = [
    pytest.param({"body_bytes": 0}, "body_bytes of 0 must be above 0", id="no body at all"),
    pytest.param({"body_rate": -5}, "body_rate of -5 must be above 0", id="less than nothing"),
]


@pytest.mark.parametrize(("limits", "message"), LIMITS)
def test_limits_that_cannot_work(limits: dict[str, int], message: str) -> None:
    """They are refused at construction; none is no limit."""
    assert Http2Limits().body_bytes is None
    assert Http2Limits().body_rate is None
    with pytest.raises(ConfigurationError, match=message):
        Http2Limits(**limits)
