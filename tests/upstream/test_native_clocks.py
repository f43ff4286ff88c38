"""upstream/native: how long each wait lasts. Deadlines are promised; everything else here is order."""

# pyright: reportPrivateUsage=false

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from scripted import PATIENCE, Peer, ask, client, get, pieces, post, soon, upstream

from gateway_filters import Clocks
from gateway_filters.errors import ConnectTimeout, NotConnected, UpstreamAborted, UpstreamTimeout, UpstreamUnreachable
from gateway_filters.upstream.clocks import PERIOD, Patience, Sweep
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin

MEBIBYTE = 1024 * 1024


@pytest.fixture
def blackhole() -> Iterator[int]:
    """A port that takes no connection and refuses none: its backlog is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        yield port
        for each in fillers:
            each.close()


async def test_the_clock_for_connecting(blackhole: int) -> None:
    """It is promised within ten per cent, which a busy machine may miss a few times, and the slot is free then."""
    took = list[float]()
    async with client(blackhole) as transport:
        while not took or (took[-1] >= 0.55 and len(took) < 20):
            began = time.monotonic()
            with pytest.raises(ConnectTimeout):
                await ask(transport, get(), Clocks(connect=0.5))
            took.append(time.monotonic() - began)
            assert transport.pool.active == 0
    assert min(took) > 0.45
    assert took[-1] < 0.55


@pytest.mark.parametrize("upload", [False, True])
async def test_the_clock_for_the_first_byte(upload: bool) -> None:
    """An upstream that says nothing is given up, its connection closed."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        request = post(pieces(b"1")) if upload else get()
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await ask(transport, request, Clocks(first_byte=0.3))
        assert time.monotonic() - began >= 0.3
        await gone.wait()
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_the_first_byte_is_waited_for_when_the_upload_is_over() -> None:
    """A client that takes its time to send is not the upstream's fault."""

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.1)
            yield b"1"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readuntil(b"0\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        assert (await ask(transport, post(slowly()), Clocks(first_byte=0.1))).status == 200


async def test_interim_answers_do_not_stop_the_clock() -> None:
    """An upstream that sends 100 for ever runs into the same deadline."""

    async def script(peer: Peer) -> None:
        await peer.head()
        while True:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(ask(transport, get(), Clocks(first_byte=0.3)), PATIENCE)


async def test_a_head_that_trickles() -> None:
    """Byte by byte, without an end: the clock for the first byte is that of the head, too."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            await asyncio.sleep(0.02)
            await peer.send(b"x")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(ask(transport, get(), Clocks(first_byte=0.3)), PATIENCE)
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_an_upstream_is_not_blamed_for_a_loop_that_stood_still() -> None:
    """Its answer came in time; it was we who did not look."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                time.sleep(0.3)
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                peer.recv(4096)

        async with client(server.getsockname()[1]) as transport:
            answering = asyncio.create_task(asyncio.to_thread(answer))
            asking = asyncio.create_task(ask(transport, get(), Clocks(first_byte=1)))
            await asyncio.sleep(0.1)
            time.sleep(1.8)  # noqa: ASYNC251 - the fault
            assert (await asking).body == b"ok"
        await answering


async def test_after_a_standstill_nobody_is_looked_at_before_others_had_their_turn() -> None:
    """An answer may take several turns of the loop to come, and they are all late: so one look is left out."""
    looks = list[float]()

    class Waiting:
        def check(self, now: float) -> None:
            del now
            looks.append(time.monotonic())  # the loop's own may be that of its last turn

    sweep, waiting = Sweep(asyncio.get_running_loop()), Waiting()
    sweep.watch(waiting)
    await soon(lambda: bool(looks))
    time.sleep(1.3)  # noqa: ASYNC251 - the fault
    went_on, before = time.monotonic(), len(looks)
    await soon(lambda: len(looks) > before)
    sweep.forget(waiting)
    assert looks[before] - went_on > PERIOD / 2


async def test_the_clock_between_pieces() -> None:
    """What came is handed up at once; a silence then is an abort. Pieces in time keep it going."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(0.25)
            await peer.send(b"1\r\n1\r\n")
        await peer.until_gone()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks(idle=0.8))
        answer = aiter(response.chunks())
        assert [await anext(answer) for _ in range(4)] == [b"1"] * 4
        with pytest.raises(UpstreamAborted):
            await anext(answer)
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_a_reader_that_takes_its_time_is_not_the_upstreams_fault() -> None:
    """The idle clock runs only while somebody waits."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1")
        await asyncio.sleep(0.5)
        await peer.send(b"2")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        answer = aiter((await transport.send(get(), Clocks(idle=0.2))).chunks())
        await asyncio.sleep(0.6)
        assert [piece async for piece in answer] == [b"1", b"2"]


async def test_an_upstream_that_does_not_read_the_upload() -> None:
    """It is given up when it has taken nothing for too long."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MEBIBYTE)

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        await asyncio.sleep(60)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamTimeout):
            await ask(transport, post(endless()), Clocks(idle=0.3))
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_refused_is_told_at_once() -> None:
    """Nobody listens on port 1, under either family."""
    for host in ("127.0.0.1", "localhost"):
        transport = NativeTransport(Origin("http", host, 1))
        began = time.monotonic()
        with pytest.raises(NotConnected) as raised:
            await ask(transport, get())
        assert time.monotonic() - began < 10
        assert f"http://{host}:1" in str(raised.value)
        await transport.aclose()


async def test_the_sweep_rests_when_there_is_nothing_to_watch() -> None:
    """No timer is left behind, and a new wait starts it again."""
    seen: list[float] = []

    class Watched:
        def check(self, now: float) -> None:
            seen.append(now)

    sweep, watched = Sweep(asyncio.get_running_loop()), Watched()
    sweep.watch(watched)
    await soon(lambda: len(seen) == 2)
    sweep.forget(watched)
    await asyncio.sleep(2.5 * PERIOD)
    assert (sweep._resting, len(seen)) == (True, 2)
    sweep.watch(watched)
    await soon(lambda: len(seen) == 3)
    sweep.forget(watched)


def test_what_clocks_mean() -> None:
    """Five waits from three clocks."""
    assert Patience.of(Clocks(connect=1, first_byte=2, idle=3)) == Patience(1, 1, 2, 3, 3)


async def test_a_server_that_accepts_and_closes() -> None:
    """It is unreachable, however often one tries."""

    async def script(peer: Peer) -> None:
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(3):
            with pytest.raises(UpstreamUnreachable):
                await ask(transport, get())
        assert (transport.pool.active, transport.pool.idle) == (0, 0)
