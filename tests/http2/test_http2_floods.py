"""http2: floods, each of which ends its own connection and nothing else (T44; faults.md F58)."""

# pyright: reportPrivateUsage=false

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

import pytest
from h2_peer import GET, POST, Answer, Peer, echo, forever, hello, raw, serving
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
)
from starlette.types import Receive, Scope, Send

from gateway_filters.errors import ConfigurationError
from gateway_filters.http2 import Http2Limits
from gateway_filters.http2.faults import ErrorCode

CALM = ErrorCode.ENHANCE_YOUR_CALM
Flood = Callable[[Peer, int], None]


def resets(peer: Peer, index: int) -> None:
    """Rapid reset (CVE-2023-44487)."""
    peer.ask(2 * index + 1)
    peer.reset(2 * index + 1)


def provoked(peer: Peer, index: int) -> None:
    """Its mirror image (CVE-2025-8671)."""
    peer.ask(2 * index + 1)
    peer.widen(2 * index + 1, 0)


def malformed(peer: Peer, index: int) -> None:
    """Requests that are none."""
    peer.ask(2 * index + 1, GET[1:])


def padding(peer: Peer, index: int) -> None:
    """Frames of nothing but padding."""
    peer.send(DataFrame(1, b"", pad_length=9, flags=["PADDED"]))


def _each(send: Callable[[Peer], None]) -> Flood:
    return lambda peer, _: send(peer)


FLOODS = [
    pytest.param(resets, id="streams that are reset at once"),
    pytest.param(provoked, id="streams that we are made to reset"),
    pytest.param(malformed, id="requests that are malformed"),
    pytest.param(_each(lambda peer: peer.send(PingFrame(0))), id="PING"),
    pytest.param(_each(lambda peer: peer.send(SettingsFrame(0))), id="SETTINGS"),
    pytest.param(_each(lambda peer: peer.send(SettingsFrame(0, flags=["ACK"]))), id="answers to SETTINGS"),
    pytest.param(_each(lambda peer: peer.send(PriorityFrame(1))), id="PRIORITY"),
    pytest.param(_each(lambda peer: peer.widen(0, 1)), id="WINDOW_UPDATE"),
    pytest.param(_each(lambda peer: peer.data(1, b"")), id="empty DATA"),
    pytest.param(padding, id="padding only"),
    pytest.param(_each(lambda peer: peer.send(GoAwayFrame(0))), id="GOAWAY"),
    pytest.param(_each(lambda peer: peer.writer.write(raw(99, 0, 0, b""))), id="unknown frames"),
]


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_its_connection(flood: Flood, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at once are borne, then GOAWAY says why; another client is served all the while."""
    # What is still sent after that is read for so long; on a busy machine it takes more than a second to send it.
    monkeypatch.setattr("gateway_filters.http2.connection._LINGER_SECONDS", 10.0)
    async with (
        serving(forever, resets=50, chatter=100) as server,
        server.connected() as peer,
        server.connected() as other,
    ):
        if flood not in (resets, provoked, malformed):
            peer.ask(1, POST, end=False)
        for index in range(400):
            flood(peer, index)
            if index % 100 == 0:
                await asyncio.sleep(0)
        assert await peer.goaway() == CALM
        other.ask(1)
        await other.settle()
        assert other.answers.get(1, Answer()).reset is None


async def test_a_budget_fills_up_again() -> None:
    """What is borne at once is not all that is borne."""
    limits = {"resets": 20, "resets_per_second": 1000, "head_seconds": 0.04}
    async with serving(forever, **limits) as server, server.connected() as peer:
        for index in range(60):
            resets(peer, index)
            if index % 10 == 9:
                await asyncio.sleep(0.06)
        await peer.settle()


async def test_windows_may_be_opened_for_what_is_sent() -> None:
    """A client that takes a large answer in small pieces, and measures how fast it comes, is no flood."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 400})

    async with serving(app, chatter=20) as server, server.connected({SettingsFrame.INITIAL_WINDOW_SIZE: 1}) as peer:
        peer.ask(1)
        while not peer.answers.setdefault(1, Answer()).ended:
            if isinstance(await peer.frame(), DataFrame):
                peer.widen(1, 1)
                peer.widen(0, 1)
                peer.send(PingFrame(0))
        assert len(peer.answers[1].body) == 400


CONTINUATIONS = [
    pytest.param([b""] * 50, id="of nothing"),
    pytest.param([b"\x00\x01a\x01b"] * 50, id="of little"),
    pytest.param([b"\x00\x01a\x7f\x80\x7f" + b"b" * 16_000] * 10, id="of much"),
]


@pytest.mark.parametrize("pieces", CONTINUATIONS)
async def test_a_header_block_without_an_end(pieces: Sequence[bytes]) -> None:
    """Neither frames nor bytes without a limit, and nothing is decoded (CVE-2024-27316)."""
    async with serving(hello) as server, server.connected() as peer:
        peer.send(HeadersFrame(1, b"", flags=["END_STREAM"]))
        peer.send(*(ContinuationFrame(1, piece) for piece in pieces))
        assert await peer.goaway() == CALM


async def test_more_streams_than_are_allowed() -> None:
    """Those above are refused, safe to be tried again, and the others served."""
    async with serving(forever, streams=5) as server, server.connected() as peer:
        settings = await peer.until(SettingsFrame)
        assert settings.settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 5
        for stream in range(1, 15, 2):
            peer.ask(stream)
        await peer.settle()
        refused = [number for number, answer in peer.answers.items() if answer.reset == ErrorCode.REFUSED_STREAM]
        assert refused == [11, 13]


async def test_apps_of_streams_that_were_reset_count_until_they_end() -> None:
    """Whoever resets cannot have us work on more than twice as much as is allowed."""
    free = asyncio.Event()
    running = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running
        running += 1
        await free.wait()

    async with serving(app, streams=5) as server, server.connected() as peer:
        for index in range(30):
            resets(peer, index)
        await peer.settle()
        assert running == 10
        free.set()


async def test_answers_to_pings_that_nobody_reads() -> None:
    """They are held back so far, and no further (CVE-2019-9512)."""

    wide = {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}
    async with serving(echo, chatter=10**6, unsent_bytes=10_000) as server, server.silent() as peer:
        peer.deaf()
        peer.greet(wide)
        connection = await server.connection()
        while not connection._closed:
            peer.send(*[PingFrame(0)] * 1000)
            await asyncio.sleep(0)


@pytest.mark.parametrize("trailers", [False, True], ids=["a head alone", "with trailers"])
async def test_answers_without_a_body_that_nobody_reads(trailers: bool) -> None:
    """Their apps wait as those with a body do: what is held is a socket's buffer, and a head for each stream."""
    taken = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal taken
        long = [(b"x", b"x" * 15_000)]
        await send({"type": "http.response.start", "status": 204, "headers": long, "trailers": trailers})
        await send({"type": "http.response.body", "body": b""})
        if trailers:
            await send({"type": "http.response.trailers", "headers": long})
        taken += 1

    async with serving(app, streams=20) as server, server.connected() as peer:
        await peer.settle()
        peer.deaf()
        asked = looks = 0
        while looks < 50 and taken < 2000:
            looks = 0 if asked < taken + 20 else looks + 1
            while asked < taken + 20:
                asked += 1
                peer.ask(2 * asked - 1)
            await asyncio.sleep(0.005 if looks else 0)
        assert 20 < taken < 1000
        assert asked == taken + 20
        peer.hear()
        assert (await peer.answer(2 * asked - 1)).status == 204
        await server.apps_ended()
        assert taken == asked


async def test_refusals_that_nobody_reads() -> None:
    """There is no app that could wait, so they are like answers to frames."""
    connect = b"\x02\x07CONNECT\x01\x04test"
    async with serving(hello, unsent_bytes=10_000, write_seconds=1000) as server, server.silent() as peer:
        peer.deaf()
        peer.greet()
        connection = await server.connection()
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await peer.flood(lambda stream: raw(1, 5, stream, connect), lambda: connection._closed)


async def test_resets_that_nobody_reads() -> None:
    """However slowly they are provoked, what is said to a client who does not read has an end."""
    malformed = b"\x84\x86\x01\x04test"
    limits = {"unsent_bytes": 10_000, "write_seconds": 1000.0, "resets": 10**6}
    async with serving(hello, **limits) as server, server.silent() as peer:
        peer.deaf()
        peer.greet()
        connection = await server.connection()
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await peer.flood(lambda stream: raw(1, 5, stream, malformed), lambda: connection._closed)


async def test_more_connections_than_a_peer_may_have() -> None:
    """One for whom there is no room is told so."""
    async with serving(hello) as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(server.connected()) for _ in range(5)]
        for peer in peers[:4]:
            peer.ask(1)
            assert (await peer.answer(1)).status == 200
        # Whoever writes to a connection that is closed may lose what it was told.
        with suppress(ConnectionError):
            assert await peers[4].goaway() == CALM
        assert peers[4].answers == {}
        peers[0].writer.close()
        while len(server.state.connections) > 3:  # noqa: ASYNC110 - sets tell nobody
            await asyncio.sleep(0.001)
        async with server.connected() as peer:
            peer.ask(1)
            assert (await peer.answer(1)).status == 200


LIMITS = [
    pytest.param({"streams": 0}, "streams of 0 must be above 0", id="no streams"),
    pytest.param({"idle_seconds": -1}, "idle_seconds of -1 must be above 0", id="less than no time"),
    pytest.param({"window": 2**31}, "window of 2147483648 is above", id="a window that is too wide"),
]


@pytest.mark.parametrize(("limits", "message"), LIMITS)
def test_limits_that_cannot_work(limits: dict[str, int], message: str) -> None:
    """They are refused at construction."""
    with pytest.raises(ConfigurationError, match=message):
        Http2Limits(**limits)
