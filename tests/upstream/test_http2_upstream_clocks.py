"""upstream/http2: how long each wait lasts, and what becomes of the connection then."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from http2_peer import Peer, client2, ok, upstream2
from scripted import ask, get, pieces, post, soon

from gateway_filters import Clocks
from gateway_filters.errors import (
    ConnectTimeout,
    NotConnected,
    UpstreamAborted,
    UpstreamBusy,
    UpstreamTimeout,
    verdict,
)
from gateway_filters.upstream.http2 import Http2Transport
from gateway_filters.upstream.origin import Origin


async def test_the_clock_for_connecting_goes_on_until_http_2_begins() -> None:
    """An upstream that accepts a connection and says nothing is none (F4)."""

    async def script(peer: Peer) -> None:
        await peer.until(lambda: peer.gone)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        began = time.monotonic()
        with pytest.raises(ConnectTimeout, match="in time"):
            await ask(transport, get(), Clocks(connect=0.3))
        assert 0.28 < time.monotonic() - began < 10
        await soon(lambda: upstream.peers[0].gone)


@pytest.mark.parametrize("upload", [False, True])
async def test_the_clock_for_the_first_byte(upload: bool) -> None:
    """The stream of an upstream that says nothing about it is reset; the connection lives on (F3)."""

    async def script(peer: Peer) -> None:
        silent = await peer.request()
        peer.raw(b"\0\0\x08\x06\0\0\0\0\0" + b"anything")
        await peer.until(lambda: peer.gave_up(silent))
        ok(peer, await peer.request())

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        request = post(pieces(b"1")) if upload else get()
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout) as caught:
            await ask(transport, request, Clocks(first_byte=0.3))
        assert verdict(caught.value).status == 504
        assert 0.3 <= time.monotonic() - began < 10
        assert (await ask(transport, get())).status == 200
        assert len(upstream.peers) == 1
        assert upstream.peers[0].resets == [(1, ErrorCodes.CANCEL)]


async def test_a_connection_on_which_nothing_comes_any_more_is_left() -> None:
    """It may be dead, and would take everybody's requests with it (F24)."""

    async def script(peer: Peer) -> None:
        ok(peer, await peer.request())
        await peer.until(lambda: peer.gone, patience=None)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        await ask(transport, get())
        with pytest.raises(UpstreamTimeout):
            await ask(transport, get(), Clocks(first_byte=0.1))
        assert (await ask(transport, get())).status == 200
        assert len(upstream.peers) == 2
        await soon(lambda: upstream.peers[0].gone)


async def test_interim_answers_do_not_wind_the_clock() -> None:
    """A 103 from time to time is no answer (F5)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        while not peer.gave_up(request):
            peer.head(request.stream, 103)
            await asyncio.sleep(0.05)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamTimeout):
            await ask(transport, get(), Clocks(first_byte=0.2))


async def test_a_head_that_comes_too_slowly() -> None:
    """Byte by byte, and never complete (F5)."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for byte in b"\0\0\x40\x01\x04\0\0\0\x01" + b"\x88" * 20:
            peer.raw(bytes((byte,)))
            await asyncio.sleep(0.02)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamTimeout):
            await ask(transport, get(), Clocks(first_byte=0.2))


async def test_the_first_byte_is_waited_for_when_the_upload_is_over() -> None:
    """A client that takes its time to send is not the upstream's fault."""

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.1)
            yield b"1"

    async def script(peer: Peer) -> None:
        ok(peer, await peer.whole_request())

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, post(slowly()), Clocks(first_byte=0.2, idle=0.2))).status == 200


async def test_the_clock_between_the_pieces() -> None:
    """Each piece winds it; when none comes the answer breaks off, and only that (F6)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        for _ in range(4):
            peer.data(request.stream, b"x")
            await asyncio.sleep(0.1)
        peer.raw(b"\0\0\x08\x06\0\0\0\0\0" + b"anything")
        ok(peer, await peer.request())

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks(idle=0.3))
        came = b""
        with pytest.raises(UpstreamAborted, match="stood still"):  # noqa: PT012 - the loop is what raises
            async for piece in response.chunks():
                came += piece
        assert came == b"xxxx"
        await response.aclose()
        assert (await ask(transport, get())).status == 200
        assert len(upstream.peers) == 1


async def test_the_clock_for_our_bytes() -> None:
    """An upstream that opens no window is given up; one that opens it now and then is not (F18)."""

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        peer.holding = True
        request = await peer.request()
        if peer.number == 0:
            await peer.until(lambda: peer.gave_up(request))
            return
        for _ in range(4):
            await asyncio.sleep(0.15)
            peer.h2.increment_flow_control_window(10, request.stream)
            peer.flush()
        await peer.until(lambda: request.ended)
        ok(peer, request)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamTimeout, match="did not read"):
            await ask(transport, post(bytes(50)), Clocks(idle=0.25))
        assert (await ask(transport, post(bytes(50)), Clocks(idle=0.3))).status == 200


async def test_a_slow_reader_is_not_the_upstreams_fault() -> None:
    """While its client takes nothing, no clock runs for an answer."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        await peer.stream_out(request.stream, 300_000)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks(idle=0.2))
        await asyncio.sleep(0.5)
        assert len(b"".join([piece async for piece in response.chunks()])) == 300_000
        await response.aclose()


async def test_who_waits_for_a_connection_that_cannot_be_made() -> None:
    """All of them are told at once, each only once, and the next tries again (F1)."""
    transport = Http2Transport(Origin("http", "127.0.0.1", 1))
    outcomes = await asyncio.gather(*(ask(transport, get()) for _ in range(150)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NotConnected}
    with pytest.raises(NotConnected):
        await ask(transport, get())
    assert transport.pool.connections == 0
    await transport.aclose()


async def test_unused_connections_expire() -> None:
    """With a goodbye; one that is used does not."""

    async def script(peer: Peer) -> None:
        while not peer.gone:
            request = await peer.request()
            if request.value(b":path") == b"/":
                ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port, expiry=0.1) as transport:
        await ask(transport, get())
        await asyncio.sleep(0.05)
        await ask(transport, get())
        assert len(upstream.peers) == 1
        await soon(lambda: upstream.peers[0].gone)
        assert [goodbye.error_code for goodbye in upstream.peers[0].goodbyes] == [ErrorCodes.NO_ERROR]
        with pytest.raises(UpstreamTimeout):
            await ask(transport, get(b"/long"), Clocks(first_byte=0.4))


async def test_closing_ends_what_is_under_way() -> None:
    """At once; who waits for a connection is told, too."""

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        await peer.until(lambda: peer.gone, patience=None)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1) as transport:
        asking = [asyncio.create_task(ask(transport, get())) for _ in range(2)]
        await soon(lambda: len(upstream.requests) == 1)
        await transport.aclose()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert ["being closed" in str(outcome) or "we closed it" in str(outcome) for outcome in outcomes] == [True] * 2
        await soon(lambda: upstream.peers[0].gone)


async def test_other_places_get_other_connections() -> None:
    """When the origin's name means another place, new requests go there, and what runs ends where it is."""

    async def script(peer: Peer) -> None:
        while not peer.gone:
            request = await peer.request()
            peer.head(request.stream, 200)
            await asyncio.sleep(0.05)
            peer.data(request.stream, b"ok", ends=True)

    async with upstream2(script) as one, upstream2(script) as other:
        port = one.port

        async def resolve(_host: str, _port: int) -> list[tuple[str, int]]:
            return [("127.0.0.1", port)]

        transport = Http2Transport(Origin("http", "provider.test", 80, None, resolve))
        first = await transport.send(get(), Clocks())
        port = other.port
        assert (await ask(transport, get())).body == b"ok"
        assert b"".join([piece async for piece in first.chunks()]) == b"ok"
        await first.aclose()
        await soon(lambda: one.peers[0].gone)
        assert [len(each.requests) for each in (one, other)] == [1, 1]
        await transport.aclose()


async def test_no_place_at_all() -> None:
    """A resolver that fails or names nothing leaves nothing to connect to."""

    async def nothing(_host: str, _port: int) -> list[tuple[str, int]]:
        return []

    transport = Http2Transport(Origin("http", "provider.test", 80, None, nothing))
    with pytest.raises(NotConnected):
        await ask(transport, get())
    await transport.aclose()


async def test_the_queue_has_an_end_in_time() -> None:
    """Who gets no stream in time is told that the upstream is busy, not that it is down."""

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await peer.until(lambda: peer.gone, patience=None)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1) as transport:
        with pytest.raises(UpstreamBusy) as caught:
            await ask(transport, get(), Clocks(connect=0.2))
        assert verdict(caught.value).status == 503
        assert not upstream.requests
