"""upstream/repetitions: how many requests are sent twice, over which connections, and what is said of the others."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from http2_peer import Peer as Peer2
from http2_peer import client2, ok, upstream2
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import OK, Peer, Script, ask, client, get, pieces, post, soon, upstream

from asgi_driver import exchange, http_scope
from gateway_filters import Upstream
from gateway_filters.errors import StaleConnection, UpstreamUnreachable
from gateway_filters.upstream.clocks import Patience
from gateway_filters.upstream.repetitions import PRICE, Repetitions
from gateway_filters.upstream.transport import OutgoingRequest

LONG = Patience(60, 60, 60, 60, 60)
_KINDS = ["request", "refused", "lost", "lost for good", "lost, and sent again"]
EVENTS = st.lists(st.sampled_from(_KINDS), max_size=600)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(events=EVENTS, under_way=st.integers(0, 2000))
def test_repetitions_of_streams_are_a_tenth_and_what_is_lent(events: list[str], under_way: int) -> None:
    """Whatever happens when: a tenth of the requests, ten that are given, and what many under way are lent."""
    account, granted = Repetitions(), Counter[str]()
    account.ended = -under_way
    for event in events:
        if event == "request":
            account.begun += 1
            account.ended += 1
        elif event == "lost for good":
            account.warn()
        elif event == "lost, and sent again":
            account.repeat()
        else:
            granted[event] += account.grant(lost=event == "lost")
        assert granted.total() <= account.begun / 10 + 10 + max(100, under_way)
        assert granted["refused"] <= account.begun / 10 + 10 + max(100, under_way / 5)


@settings(derandomize=True, max_examples=20, deadline=None)
@given(probability=st.floats(0.01, 1), together=st.integers(1, 1000), seed=st.integers(0, 10))
def test_however_often_kept_connections_are_lost_a_sixth_is_sent_twice(
    probability: float, together: int, seed: int
) -> None:
    """Each is sent again; those that make new connections, and lose nothing, see to it that they are few."""
    account, draw, repeated = Repetitions(), random.Random(seed), 0
    while account.begun < 20 * together + 3000:
        kept = 0
        for _ in range(together):
            account.begun += 1
            kept += account.begun > account.due or account.begun % PRICE == 0
        for _ in range(kept):
            if draw.random() < probability:
                account.repeat()
                repeated += 1
        account.ended += together
    assert repeated <= account.begun / 6 + together + 10


def test_losses_are_paid_back() -> None:
    """After more than is granted nothing is, until ten requests have paid for the next one."""
    account = Repetitions()
    while account.grant(lost=True):
        pass
    account.begun += 9
    assert not account.grant(lost=True)
    account.begun += 1
    assert account.grant(lost=True)
    assert not account.grant(lost=True)


def test_what_cannot_be_repeated_costs_nobody_else_his_repetition() -> None:
    """However many POSTs are lost, a GET that is lost after them is sent again."""
    account = Repetitions()
    for _ in range(1000):
        account.warn()
    assert 0 < account.due - account.begun <= 100
    assert account.grant(lost=False)


def forgetful(pause: float) -> Script:
    """Gives one answer a connection, hears no other question, and ends it some time later."""
    draw = random.Random(1)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await asyncio.sleep(draw.random() * pause)
        peer.end()

    return script


async def test_kept_connections_that_are_always_lost_cost_no_get_its_answer() -> None:
    """Fifty at a time, and most connections end under the next request: new ones are used, and nobody notices."""
    outcomes = Counter[int]()
    async with upstream(forgetful(0.02)) as scripted, client(scripted.port) as transport:
        left = iter(range(1000))

        async def one() -> None:
            for _ in left:
                outcomes[(await ask(transport, get())).status] += 1

        await asyncio.gather(*(one() for _ in range(50)))
        assert outcomes == {200: 1000}


async def test_a_tenth_of_the_requests_tries_kept_connections_all_the_same() -> None:
    """One loss after another: nine requests of ten get a connection of their own, so hardly any is sent twice."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.head()
        sent += 1
        await peer.send(OK)
        await peer.head()
        sent += 1
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(300):
            assert (await ask(transport, get())).body == b"ok"
    assert 300 * 1.05 < sent <= 300 * 1.2


async def test_once_the_trouble_is_over_connections_are_kept_as_before() -> None:
    """The requests that try kept connections find out, and the debts are paid."""
    over = False

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            if len(peer.heads) > 1 and not over:
                peer.end()
                return
            await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(200):
            await ask(transport, get())
        over = True
        for _ in range(200):
            await ask(transport, get())
        connections = len(scripted.peers)
        for _ in range(50):
            await ask(transport, get())
        assert len(scripted.peers) == connections


async def test_connections_that_are_all_lost_at_one_moment_cost_no_get_its_answer() -> None:
    """An upstream that is restarted, twice: each of those that waited for it is asked again over a new connection."""
    waiting, moments, most = 0, [asyncio.Event(), asyncio.Event(), asyncio.Event()], 250

    async def script(peer: Peer) -> None:
        nonlocal waiting
        while True:
            await peer.head()
            moment = waiting // most
            waiting += 1
            if moment == len(moments):
                await peer.send(OK)  # they have come again
                continue
            if waiting % most == 0:
                moments[moment].set()
            await moments[moment].wait()
            if len(peer.heads) > 1:
                peer.reset()
                return
            await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(3):
            answers = await asyncio.gather(*(ask(transport, get()) for _ in range(most)))
            assert [each.status for each in answers] == [200] * most
        assert len(scripted.peers) > 1.5 * most


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param(lambda: post(b"x"), "it may have been carried out", id="a POST"),
        pytest.param(
            lambda: post(pieces(b"x"), method="PUT"), "its body is sent as it comes", id="a PUT with a body in pieces"
        ),
    ],
)
async def test_a_wanted_repetition_that_may_not_be_is_told(
    request_: Callable[[], OutgoingRequest], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The request fails, and the log says why it was not sent again."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        await asyncio.sleep(0.01)
        peer.end()

    caplog.set_level(logging.INFO, "gateway_filters")
    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        with pytest.raises(StaleConnection):
            await ask(transport, request_())
    told = [each.getMessage() for each in caplog.records if "not sent again" in each.getMessage()]
    assert told == [f"a request that a kept connection lost is not sent again: {reason}"]


async def test_lost_posts_make_new_connections_too() -> None:
    """Nobody may repeat them; so those that come after do not meet the same, but for one from time to time."""
    outcomes = Counter[str]()
    async with upstream(forgetful(0.05)) as scripted, client(scripted.port) as transport:
        for _ in range(2000):
            try:
                await ask(transport, post(b"once"))
                outcomes["done"] += 1
            except StaleConnection:
                outcomes["lost"] += 1
        assert outcomes["done"] + outcomes["lost"] == 2000
        assert 1 <= outcomes["lost"] <= 5
        assert transport.pool.idle <= 2


async def test_whoever_has_sent_a_lost_post_may_send_it_again_at_once() -> None:
    """The gateway may not, and says so: 503 with Retry-After: 0."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        peer.end()

    async with upstream(script) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}")
        answers = [await exchange(app, http_scope(method="POST")) for _ in range(3)]
        await app.aclose()
    told = [(each.status, each.values(b"retry-after")) for each in answers]
    assert told == [(200, []), (503, [b"0"]), (200, [])]


async def test_posts_keep_to_kept_connections_again_once_these_hold() -> None:
    """After a trial that went well nothing is left of the loss."""
    lose = True

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        while not lose:
            await peer.head()
            await peer.send(OK)
        await peer.head()
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, post(b"a"))
        with pytest.raises(StaleConnection):
            await ask(transport, post(b"lost"))
        lose = False
        for _ in range(3):
            await ask(transport, post(b"new"))
        assert len(scripted.peers) == 4
        await asyncio.sleep(1.1)
        for _ in range(5):
            await ask(transport, post(b"kept"))
        assert len(scripted.peers) == 4


async def test_who_wants_a_new_connection_gets_no_other() -> None:
    """One that is given back goes to who has come later, and makes room at the limit."""
    async with upstream(forgetful(60)) as scripted, client(scripted.port, limit=2) as transport:
        await asyncio.gather(ask(transport, get()), ask(transport, get()))
        pool = transport.pool
        first, second = pool.take(), pool.take()
        assert first is not None and second is not None
        fresh = asyncio.create_task(pool.wait(LONG, fresh=True))
        await asyncio.sleep(0)
        any_one = asyncio.create_task(pool.wait(LONG))
        await asyncio.sleep(0)
        pool.release(first)
        assert await any_one is first
        assert not fresh.done()
        pool.release(second)
        made = await fresh
        assert made is not second and not made.reused
        assert len(scripted.peers) == 3
        assert not second.usable
        pool.release(first)
        pool.release(made)


async def test_who_leaves_while_he_waits_for_a_new_connection_leaves_nothing_behind() -> None:
    """Neither in the queue nor a slot."""
    async with upstream(forgetful(60)) as scripted, client(scripted.port, limit=1) as transport:
        await ask(transport, get())
        pool = transport.pool
        connection = pool.take()
        assert connection is not None
        waiting = asyncio.create_task(pool.wait(LONG, fresh=True))
        await asyncio.sleep(0)
        assert "waiting=1" in repr(pool)
        waiting.cancel()
        await asyncio.wait([waiting])
        pool.release(connection)
        await soon(lambda: (pool.active, pool.idle) == (0, 1))
        assert "waiting=0" in repr(pool)


@pytest.mark.parametrize("limit", [3, None])
async def test_a_storm_in_both_queues_leaves_nothing_behind(limit: int | None) -> None:
    """Those who want any connection and those who want a new one, many of whom leave: all slots are free afterwards."""
    draw = random.Random(limit)
    async with upstream(forgetful(0.01)) as scripted, client(scripted.port, limit=limit) as transport:
        await ask(transport, get())
        pool = transport.pool

        async def one() -> None:
            await asyncio.sleep(draw.random() * 0.05)
            connection = await pool.wait(LONG, fresh=draw.random() < 0.5)
            try:
                await asyncio.sleep(draw.random() * 0.01)
            finally:
                pool.release(connection)

        tasks = [asyncio.create_task(one()) for _ in range(100)]
        for task in tasks:
            if draw.random() < 0.5:
                asyncio.get_running_loop().call_later(draw.random() * 0.1, task.cancel)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in outcomes} <= {type(None), asyncio.CancelledError}
        await soon(lambda: pool.active == 0)
        assert "waiting=0" in repr(pool)
        assert (await ask(transport, get())).status == 200


async def test_an_upstream_that_refuses_every_stream_is_not_asked_twice_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each request could be sent again, by what RFC 9113 8.7 says; all of them would be twice the trouble."""

    async def script(peer: Peer2) -> None:
        while True:
            request = await peer.request()
            peer.h2.reset_stream(request.stream, ErrorCodes.REFUSED_STREAM)
            peer.flush()

    caplog.set_level(logging.INFO, "gateway_filters")
    async with upstream2(script) as scripted, client2(scripted.port) as transport:
        for _ in range(500):
            with pytest.raises(UpstreamUnreachable, match="did not process the request"):
                await ask(transport, get())
        assert 500 < len(scripted.requests) <= 500 * 1.1 + 110
    assert "since too many others were" in caplog.text


async def test_streams_of_connections_that_are_lost_at_one_moment_are_sent_again() -> None:
    """However many are under way: an upstream is restarted, and those who waited for it notice nothing."""
    waiting, most = 0, 200

    async def script(peer: Peer2) -> None:
        nonlocal waiting
        while True:
            request = await peer.request()
            waiting += 1
            if waiting <= most or waiting > 2 * most:
                ok(peer, request)
            elif waiting == 2 * most:
                for each in scripted.peers:
                    each.writer.transport.abort()

    async with upstream2(script) as scripted, client2(scripted.port) as transport:
        for _ in range(2):
            answers = await asyncio.gather(*(ask(transport, get()) for _ in range(most)))
            assert [each.status for each in answers] == [200] * most
        assert waiting == 3 * most


async def test_a_stream_that_may_not_be_sent_again_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A POST on a connection that was lost: the request fails, and the log says why it was not sent again."""

    async def script(peer: Peer2) -> None:
        ok(peer, await peer.whole_request())
        await peer.whole_request()
        peer.writer.transport.abort()

    caplog.set_level(logging.INFO, "gateway_filters")
    async with upstream2(script) as scripted, client2(scripted.port) as transport:
        await ask(transport, post(b""))
        with pytest.raises(StaleConnection):
            await ask(transport, post(b""))
        assert len(scripted.requests) == 2
    assert "a request is not sent again, since it may have been carried out: " in caplog.text


async def test_connections_that_go_in_good_order_cost_nothing() -> None:
    """What GOAWAY leaves behind is sent again, however often that is."""

    async def script(peer: Peer2) -> None:
        ok(peer, await peer.whole_request())
        await peer.request()
        payload = (1).to_bytes(4) + bytes(4)
        peer.raw(len(payload).to_bytes(3) + b"\x07\x00" + bytes(4) + payload)

    async with upstream2(script) as scripted, client2(scripted.port) as transport:
        for _ in range(150):
            assert (await ask(transport, post(b""))).body == b"ok"
        assert len(scripted.requests) == 299


async def test_kept_connections_that_are_lost_every_other_time_are_used_by_few() -> None:
    """Each that holds is no reason to trust all others: a hundred at a time, and a sixth is sent twice at most."""
    draw, sent = random.Random(2), 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        while True:
            await peer.head()
            sent += 1
            if len(peer.heads) > 1 and draw.random() < 0.5:
                peer.reset()
                return
            await asyncio.sleep(0.005)  # so that as many are under way
            await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        left = iter(range(3000))

        async def one() -> None:
            for _ in left:
                assert (await ask(transport, get())).body == b"ok"

        await asyncio.gather(*(one() for _ in range(100)))
    assert 3000 * 1.02 < sent <= 3000 * 1.15
