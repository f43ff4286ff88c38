"""upstream/http2: what was not processed is sent again, once; what may have been is not."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from h2.errors import ErrorCodes
from http2_peer import Peer, Request, client2, ok, serving, upstream2
from scripted import Steps, ask, get, pieces, post, soon, whole

from gateway_filters import Clocks
from gateway_filters.errors import UpstreamAborted, UpstreamUnreachable
from gateway_filters.upstream.transport import OutgoingRequest


def go_away(peer: Peer, last: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
    """GOAWAY, after which the library would say nothing more: so it is not asked."""
    payload = last.to_bytes(4) + int(code).to_bytes(4) + b"bye"
    peer.raw(len(payload).to_bytes(3) + b"\x07\x00" + bytes(4) + payload)


REQUESTS = [
    pytest.param(get, b"", id="GET"),
    pytest.param(lambda: post(b"body"), b"body", id="POST with a whole body"),
    pytest.param(lambda: post(b"x" * 60_000), b"x" * 60_000, id="POST with 60 kB"),
    pytest.param(lambda: post(pieces(b"a", b"b"), length=2), b"ab", id="POST with a body in pieces"),
    pytest.param(lambda: post(pieces()), b"", id="POST with an empty body"),
]


@pytest.mark.parametrize(("request_", "body"), REQUESTS)
@pytest.mark.parametrize("how", ["goaway", "refused"])
async def test_unprocessed_requests_are_sent_again(
    how: str, request_: Callable[[], OutgoingRequest], body: bytes
) -> None:
    """Also POST, for the upstream vouches that it has done nothing with it (RFC 9113 8.7)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if peer.number == 0 and how == "goaway":
            await asyncio.sleep(0.01)
            go_away(peer, 0)
            return
        if not upstream.peers[1:] and len(peer.requests) == 1:
            peer.h2.reset_stream(request.stream, ErrorCodes.REFUSED_STREAM)
            peer.flush()
            request = await peer.request()
        await peer.until(lambda: request.ended)
        ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, request_())).body == b"ok"
        assert len(upstream.requests) == 2
        assert bytes(upstream.requests[-1].body) == body
        assert upstream.requests[-1].ended


@pytest.mark.parametrize("how", ["goaway", "refused"])
async def test_once_and_not_more_often(how: str) -> None:
    """Whoever never processes anything is unreachable."""

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            if how == "goaway":
                go_away(peer, 0)
            else:
                peer.h2.reset_stream(request.stream, ErrorCodes.REFUSED_STREAM)
                peer.flush()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamUnreachable, match="did not process the request"):
            await ask(transport, post(b"body"))
        assert len(upstream.requests) == 2


async def test_a_long_body_cannot_be_sent_again() -> None:
    """What has left and was not kept is gone; the rest of the body is not asked for."""
    asked = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(100):
            asked += 1
            yield bytes(40_000)

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.until(lambda: len(request.body) > 150_000)
        peer.h2.reset_stream(request.stream, ErrorCodes.REFUSED_STREAM)
        peer.flush()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamUnreachable, match="refused"):
            await ask(transport, post(body()))
        await asyncio.sleep(0.01)
        assert asked < 100
        assert len(upstream.requests) == 1


async def test_a_body_that_stands_still_is_sent_again() -> None:
    """The part that was sent, without waiting for the client to say more."""
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.until(lambda: bytes(request.body) == b"hello")
        if peer.number == 0:
            go_away(peer, 0)
            return
        more.set()
        await peer.until(lambda: request.ended)
        ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, post(pieces(b"hello", then=more)))).body == b"ok"
        assert [peer.number for peer in upstream.peers] == [0, 1]


async def test_goaway_lets_go_on_what_it_names() -> None:
    """Streams up to the last one named end where they are, others begin anew, and the connection is closed."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        if peer.number:
            await serving(ok)(peer)
            return
        first, second, _third = [await peer.request() for _ in range(3)]
        peer.head(second.stream, 200)
        go_away(peer, second.stream)
        await steps.passed()
        peer.answer(first, b"first")
        peer.data(second.stream, b"second", ends=True)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        asking = [asyncio.create_task(ask(transport, post(b"%d" % number))) for number in range(3)]
        assert (await asking[2]).body == b"ok"
        assert (await ask(transport, get())).body == b"ok"
        old, new = upstream.peers
        assert not old.gone
        steps.go()
        assert [(await each).body for each in asking[:2]] == [b"first", b"second"]
        await soon(lambda: old.gone)
        assert [bytes(each.body) for each in new.requests.values()] == [b"2", b""]
        assert not old.resets


async def test_goaway_in_two_steps() -> None:
    """First a warning that names no stream, then the truth (RFC 9113 6.8)."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        if peer.number:
            await serving(ok)(peer)
            return
        first, _second = await peer.request(), await peer.request()
        go_away(peer, 2**31 - 1)
        await steps.passed()
        go_away(peer, first.stream)
        peer.answer(first, b"first")

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        asking = [asyncio.create_task(ask(transport, post(b""))) for _ in range(2)]
        await soon(lambda: len(upstream.requests) == 2)
        await asyncio.sleep(0.01)
        assert transport.pool.connections == 0
        steps.go()
        assert [(await each).body for each in asking] == [b"first", b"ok"]


async def test_goaway_while_nobody_asks() -> None:
    """The connection is closed, and the next request gets another one."""

    async def script(peer: Peer) -> None:
        ok(peer, await peer.request())
        if not peer.number:
            go_away(peer, 1)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        await ask(transport, get())
        await soon(lambda: upstream.peers[0].gone)
        await ask(transport, get())
        assert len(upstream.peers) == 2


async def test_a_connection_that_ends_after_goaway() -> None:
    """What it had begun to work on may have been done: a POST is not repeated, and the reason is told."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        go_away(peer, request.stream, ErrorCodes.ENHANCE_YOUR_CALM)
        peer.writer.close()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamUnreachable, match="ENHANCE_YOUR_CALM"):
            await ask(transport, post(b""))
        assert len(upstream.requests) == 1


LOST = [
    pytest.param("GET", True, 2, id="a GET on a kept connection is sent again"),
    pytest.param("GET", False, 1, id="a GET on a new connection is not"),
    pytest.param("POST", True, 1, id="a POST on a kept connection is not"),
]


@pytest.mark.parametrize(("method", "kept", "times"), LOST)
async def test_a_connection_that_ends_without_a_word(method: str, kept: bool, times: int) -> None:
    """Nobody knows what became of the request; only one that may be repeated is (RFC 9110 9.2.2)."""

    async def script(peer: Peer) -> None:
        if kept or peer.number:
            ok(peer, await peer.whole_request())
        await peer.request()
        peer.writer.close()

    def count(requests: list[Request]) -> int:
        return len([each for each in requests if each.value(b":path") == b"/lost"])

    request = OutgoingRequest(method, b"/lost", ((b"host", b"a"),), None)
    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        if kept:
            await ask(transport, get())
        if times == 2:
            assert (await ask(transport, request)).status == 200
        else:
            with pytest.raises(UpstreamUnreachable, match="it closed the connection"):
                await ask(transport, request)
        assert count(upstream.requests) == times


async def test_whoever_counts_attempts_repeats_himself() -> None:
    """A lost GET of a route with retries is not repeated here; one that was not processed is."""

    async def script(peer: Peer) -> None:
        ok(peer, await peer.whole_request())
        await peer.request()
        if peer.number:
            go_away(peer, 1)
        else:
            peer.writer.close()

    request = OutgoingRequest("GET", b"/", ((b"host", b"a"),), None, repeat=False)
    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        await ask(transport, get())
        with pytest.raises(UpstreamUnreachable, match="it closed the connection"):
            await ask(transport, request)
        await ask(transport, get())
        assert (await ask(transport, request)).status == 200
        assert len(upstream.peers) == 3


async def test_an_answer_that_has_begun_is_never_repeated() -> None:
    """It breaks off, after what has come of it."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        peer.data(request.stream, b"half")
        await steps.passed()
        go_away(peer, 0)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        chunks = aiter(response.chunks())
        assert await anext(chunks) == b"half"
        steps.go()
        with pytest.raises(UpstreamAborted):
            await anext(chunks)
        await response.aclose()
        assert len(upstream.requests) == 1


async def test_goaway_under_load() -> None:
    """An upstream that closes each connection after ten requests loses none of two hundred POSTs."""

    async def script(peer: Peer) -> None:
        for _ in range(10):
            ok(peer, await peer.whole_request())
        go_away(peer, 19)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:

        async def worker() -> None:
            for _ in range(40):
                response = await transport.send(post(b"body"), Clocks())
                assert (await whole(response)).body == b"ok"

        await asyncio.gather(*(worker() for _ in range(5)))
        assert len(upstream.peers) >= 20
        done = sum(min(len(peer.requests), 10) for peer in upstream.peers)
        assert done == 200
