"""upstream/http2: requests that are given up, at every moment: their streams end, and nothing else does."""

# pyright: reportPrivateUsage=false

import asyncio
import contextlib
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import cast

import pytest
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from http2_peer import Peer, Request, Upstream2, client2, ok, upstream2
from scripted import ask, get, pieces, post, soon, whole

from gateway_filters import Clocks
from gateway_filters.upstream.http2 import Http2Transport
from gateway_filters.upstream.http2.engine import WINDOW
from gateway_filters.upstream.http2.exchange import Exchange

MOMENTS = ["before the answer", "in its body", "with pieces that nobody took", "in the request's body"]


async def _give_up(transport: Http2Transport, upstream: Upstream2, moment: str) -> None:
    """Begin an exchange and leave it."""
    if moment in ("before the answer", "in the request's body"):
        before = len(upstream.requests)
        body = pieces(b"x" * 1000, then=asyncio.Event())
        request = get(b"/never") if moment == "before the answer" else post(body)
        sending = asyncio.create_task(transport.send(request, Clocks()))
        await soon(lambda: len(upstream.requests) > before)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return
    response = await transport.send(get(b"/endless"), Clocks())
    if moment == "in its body":
        await anext(aiter(response.chunks()))
    await response.aclose()


async def _endless(peer: Peer, request: Request) -> None:
    """As much as the windows allow, until somebody ends it."""
    with contextlib.suppress(ProtocolError, ConnectionError):
        peer.head(request.stream, 200)
        await peer.stream_out(request.stream, 1_000_000_000)


async def _answer(peer: Peer, request: Request) -> None:
    """200, when the request is whole, unless somebody ends it before."""
    await peer.until(lambda: request.ended or peer.gave_up(request), patience=None)
    with contextlib.suppress(ProtocolError):  # or it was reset right behind that
        ok(peer, request)


async def _origin(peer: Peer) -> None:
    served = {b"/endless": _endless, b"/": _answer}
    tasks: set[asyncio.Task[None]] = set()
    given: list[Request] = []
    while not peer.gone:
        await peer.until(lambda: peer.gone or len(peer.requests) > len(given), patience=None)
        for request in list(peer.requests.values())[len(given) :]:
            given.append(request)
            serve = served.get(request.value(b":path") or b"")
            if serve is not None:
                tasks.add(asyncio.create_task(serve(peer, request)))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_hundred_abandoned_streams(moment: str) -> None:
    """Each is reset with CANCEL, once. The origin has no stream left, its window is whole, and it serves on."""
    async with upstream2(_origin) as upstream, client2(upstream.port) as transport:
        for _ in range(10):
            for _ in range(10):
                await _give_up(transport, upstream, moment)
            assert (await ask(transport, get(b"/"))).body == b"ok"
        await soon(lambda: sum(len(peer.resets) for peer in upstream.peers) >= 100)
        resets = Counter((peer.number, stream) for peer in upstream.peers for stream, _ in peer.resets)
        assert set(resets.values()) == {1}
        assert {code for peer in upstream.peers for _, code in peer.resets} == {ErrorCodes.CANCEL}
        assert all(peer.h2.open_inbound_streams == 0 for peer in upstream.peers)
        assert not any(peer.broken for peer in upstream.peers)
        assert len(upstream.peers) <= 2
        await soon(lambda: transport.pool.idle == 1)


async def test_data_that_arrives_too_late_is_paid_for() -> None:
    """Ten windows full that are under way when their streams are given up do not use up the connection's."""

    async def script(peer: Peer) -> None:
        late = [await peer.request() for _ in range(10)]
        for request in late:
            peer.head(request.stream, 200)
        bystander = await peer.request()
        peer.head(bystander.stream, 200)
        for request in late:
            for _ in range(WINDOW // 16_384):
                _late(peer, request)
        await peer.stream_out(bystander.stream, 40 * 1024 * 1024)

    def _late(peer: Peer, request: Request) -> None:
        # The library has seen the reset, or will; on the wire the piece was under way.
        payload = bytes(16_384)
        peer.h2.outbound_flow_control_window -= len(payload)
        peer.raw(len(payload).to_bytes(3) + b"\0\0" + request.stream.to_bytes(4) + payload)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        for response in await asyncio.gather(*(transport.send(get(), Clocks()) for _ in range(10))):
            await response.aclose()
        response = await transport.send(get(), Clocks())
        assert len((await whole(response)).body) == 40 * 1024 * 1024
        assert len(upstream.peers) == 1
        assert len(upstream.peers[0].resets) == 10


async def test_a_connection_on_which_many_were_given_up_is_left() -> None:
    """Origins end such a connection with everybody's streams (CVE-2023-44487), so new streams begin elsewhere."""

    async with upstream2(_origin) as upstream, client2(upstream.port) as transport:
        bystander = await transport.send(get(b"/endless"), Clocks())
        for _ in range(300):
            await _give_up(transport, upstream, "with pieces that nobody took")
        assert max(len(peer.resets) for peer in upstream.peers) <= 100
        assert len(upstream.peers) == 3
        assert not upstream.peers[0].gone  # the bystander is still there
        for _ in range(100):
            assert await anext(aiter(bystander.chunks()))
        await bystander.aclose()
        await soon(lambda: upstream.peers[0].gone)


async def test_nobody_is_asked_for_a_request_that_was_given_up_before() -> None:
    """While it waits for a connection or a stream (F14): it never arrives."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        peer.greet()
        ok(peer, await peer.request())

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1) as transport:
        kept = asyncio.create_task(ask(transport, get(b"/kept")))
        given_up = [asyncio.create_task(ask(transport, get(b"/given-up"))) for _ in range(10)]
        await soon(lambda: len(upstream.peers) == 1)
        for each in given_up:
            each.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        go.set()
        assert (await kept).status == 200
        await asyncio.sleep(0.01)
        assert [each.value(b":path") for each in upstream.requests] == [b"/kept"]


async def test_a_connection_that_nobody_waits_for_is_not_made() -> None:
    """The attempt ends with the last who waited for it."""

    async def script(peer: Peer) -> None:
        await peer.until(lambda: peer.gone)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        asking = asyncio.create_task(ask(transport, get()))
        await soon(lambda: len(upstream.peers) == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await soon(lambda: upstream.peers[0].gone)


async def test_cancelled_at_any_moment() -> None:
    """A storm of requests, most of them cancelled at random: afterwards nothing is in use (F12)."""
    draw = random.Random(20261123)

    async def one(transport: Http2Transport) -> None:
        body: AsyncIterator[bytes] = pieces(*(b"x" * 5000 for _ in range(3)))
        request = draw.choice((get(b"/"), get(b"/endless"), post(b"body"), post(body)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(draw.random() * 0.01):
                response = await transport.send(request, Clocks())
                try:
                    async for _ in response.chunks():
                        await asyncio.sleep(0)
                finally:
                    await response.aclose()

    async with upstream2(_origin) as upstream, client2(upstream.port, limit=3) as transport:

        async def worker() -> None:
            for _ in range(30):
                await one(transport)

        await asyncio.gather(*(worker() for _ in range(20)))
        await soon(lambda: transport.pool.idle == transport.pool.connections)
        answers = await asyncio.gather(*(ask(transport, get()) for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        await soon(lambda: all(peer.h2.open_inbound_streams == 0 for peer in upstream.peers if not peer.gone))
        assert not any(peer.broken for peer in upstream.peers)


async def test_nothing_is_left_to_the_collector() -> None:
    """Exchanges that end, and those that are given up, leave no cycle behind."""
    async with upstream2(_origin) as upstream, client2(upstream.port) as transport:
        for moment in MOMENTS:
            await _give_up(transport, upstream, moment)
        await ask(transport, get())
        await ask(transport, post(pieces(b"a", b"b")))
        await asyncio.sleep(0.01)
        gc.collect()
        gc.disable()
        before = {id(each) for each in _exchanges()}
        try:
            for moment in MOMENTS:
                await _give_up(transport, upstream, moment)
            await ask(transport, get())
            await ask(transport, post(pieces(b"a", b"b")))
            await asyncio.sleep(0.01)
            left = [each for each in _exchanges() if id(each) not in before]
        finally:
            gc.enable()
        assert left == []


def _exchanges() -> list[Exchange]:
    return [each for each in cast("list[object]", gc.get_objects()) if isinstance(each, Exchange)]
