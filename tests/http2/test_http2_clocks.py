"""http2: clients that let us wait (T43)."""

import asyncio
import time

import pytest
from h2_peer import POST, Answer, echo, forever, hello, raw, serving
from hyperframe.frame import SettingsFrame
from starlette.types import Receive, Scope, Send

from gateway_filters.http2 import PREFACE
from gateway_filters.http2.faults import ErrorCode

SLOW = [
    pytest.param(b"", id="nothing at all"),
    pytest.param(b"PRI * HT", id="half a preface"),
    pytest.param(PREFACE, id="no settings"),
    pytest.param(PREFACE + b"\0\0", id="half a frame's header"),
    pytest.param(PREFACE + raw(4, 0, 0, b"") + raw(1, 0, 1, b"\x82"), id="a header block that stays open"),
    pytest.param(PREFACE + raw(4, 0, 0, b"") + raw(1, 5, 1, b"\x82\x84")[:-1], id="a frame that stays open"),
]


@pytest.mark.parametrize("sent", SLOW)
async def test_a_client_that_does_not_come_to_the_point(sent: bytes) -> None:
    """Its time is absolute, however it spends it (T43)."""
    async with serving(hello, head_seconds=0.2, idle_seconds=0.3) as server, server.silent() as peer:
        peer.writer.write(sent)
        began = time.monotonic()
        await peer.rest()
        assert 0.19 < time.monotonic() - began < 10


async def test_a_head_byte_by_byte() -> None:
    """Bytes that come do not make the time longer."""
    block = raw(1, 5, 1, b"\x82\x84\x86\x41\x04test" + b"\x00\x01a\x7f\x00" + b"b" * 127)
    async with serving(hello, head_seconds=0.2) as server, server.connected() as peer:
        await peer.settle()
        for byte in block[:50]:
            peer.writer.write(bytes((byte,)))
            await asyncio.sleep(0.01)
        assert await peer.goaway() == ErrorCode.ENHANCE_YOUR_CALM


async def test_a_connection_without_requests() -> None:
    """It ends after a while, politely."""
    async with serving(hello, idle_seconds=0.2) as server, server.connected() as peer:
        peer.ask(1)
        await peer.answer(1)
        assert await peer.goaway() == ErrorCode.NO_ERROR


async def test_a_connection_with_a_request_is_not_idle() -> None:
    """However long its answer takes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.6)
        await hello(scope, receive, send)

    async with serving(app, idle_seconds=0.2) as server, server.connected() as peer:
        peer.ask(1)
        assert (await peer.answer(1)).body == b"hello"


async def test_a_body_that_does_not_come() -> None:
    """408 for its stream, and the app sees its client leave; others go on."""
    async with serving(forever, body_seconds=0.2) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.ask(3)
        answer = await peer.answer(1)
        assert (answer.status, answer.ended) == (408, True)
        await peer.settle()
        assert peer.answers.get(3, Answer()).reset is None


async def test_a_body_of_a_stream_that_has_its_answer_may_take_its_time() -> None:
    """Both sides of a long talk are silent for a while (gRPC)."""
    async with serving(echo, body_seconds=0.1) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        await asyncio.sleep(0.4)
        peer.data(1, b"at last", end=True)
        assert (await peer.answer(1)).body == b"at last"


STUCK = [
    pytest.param({SettingsFrame.INITIAL_WINDOW_SIZE: 0}, id="of the stream"),
    pytest.param({SettingsFrame.INITIAL_WINDOW_SIZE: 2**30}, id="of the connection"),
]


@pytest.mark.parametrize("settings", STUCK)
async def test_a_window_that_stays_closed(settings: dict[int, int]) -> None:
    """Whoever asks and takes nothing is given up (CVE-2019-9511, 9517)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 100_000})

    async with serving(app, write_seconds=0.2) as server, server.connected(settings) as peer:
        peer.ask(1)
        assert (await peer.answer(1)).reset == ErrorCode.CANCEL


async def test_a_socket_that_takes_nothing() -> None:
    """The connection ends, and the app's ``send`` returns."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})

    wide = {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}
    async with serving(app, write_seconds=0.2) as server, server.silent() as peer:
        peer.deaf()
        peer.greet(wide)
        peer.widen(0, 2**31 - 1 - 65_535)
        peer.ask(1)
        await server.connection()
        await server.quiet()
