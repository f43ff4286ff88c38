"""upstream/http2: many streams on few connections, and the windows of both directions."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

import pytest
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from http2_peer import Peer, Request, client2, ok, serving, upstream2
from scripted import Steps, ask, get, pieces, post, soon, whole

from gateway_filters import Clocks
from gateway_filters.errors import UpstreamBusy
from gateway_filters.upstream.http2.engine import STREAMS, WINDOW
from gateway_filters.upstream.transport import OutgoingRequest

MEBIBYTE = 1024 * 1024


async def test_streams_share_a_connection() -> None:
    """Requests that overlap, and those after them; each gets its own answer."""
    all_there = asyncio.Event()

    async def script(peer: Peer) -> None:
        requests = [await peer.request() for _ in range(50)]
        await all_there.wait()
        for request in reversed(requests):
            peer.answer(request, request.value(b":path") or b"")

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        asking = [asyncio.create_task(ask(transport, get(b"/%d" % number))) for number in range(50)]
        await soon(lambda: len(upstream.requests) == 50)
        all_there.set()
        answers = await asyncio.gather(*asking)
        assert [answer.body for answer in answers] == [b"/%d" % number for number in range(50)]
        assert len(upstream.peers) == 1
        assert transport.pool.idle == 1


async def _greeting(peer: Peer, most: int) -> None:
    peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: most})
    while not peer.gone:
        request = await peer.request()
        await asyncio.sleep(0.001)
        ok(peer, request)


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_no_more_streams_than_the_upstream_wants(most: int) -> None:
    """What does not fit waits for a stream where no other connection may be made."""
    async with (
        upstream2(lambda peer: _greeting(peer, most), greets=False) as upstream,
        client2(upstream.port, limit=1) as transport,
    ):
        answers = await asyncio.gather(*(ask(transport, get()) for _ in range(60)))
        assert {answer.status for answer in answers} == {200}
        (peer,) = upstream.peers
        assert peer.most_open == most
        assert not peer.broken


async def test_other_connections_take_what_does_not_fit() -> None:
    """As many as are needed, by what the first one had room for."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 5})
        while not peer.gone:
            request = await peer.request()
            if len(upstream.requests) > 1:
                await go.wait()
            ok(peer, request)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        await ask(transport, get())
        assert len(upstream.peers) == 1
        asking = [asyncio.create_task(ask(transport, get())) for _ in range(20)]
        await soon(lambda: len(upstream.requests) == 21)
        assert len(upstream.peers) == 4
        go.set()
        assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
        assert all(peer.most_open <= 5 and not peer.broken for peer in upstream.peers)


async def test_our_own_limit() -> None:
    """An upstream that allows any number gets 100 at once on a connection."""
    done = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 2**31})
        await done.wait()
        for request in peer.requests.values():
            ok(peer, request)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        asking = [asyncio.create_task(ask(transport, get())) for _ in range(STREAMS + 50)]
        await soon(lambda: len(upstream.requests) == STREAMS + 50)
        assert sorted(len(peer.requests) for peer in upstream.peers) == [50, STREAMS]
        done.set()
        await asyncio.gather(*asking)


async def test_a_limit_that_changes() -> None:
    """Down to nothing, so that requests wait, and up again."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        ok(peer, await peer.request())
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        peer.flush()
        await steps.passed()
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        peer.flush()
        ok(peer, await peer.request())

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1) as transport:
        await ask(transport, get())
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(ask(transport, get()))
        await asyncio.sleep(0.05)
        assert len(upstream.requests) == 1
        steps.go()
        assert (await waiting).status == 200


async def test_an_upstream_that_allows_no_stream() -> None:
    """Another connection would have none either: there is one, and who waits is told that the upstream is busy."""

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await peer.until(lambda: peer.gone, patience=None)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamBusy):
            await ask(transport, get(), Clocks(connect=0.2))
        assert len(upstream.peers) == 1


async def test_an_upstream_that_allows_streams_later() -> None:
    """Who has waited for that is served."""

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await asyncio.sleep(0.05)
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        peer.flush()
        ok(peer, await peer.whole_request())

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, get())).status == 200
        assert len(upstream.peers) == 1


async def test_who_waits_for_a_stream_is_not_kept_for_ever() -> None:
    """``UpstreamBusy``, in time, or at once when too many wait; then the others go on."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        request = await peer.request()
        await go.wait()
        ok(peer, request)
        ok(peer, await peer.request())

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1, queue=2) as transport:
        first = asyncio.create_task(ask(transport, get(b"/first")))
        await soon(lambda: len(upstream.requests) == 1)
        hasty = asyncio.create_task(ask(transport, get(b"/hasty"), Clocks(connect=0.05)))
        patient = asyncio.create_task(ask(transport, get(b"/patient")))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy, match="too many"):
            await ask(transport, get(b"/one-too-many"))
        with pytest.raises(UpstreamBusy, match="free in time"):
            await hasty
        go.set()
        assert (await first).status == (await patient).status == 200
        assert [each.value(b":path") for each in upstream.requests] == [b"/first", b"/patient"]


async def test_clients_take_turns_at_streams() -> None:
    """One client's requests do not stand before another's, and make room for it where the queue is full."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        ok(peer, await peer.request())
        request = await peer.request()
        await go.wait()
        ok(peer, request)
        for _ in range(3):
            ok(peer, await peer.request())

    def of(client: str, target: bytes) -> OutgoingRequest:
        return OutgoingRequest("GET", target, ((b"host", b"a"),), None, client=(client, 1))

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1, queue=3) as transport:
        await ask(transport, get(b"/before"))
        asked = [asyncio.create_task(ask(transport, of("a", b"/a%d" % number))) for number in range(4)]
        await soon(lambda: len(upstream.requests) == 2)
        asked.append(asyncio.create_task(ask(transport, of("b", b"/b"))))
        with pytest.raises(UpstreamBusy, match="too many"):
            await asked.pop(3)
        go.set()
        await asyncio.gather(*asked)
        assert [each.value(b":path") for each in upstream.requests[1:]] == [b"/a0", b"/a1", b"/b", b"/a2"]


# Windows of requests

WINDOWS = [1, 7, 1000, 65_535]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("whole_body", [True, False], ids=["whole", "in pieces"])
async def test_an_upload_through_a_small_window(window: int, whole_body: bool) -> None:
    """It waits for the window each time, and arrives byte by byte."""
    content = bytes(range(256)) * (4 if window < 100 else 400)

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.INITIAL_WINDOW_SIZE: window})
        ok(peer, await peer.whole_request())

    request = post(content) if whole_body else post(pieces(content[:100], content[100:]), length=len(content))
    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, request)).body == b"ok"
        (peer,) = upstream.peers
        assert hashlib.sha256(upstream.requests[0].body).digest() == hashlib.sha256(content).digest()
        assert not peer.broken


async def test_nothing_is_read_ahead_of_the_window() -> None:
    """A client's upload waits where the upstream does not take it (F18)."""
    taken = 0
    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield bytes(16 * 1024)

    async def script(peer: Peer) -> None:
        peer.holding = True
        request = await peer.request()
        await go.wait()
        peer.holding = False
        peer.h2.acknowledge_received_data(len(request.body), request.stream)
        peer.flush()
        await peer.until(lambda: request.ended)
        ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        asking = asyncio.create_task(ask(transport, post(body())))
        await soon(lambda: bool(upstream.requests) and len(upstream.requests[0].body) == 65_535)
        await asyncio.sleep(0.05)
        assert taken <= 5
        go.set()
        assert (await asking).status == 200
        assert len(upstream.requests[0].body) == 100 * 16 * 1024


async def test_uploads_share_the_connections_window() -> None:
    """Ten of them through one window of 64 KiB: all arrive, none has to wait for another to end."""
    sizes: list[tuple[int, ...]] = []

    async def script(peer: Peer) -> None:
        requests = [await peer.request() for _ in range(10)]
        while not all(request.ended for request in requests):
            sizes.append(tuple(len(request.body) for request in requests))
            await asyncio.sleep(0.001)
        for request in requests:
            ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        uploads = (post(pieces(*(bytes(10_000) for _ in range(30)))) for _ in range(10))
        answers = await asyncio.gather(*(ask(transport, upload) for upload in uploads))
        assert {answer.status for answer in answers} == {200}
        assert {len(request.body) for request in upstream.requests} == {300_000}
        # When the first was half done, so was every other one, more or less.
        halfway = next(each for each in sizes if max(each) >= 150_000)
        assert min(halfway) > 0


async def test_a_window_that_shrinks_below_nothing() -> None:
    """New SETTINGS may take back what was granted (RFC 9113 6.9.2); the upload waits until it is positive."""

    async def script(peer: Peer) -> None:
        peer.holding = True
        request = await peer.request()
        await peer.until(lambda: len(request.body) == 65_535)
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        peer.flush()
        await asyncio.sleep(0.02)
        peer.holding = False
        peer.h2.increment_flow_control_window(10 * MEBIBYTE)
        peer.h2.increment_flow_control_window(10 * MEBIBYTE, request.stream)
        peer.flush()
        await peer.until(lambda: request.ended)
        ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, post(bytes(200_000)))).status == 200
        assert len(upstream.requests[0].body) == 200_000


# Windows of answers


async def test_an_answer_is_read_no_faster_than_it_is_taken() -> None:
    """An upstream is ahead of a slow reader by one window (F17)."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        request = await peer.request()
        peer.head(request.stream, 200)
        while sent < 4 * MEBIBYTE:
            await peer.until(lambda: peer.h2.local_flow_control_window(request.stream) > 0)
            size = min(peer.h2.local_flow_control_window(request.stream), 16_384)
            sent += size
            peer.data(request.stream, bytes(size), ends=sent >= 4 * MEBIBYTE)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        taken = 0
        async for piece in response.chunks():
            taken += len(piece)
            await asyncio.sleep(0)
            assert sent <= taken + 2 * WINDOW
        assert taken == sent
        await soon(lambda: transport.pool.idle == 1)


async def test_frames_of_one_byte_weigh_little() -> None:
    """What waits for a slow reader is joined: an object for each byte would weigh a hundred times as much."""
    frames = 2000

    async def script(peer: Peer) -> None:
        request = await peer.whole_request()
        peer.head(request.stream, 200)
        for _ in range(frames):
            peer.h2.send_data(request.stream, b"x")
        peer.h2.ping(b"all sent")
        peer.flush()
        await peer.until(lambda: bool(peer.acknowledged))
        peer.data(request.stream, b"end", ends=True)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        (peer,) = upstream.peers
        await peer.until(lambda: b"all sent" in peer.acknowledged)
        pieces = [piece async for piece in response.chunks()]
        assert b"".join(pieces) == b"x" * frames + b"end"
        assert len(pieces) <= 2


async def test_slow_readers_keep_nobody_waiting() -> None:
    """Ninety-nine answers that nobody takes, a window full each, and another one that is read to its end."""

    async def script(peer: Peer) -> None:
        async with asyncio.TaskGroup() as group:
            while not peer.gone:
                request = await peer.request()
                peer.head(request.stream, 200)
                size = 10 * MEBIBYTE if request.value(b":path") == b"/slow" else MEBIBYTE
                group.create_task(_stream(peer, request, size))

    async def _stream(peer: Peer, request: Request, size: int) -> None:
        with contextlib.suppress(ProtocolError, ConnectionError):  # given up
            await peer.stream_out(request.stream, size)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        slow = [await transport.send(get(b"/slow"), Clocks()) for _ in range(STREAMS - 1)]
        (peer,) = upstream.peers
        await soon(lambda: peer.h2.outbound_flow_control_window <= 65_535 + WINDOW)
        assert len((await ask(transport, get(b"/fast"))).body) == MEBIBYTE
        assert len(upstream.peers) == 1
        for each in slow:
            await each.aclose()


async def test_padding_is_paid_back() -> None:
    """It takes of the window without being anything."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        for _ in range(3000):
            await peer.until(lambda: peer.h2.local_flow_control_window(request.stream) > 300)
            peer.h2.send_data(request.stream, b"x", pad_length=255)
            peer.flush()
        peer.h2.end_stream(request.stream)
        peer.flush()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert len((await ask(transport, get())).body) == 3000


async def test_both_directions_at_once() -> None:
    """A conversation: each waits for what the other has said, as in gRPC."""
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"ping %d" % number
            assert await said.get() == b"pong %d" % number

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        for number in range(5):
            await peer.until(lambda number=number: bytes(request.body).endswith(b"ping %d" % number))
            peer.data(request.stream, b"pong %d" % number)
        await peer.until(lambda: request.ended)
        peer.h2.send_headers(request.stream, ((b"grpc-status", b"0"),), end_stream=True)
        peer.flush()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(post(body()), Clocks())
        async for piece in response.chunks():
            said.put_nowait(piece)
        await response.aclose()
        assert response.trailers() == ((b"grpc-status", b"0"),)


async def test_an_answer_outlives_its_connection() -> None:
    """What has come can be read although the upstream has gone."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        peer.data(request.stream, b"a" * 50_000, ends=True)
        peer.writer.close()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        await soon(lambda: transport.pool.connections == 0)
        assert (await whole(response)).body == b"a" * 50_000
        assert len(upstream.peers) == 1


async def test_whoever_waits_is_served_in_turn() -> None:
    """First come, first served."""
    served: list[bytes | None] = []

    def answers(peer: Peer, request: Request) -> None:
        served.append(request.value(b":path"))
        ok(peer, request)

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        await serving(answers)(peer)

    async with upstream2(script, greets=False) as upstream, client2(upstream.port, limit=1) as transport:
        await asyncio.gather(*(ask(transport, get(b"/%d" % number)) for number in range(20)))
        assert served == [b"/%d" % number for number in range(20)]
