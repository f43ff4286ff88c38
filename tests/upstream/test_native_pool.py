"""upstream/pool: limits, the queue, and what cancellation leaves behind: nothing."""

import asyncio
import random

import pytest
from scripted import OK, PATIENCE, Peer, Script, ask, client, get, serving, soon, together, upstream

from asgi_driver import exchange, http_scope
from gateway_filters import Clocks, Upstream
from gateway_filters.errors import ConnectTimeout, NotConnected, UpstreamBusy, verdict
from gateway_filters.upstream.clocks import Patience
from gateway_filters.upstream.connection import Connection
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.pool import Pool
from gateway_filters.upstream.transport import OutgoingRequest

LONG = Patience(60, 60, 60, 60, 60)


def slow(seconds: float) -> Script:
    """Answers each request after a while."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await asyncio.sleep(seconds)
            await peer.send(OK)

    return script


async def test_the_limit_holds() -> None:
    """Never more connections than that, and everybody is served."""
    async with upstream(slow(0.005)) as scripted, client(scripted.port, limit=4) as transport:
        answers = await asyncio.gather(*(ask(transport, get()) for _ in range(40)))
        assert [each.body for each in answers] == [b"ok"] * 40
        assert len(scripted.peers) == 4
        assert (transport.pool.active, transport.pool.idle) == (0, 4)


async def test_the_queue_is_fair() -> None:
    """First come, first served."""
    async with upstream(slow(0.002)) as scripted, client(scripted.port, limit=1) as transport:
        order: list[int] = []

        async def one(number: int) -> None:
            await ask(transport, get())
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))


def of(client: str, number: int) -> OutgoingRequest:
    """A client's request, whose target tells it."""
    return OutgoingRequest("GET", f"/{client}{number}".encode(), ((b"host", b"a"),), None, None, True, (client, number))


async def test_clients_take_turns() -> None:
    """However many requests one client has there, another one's is next but one; its ports are no other clients."""
    async with upstream(slow(0.002)) as scripted, client(scripted.port, limit=1) as transport:
        greedy = [asyncio.create_task(ask(transport, of("greedy", number))) for number in range(20)]
        await soon(lambda: bool(scripted.heads))
        others = [asyncio.create_task(ask(transport, of(name, 0))) for name in ("b", "c")]
        await asyncio.gather(*greedy, *others)
        targets = [head.split(b" ")[1] for head in scripted.heads]
        assert max(targets.index(b"/b0"), targets.index(b"/c0")) <= 4
        assert [each for each in targets if each.startswith(b"/g")] == [b"/greedy%d" % n for n in range(20)]


async def test_a_client_that_fills_the_queue_makes_room_for_others() -> None:
    """Its youngest request is told to come back instead; for itself it makes none."""
    async with upstream(slow(60)) as scripted, client(scripted.port, limit=1, queue=3) as transport:
        greedy = [asyncio.create_task(ask(transport, of("greedy", number))) for number in range(4)]
        await soon(lambda: bool(scripted.heads))
        with pytest.raises(UpstreamBusy):
            await asyncio.wait_for(ask(transport, of("greedy", 4)), PATIENCE)
        other = asyncio.create_task(ask(transport, of("b", 0)))
        with pytest.raises(UpstreamBusy):
            await asyncio.wait_for(greedy[3], PATIENCE)
        assert not other.done() and "waiting=3" in repr(transport.pool)
        for task in (*greedy, other):
            task.cancel()


async def test_a_full_pool_is_waited_for_and_no_longer() -> None:
    """No connection in time is UpstreamBusy, 503, and the queue forgets who gave up."""
    async with upstream(slow(60)) as scripted, client(scripted.port, limit=1) as transport:
        first = asyncio.create_task(ask(transport, get()))
        await soon(lambda: bool(scripted.heads))
        with pytest.raises(UpstreamBusy) as raised:
            await ask(transport, get(), Clocks(connect=0.05))
        assert verdict(raised.value).status == 503
        assert "waiting=0" in repr(transport.pool)
        first.cancel()


async def test_a_full_queue_is_not_waited_in() -> None:
    """The queue is bounded: who does not fit in is told at once."""
    async with upstream(slow(60)) as scripted, client(scripted.port, limit=1, queue=2) as transport:
        tasks = [asyncio.create_task(ask(transport, get()))]
        await soon(lambda: bool(scripted.heads))
        tasks += [asyncio.create_task(ask(transport, get())) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy):
            await asyncio.wait_for(ask(transport, get()), PATIENCE)
        for task in tasks:
            task.cancel()


async def test_who_leaves_the_queue_is_never_sent() -> None:
    """A cancelled request in the queue reaches no upstream later, and the next one takes its turn."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await go.wait()
            await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port, limit=1) as transport:
        first = asyncio.create_task(ask(transport, get(b"/1")))
        await soon(lambda: bool(scripted.heads))
        second = asyncio.create_task(ask(transport, get(b"/2")))
        third = asyncio.create_task(ask(transport, get(b"/3")))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.wait([second])
        assert "waiting=1" in repr(transport.pool)  # its place in the queue is somebody else's at once
        go.set()
        await asyncio.gather(first, third)
        assert [head.split(b" ")[1] for head in scripted.heads] == [b"/1", b"/3"]


async def test_cancelled_with_a_connection_in_hand() -> None:
    """A request that is cancelled in the very moment it was given a connection gives it back."""
    async with upstream(slow(0.01)) as scripted, client(scripted.port, limit=1) as transport:
        await ask(transport, get())
        connection = transport.pool.take()
        assert connection is not None
        waiting = asyncio.create_task(transport.pool.wait(LONG))
        await asyncio.sleep(0)
        transport.pool.release(connection)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (transport.pool.active, transport.pool.idle) == (0, 1)
        assert (await ask(transport, get())).body == b"ok"


async def test_a_connection_that_is_lost_frees_its_slot_for_who_waits() -> None:
    """A waiting request gets a new connection when one in use breaks."""

    async def script(peer: Peer) -> None:
        await peer.head()
        if peer.number:
            await peer.send(OK)
        else:
            await asyncio.sleep(0.02)
            peer.reset()

    async with upstream(script) as scripted, client(scripted.port, limit=1) as transport:
        first = asyncio.create_task(ask(transport, get()))
        await soon(lambda: bool(scripted.heads))
        assert (await ask(transport, get())).body == b"ok"
        await asyncio.wait([first])
        assert first.exception() is not None


async def test_an_idle_connection_makes_room_for_a_fresh_one() -> None:
    """At the limit, who wants a fresh connection gets it in place of the oldest idle one."""
    async with upstream(serving(OK)) as scripted, client(scripted.port, limit=1) as transport:
        await ask(transport, get())
        connection = await transport.pool.wait(LONG)
        assert not connection.reused
        transport.pool.release(connection)
        assert (transport.pool.active, transport.pool.idle, len(scripted.peers)) == (0, 1, 2)


async def test_a_connection_that_becomes_free_overtakes_one_that_is_being_made() -> None:
    """No thundering: a burst takes what there is first, wakes one waiter for each, and keeps what is made late."""
    dialled = asyncio.Event()

    async def dial(connection: Connection, patience: float) -> None:
        if pool.active > 1:
            await dialled.wait()
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", scripted.port)

    async with upstream(serving(OK)) as scripted:
        pool = Pool(dial, name="test")
        first = await pool.wait(LONG)
        second = asyncio.create_task(pool.wait(LONG))
        await asyncio.sleep(0.01)
        pool.release(first)
        assert await second is first
        dialled.set()
        await soon(lambda: pool.idle == 1)
        assert pool.active == 1
        pool.release(first)
        assert (pool.active, pool.idle) == (0, 2)
        await pool.aclose()


async def test_a_refusal_is_for_one() -> None:
    """Each request that waits hears of its own failed attempt, and none is forgotten."""
    transport = NativeTransport(Origin("http", "127.0.0.1", 1), limit=2)
    results = await asyncio.gather(*(ask(transport, get()) for _ in range(10)), return_exceptions=True)
    assert [type(each) for each in results] == [NotConnected] * 10
    assert transport.pool.active == 0
    await transport.aclose()


async def test_closing_while_requests_wait() -> None:
    """``aclose`` leaves nobody waiting."""
    async with upstream(slow(60)) as scripted, client(scripted.port, limit=1) as transport:
        tasks = [asyncio.create_task(ask(transport, get())) for _ in range(3)]
        await soon(lambda: bool(scripted.heads))
        pool = transport.pool
        await transport.aclose()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, Exception) for each in results)
        assert (pool.active, pool.idle) == (0, 0)


async def test_a_storm_of_cancellations() -> None:
    """After a second of requests cancelled at any moment, all slots are there again, and nothing is mixed up."""
    dice = random.Random(4)  # a storm that is the same each time

    async def script(peer: Peer) -> None:
        while True:
            target = (await peer.head()).split(b" ")[1]
            await asyncio.sleep(dice.random() * 0.01)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(target))
            await asyncio.sleep(dice.random() * 0.005)
            await peer.send(target)

    async with upstream(script) as scripted, client(scripted.port, limit=10) as transport:
        end = asyncio.get_running_loop().time() + 1.0

        async def many(number: int) -> int:
            served = 0
            while asyncio.get_running_loop().time() < end:
                target = b"/%d/%d" % (number, dice.randrange(10**9))
                asking = asyncio.create_task(ask(transport, get(target)))
                if dice.random() < 0.7:
                    await asyncio.wait([asking], timeout=dice.random() * 0.03)
                    asking.cancel()
                await asyncio.wait([asking])
                if not asking.cancelled():
                    assert asking.result().body == target
                    served += 1
            return served

        served = await asyncio.gather(*(many(number) for number in range(20)))
        assert sum(served) > 20  # on a busy machine, too
        pool = transport.pool
        assert (pool.active, "waiting=0" in repr(pool)) == (0, True)
        assert pool.idle <= 10
        answers = await asyncio.gather(*(ask(transport, get(b"/%d" % each)) for each in range(10)))
        assert [each.body for each in answers] == [b"/%d" % each for each in range(10)]


async def test_a_storm_while_nothing_can_be_reached() -> None:
    """The same when connections hang: who leaves takes the attempt along."""
    hanging = 0

    async def dial(connection: Connection, patience: float) -> None:
        nonlocal hanging
        hanging += 1
        try:
            await asyncio.Event().wait()
        finally:
            hanging -= 1

    pool = Pool(dial, name="test", limit=5)
    tasks = [asyncio.create_task(pool.wait(LONG)) for _ in range(20)]
    await asyncio.sleep(0.01)
    assert (hanging, pool.active) == (5, 5)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0.01)
    assert pool.active == hanging == 0
    await pool.aclose()


async def test_who_waits_while_connections_hang_hears_of_that() -> None:
    """A wait that ends while connections are being made is no full pool but a slow upstream."""

    async def dial(connection: Connection, patience: float) -> None:
        await asyncio.Event().wait()

    pool = Pool(dial, name="test", limit=1)
    first = asyncio.create_task(pool.wait(LONG))
    await asyncio.sleep(0)
    with pytest.raises(ConnectTimeout):
        await pool.wait(Patience(0.01, 1, 1, 1, 1))
    first.cancel()
    await asyncio.wait([first])
    await pool.aclose()


async def test_many_at_once() -> None:
    """Without a limit every request of a burst has its connection, and all of them are kept."""
    async with upstream(together(100)) as scripted, client(scripted.port) as transport:
        await asyncio.gather(*(ask(transport, get()) for _ in range(100)))
        assert (len(scripted.peers), transport.pool.idle) == (100, 100)


async def test_an_upstream_with_a_limit_says_when_to_come_back() -> None:
    """Who finds no connection free in time gets 503 and Retry-After; the others are served."""
    async with upstream(slow(0.3)) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}", connections=2, clocks=Clocks(connect=0.1))
        answers = await asyncio.gather(*(exchange(app, http_scope()) for _ in range(6)))
        await app.aclose()
        assert sorted(each.status for each in answers) == [200, 200, 503, 503, 503, 503]
        assert {each.status: each.values(b"retry-after") for each in answers} == {200: [], 503: [b"1"]}
        assert len(scripted.peers) == 2
