"""http2: frames that must not be, and how far what they do reaches (RFC 9113 5.4)."""

import logging

import pytest
from h2_peer import GET, POST, Answer, echo, forever, hello, raw, serving
from hyperframe.frame import GoAwayFrame, PriorityFrame

from gateway_filters.http2.faults import ErrorCode

BROKEN = [
    pytest.param(raw(0, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR, id="DATA on the connection"),
    pytest.param(raw(0, 0, 5, b"x"), ErrorCode.PROTOCOL_ERROR, id="DATA on a stream that is not open"),
    pytest.param(raw(0, 8, 1, b"\x05abc"), ErrorCode.PROTOCOL_ERROR, id="padding longer than its frame"),
    pytest.param(raw(0, 8, 1, b""), ErrorCode.PROTOCOL_ERROR, id="padding that is not there"),
    pytest.param(raw(0, 0, 1, b"x" * 16_385), ErrorCode.FRAME_SIZE_ERROR, id="a frame that is too long"),
    pytest.param(raw(1, 4, 0, b"\x82"), ErrorCode.PROTOCOL_ERROR, id="HEADERS on the connection"),
    pytest.param(raw(1, 4, 2, b"\x82"), ErrorCode.PROTOCOL_ERROR, id="HEADERS on an even stream"),
    pytest.param(raw(1, 4, 3, b"\x80"), ErrorCode.COMPRESSION_ERROR, id="a header block that is none"),
    pytest.param(raw(1, 36, 3, b"\0\0\0"), ErrorCode.FRAME_SIZE_ERROR, id="a priority that is cut off"),
    pytest.param(raw(2, 0, 1, b"\0\0\0\0"), ErrorCode.FRAME_SIZE_ERROR, id="PRIORITY of a wrong length"),
    pytest.param(raw(2, 0, 0, b"\0\0\0\0\0"), ErrorCode.PROTOCOL_ERROR, id="PRIORITY on the connection"),
    pytest.param(raw(3, 0, 1, b"\0\0\0"), ErrorCode.FRAME_SIZE_ERROR, id="RST_STREAM of a wrong length"),
    pytest.param(raw(3, 0, 0, b"\0\0\0\0"), ErrorCode.PROTOCOL_ERROR, id="RST_STREAM on the connection"),
    pytest.param(raw(3, 0, 7, b"\0\0\0\0"), ErrorCode.PROTOCOL_ERROR, id="RST_STREAM on a stream that is not open"),
    pytest.param(raw(4, 0, 0, b"\0\0\0"), ErrorCode.FRAME_SIZE_ERROR, id="SETTINGS of a wrong length"),
    pytest.param(raw(4, 0, 1, b""), ErrorCode.PROTOCOL_ERROR, id="SETTINGS on a stream"),
    pytest.param(raw(4, 1, 0, b"\0" * 6), ErrorCode.FRAME_SIZE_ERROR, id="SETTINGS acknowledged with something"),
    pytest.param(raw(4, 0, 0, b"\0\2\0\0\0\2"), ErrorCode.PROTOCOL_ERROR, id="ENABLE_PUSH of 2"),
    pytest.param(raw(4, 0, 0, b"\0\4\x80\0\0\0"), ErrorCode.FLOW_CONTROL_ERROR, id="INITIAL_WINDOW_SIZE of 2 GiB"),
    pytest.param(raw(4, 0, 0, b"\0\5\0\0\0\1"), ErrorCode.PROTOCOL_ERROR, id="MAX_FRAME_SIZE of 1"),
    pytest.param(raw(5, 4, 1, b"\0\0\0\2\x82"), ErrorCode.PROTOCOL_ERROR, id="PUSH_PROMISE of a client"),
    pytest.param(raw(6, 0, 0, b"\0"), ErrorCode.FRAME_SIZE_ERROR, id="PING of a wrong length"),
    pytest.param(raw(6, 0, 1, b"\0" * 8), ErrorCode.PROTOCOL_ERROR, id="PING on a stream"),
    pytest.param(raw(7, 0, 1, b"\0" * 8), ErrorCode.PROTOCOL_ERROR, id="GOAWAY on a stream"),
    pytest.param(raw(8, 0, 0, b"\0\0\0"), ErrorCode.FRAME_SIZE_ERROR, id="WINDOW_UPDATE of a wrong length"),
    pytest.param(raw(8, 0, 0, b"\0\0\0\0"), ErrorCode.PROTOCOL_ERROR, id="a window opened by nothing"),
    pytest.param(raw(8, 0, 0, b"\x7f\xff\xff\xff"), ErrorCode.FLOW_CONTROL_ERROR, id="a window opened too wide"),
    pytest.param(raw(8, 0, 9, b"\0\0\0\1"), ErrorCode.PROTOCOL_ERROR, id="a window of a stream that is not open"),
    pytest.param(raw(9, 4, 1, b"\x82"), ErrorCode.PROTOCOL_ERROR, id="CONTINUATION of nothing"),
    pytest.param(raw(1, 0, 3, b"") + raw(0, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR, id="DATA inside a header block"),
    pytest.param(raw(1, 0, 3, b"") + raw(9, 0, 5, b""), ErrorCode.PROTOCOL_ERROR, id="a header block that changes"),
    pytest.param(raw(1, 0, 3, b"") + raw(99, 0, 3, b""), ErrorCode.PROTOCOL_ERROR, id="unknown in a header block"),
]


@pytest.mark.parametrize(("sent", "code"), BROKEN)
async def test_a_frame_that_must_not_be(sent: bytes, code: ErrorCode) -> None:
    """The connection ends, the client is told why, and every app that it had is told too."""
    async with serving(forever) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        await peer.settle()
        peer.writer.write(sent)
        assert await peer.goaway() == code


STREAM_FAULTS = [
    pytest.param(raw(8, 0, 1, b"\0\0\0\0"), ErrorCode.PROTOCOL_ERROR, id="its window opened by nothing"),
    pytest.param(raw(8, 0, 1, b"\x7f\xff\xff\xff"), ErrorCode.FLOW_CONTROL_ERROR, id="its window opened too wide"),
    pytest.param(raw(0, 0, 1, b"x"), ErrorCode.STREAM_CLOSED, id="more of a body after its end"),
    pytest.param(raw(1, 5, 1, b"\x82"), ErrorCode.STREAM_CLOSED, id="more of a request after its end"),
]


@pytest.mark.parametrize(("sent", "code"), STREAM_FAULTS)
async def test_a_frame_that_ends_its_stream_only(sent: bytes, code: ErrorCode) -> None:
    """The others are unharmed."""
    async with serving(forever) as server, server.connected() as peer:
        peer.ask(1)
        peer.ask(3)
        await peer.settle()
        peer.writer.write(sent)
        assert (await peer.answer(1)).reset == code
        await peer.settle()
        assert peer.answers.get(3, Answer()).reset is None


async def test_a_second_head_in_a_body() -> None:
    """Trailers end their stream, or they are none (8.1)."""
    async with serving(forever) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.ask(1, [(b"x", b"y")], end=False)
        assert (await peer.answer(1)).reset == ErrorCode.PROTOCOL_ERROR


async def test_frames_for_a_stream_that_was_over() -> None:
    """Nothing may come for it but what is of no account."""
    async with serving(hello) as server, server.connected() as peer:
        peer.ask(1)
        await peer.answer(1)
        peer.widen(1, 5)
        peer.reset(1)
        peer.send(PriorityFrame(1))
        await peer.settle()
        peer.data(1, b"x")
        assert await peer.goaway() == ErrorCode.STREAM_CLOSED


async def test_streams_go_up() -> None:
    """A stream below one that was opened is over (5.1.1)."""
    async with serving(forever) as server, server.connected() as peer:
        peer.ask(5)
        peer.ask(3)
        assert await peer.goaway() == ErrorCode.STREAM_CLOSED


async def test_streams_that_come_too_late() -> None:
    """A client that has not heard in time that we leave loses these, and is told so; nothing else is lost (6.8)."""
    async with serving(echo) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        await peer.settle()
        (await server.connection()).shutdown()
        first, second = [await peer.until(GoAwayFrame) for _ in range(2)]
        assert (first.last_stream_id, second.last_stream_id) == (2**31 - 1, 1)
        peer.ask(3, POST, end=False)
        peer.data(3, b"x" * 1000)
        peer.ask(3, ((b"x", b"y"),))
        peer.widen(3, 10)
        peer.reset(3)
        peer.ask(5)
        await peer.settle()
        peer.data(1, b"first", end=True)
        assert (await peer.answer(1)).body == b"first"
        assert (await peer.until(GoAwayFrame)).last_stream_id == 1
        assert set(peer.answers) == {0, 1}


async def test_what_is_not_known_is_passed_over() -> None:
    """Frames, flags and settings of other standards (5.5)."""
    async with serving(hello) as server, server.connected() as peer:
        peer.writer.write(
            raw(99, 0xFF, 0, b"whatever") + raw(4, 0, 0, b"\x77\x77\0\0\0\1") + raw(6, 0xFE, 0, b"\0" * 8)
        )
        peer.ask(1)
        assert (await peer.answer(1)).status == 200


async def test_faults_are_logged_without_what_came(caplog: pytest.LogCaptureFixture) -> None:
    """Constant words (T11, T15)."""
    caplog.set_level(logging.INFO)
    async with serving(hello) as server, server.connected() as peer:
        peer.ask(1, (*GET, (b"authorization", b"secret\r\n")))
        await peer.answer(1)
        peer.writer.write(raw(1, 4, 0, b"secret"))
        await peer.goaway()
    assert [record.getMessage() for record in caplog.records if record.name == "gateway_filters"] == [
        "a request over HTTP/2 was refused: a field has a name or a value that HTTP forbids",
        "a connection of HTTP/2 was ended: a stream of a client has an odd number",
    ]
