"""asgi/fallback: others take a request that somebody accepted no connection for."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_driver import Driver, app_of, exchange, http_scope, settled
from gateway_filters.asgi.fallback import FirstConnected
from gateway_filters.errors import (
    ConnectTimeout,
    GatewayFiltersError,
    NotConnected,
    RouteRefused,
    UpstreamMalformed,
    UpstreamUnreachable,
)

pytestmark = pytest.mark.usefixtures("no_task_left")

DOWN = NotConnected("nobody is there")
MISSING = RouteRefused("no such Backend")
BODY = [(b"content-length", b"9")]


def first(*numbers: float) -> Callable[[], float]:
    """Draws these numbers, and 0 from then on."""
    left: Iterator[float] = iter(numbers)
    return lambda: next(left, 0.0)


class App:
    """Reads some pieces of the body, or all, and fails or answers with its name."""

    def __init__(self, name: str, error: GatewayFiltersError | None = None, *, reads: int | None = 1) -> None:
        self.name = name
        self.error = error
        self.calls: list[bytes] = []
        self.scopes: list[Scope] = []
        self.closed = False
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body, more, pieces = b"", True, 0
        while more and (self.error is None or self._reads is None or pieces < self._reads):
            message = await receive()
            assert message["type"] == "http.request"
            body, more, pieces = body + message["body"], message["more_body"], pieces + 1
        self.calls.append(body)
        if self.error is not None:
            raise type(self.error)(*self.error.args)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.name.encode()})

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


def called(*apps: App) -> list[int]:
    """How often each was called."""
    return [len(each.calls) for each in apps]


async def test_the_fallback_is_unused_while_another_is_connected() -> None:
    """The first rank takes everything as long as it can."""
    main, reserve = App("main"), App("reserve")
    app = FirstConnected([[(main, 1)], [(reserve, 1)]])
    for _ in range(5):
        assert (await exchange(app, http_scope(method="POST"), b"body")).body == b"main"
    assert called(main, reserve) == [5, 0]
    assert main.calls == [b"body"] * 5


@pytest.mark.parametrize("error", [DOWN, ConnectTimeout("no connection in time")], ids=["refused", "too slow"])
async def test_the_fallback_takes_over(error: NotConnected, caplog: pytest.LogCaptureFixture) -> None:
    """Where no connection was made, whatever the method, and the log says why."""
    main, reserve = App("main", error), App("reserve")
    app = FirstConnected([[(main, 1)], [(reserve, 1)]])
    with caplog.at_level(logging.WARNING, "gateway_filters"):
        assert (await exchange(app, http_scope(method="POST"), b"body")).body == b"reserve"
    assert called(main, reserve) == [1, 1]
    assert str(error) in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(UpstreamUnreachable("the connection was lost"), id="a connection that was lost"),
        pytest.param(UpstreamMalformed("not HTTP"), id="an answer that is none"),
        pytest.param(MISSING, id="a refusal"),
    ],
)
async def test_other_failures_are_final(error: GatewayFiltersError) -> None:
    """What may have been received is sent to nobody else, and a share that is refused stays refused."""
    main, reserve = App("main", error), App("reserve")
    with pytest.raises(type(error), match=str(error)):
        await exchange(FirstConnected([[(main, 1)], [(reserve, 1)]]), http_scope(), b"")
    assert called(main, reserve) == [1, 0]


async def test_nobody_is_connected() -> None:
    """All are tried, each once, and the last failure is told."""
    apps = [App(str(number), NotConnected(f"no {number}")) for number in range(4)]
    app = FirstConnected([[(apps[0], 1), (apps[1], 1)], [(apps[2], 1), (apps[3], 1)]], draw=lambda: 0.0)
    with pytest.raises(NotConnected, match="no 3"):
        await exchange(app, http_scope(), b"")
    assert called(*apps) == [1, 1, 1, 1]


async def test_others_of_the_first_rank_come_before_any_fallback() -> None:
    """A fallback is for when no other is connected."""
    down, other, reserve = App("down", DOWN), App("other"), App("reserve")
    app = FirstConnected([[(down, 1), (other, 1)], [(reserve, 1)]], draw=lambda: 0.0)
    assert (await exchange(app, http_scope(), b"")).body == b"other"
    assert called(down, other, reserve) == [1, 1, 0]


async def test_weights_are_kept() -> None:
    """Among those of a rank each is drawn by its weight; weight 0 never is, not even when all else is down."""
    one, three, none = App("1", DOWN), App("3", DOWN), App("0")
    low, high, never = App("low"), App("high"), App("never")
    ranks = [[(one, 1), (none, 0), (three, 3)], [(never, 0), (low, 1), (high, 9)]]
    app = FirstConnected(ranks, draw=random.Random(7).random)
    answers = Counter([(await exchange(app, http_scope(), b"")).body for _ in range(200)])
    assert called(one, three, none, never) == [200, 200, 0, 0]
    assert set(answers) == {b"low", b"high"}
    assert answers[b"high"] > 5 * answers[b"low"]


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        pytest.param(0.0, None, id="the requests that it is drawn for first are refused"),
        pytest.param(0.9, b"reserve", id="requests that another was drawn for pass it over"),
    ],
)
async def test_one_that_refuses_has_its_share_and_no_more(draw: float, expected: bytes | None) -> None:
    """A backend that cannot be had answers for its weight (Gateway API), not for others."""
    refusing, down, reserve = App("refusing", MISSING), App("down", DOWN), App("reserve")
    app = FirstConnected([[(refusing, 1), (down, 1)], [(reserve, 1)]], draw=first(draw))
    if expected is None:
        with pytest.raises(RouteRefused):
            await exchange(app, http_scope(), b"")
    else:
        assert (await exchange(app, http_scope(), b"")).body == expected


async def test_with_nobody_but_refusing_fallbacks_it_is_a_failed_connection() -> None:
    """What was tried counts, not what cannot be had."""
    down, refusing = App("down", DOWN), App("refusing", MISSING)
    with pytest.raises(NotConnected):
        await exchange(FirstConnected([[(down, 1)], [(refusing, 1)]]), http_scope(), b"")


# Resting

SLOW = ConnectTimeout("no connection in time")


async def test_one_that_was_waited_for_in_vain_is_tried_last() -> None:
    """Only the first request waits; once the time of rest is over one request finds out, and all come back."""
    now = 0.0
    main, reserve = App("main", SLOW), App("reserve")
    app = FirstConnected([[(main, 1)], [(reserve, 1)]], clock=lambda: now)
    for _ in range(3):
        assert (await exchange(app, http_scope(), b"")).body == b"reserve"
    assert called(main, reserve) == [1, 3]
    now = 10.5
    for _ in range(3):
        assert (await exchange(app, http_scope(), b"")).body == b"reserve"
    assert called(main, reserve) == [2, 6]
    main.error, now = None, 21.0
    for _ in range(3):
        assert (await exchange(app, http_scope(), b"")).body == b"main"
    assert called(main, reserve) == [5, 6]


async def test_others_do_not_wait_with_the_one_that_finds_out() -> None:
    """While one request waits for an app that may be back, the others go where they are taken."""
    now, found = 0.0, asyncio.Event()
    main, reserve = App("main", SLOW), App("reserve")

    @app_of
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        if now:
            await found.wait()
        await main(scope, receive, send)

    app = FirstConnected([[(waiting, 1)], [(reserve, 1)]], clock=lambda: now)
    await exchange(app, http_scope(), b"")
    now = 11.0
    first_one = asyncio.ensure_future(exchange(app, http_scope(), b""))
    await settled()
    assert (await exchange(app, http_scope(), b"")).body == b"reserve"
    main.error = None
    found.set()
    assert (await first_one).body == b"main"
    assert (await exchange(app, http_scope(), b"")).body == b"main"


async def test_one_that_rests_is_better_than_none() -> None:
    """When all others are down it is tried after them."""
    main, reserve = App("main", SLOW), App("reserve")
    app = FirstConnected([[(main, 1)], [(reserve, 1)]], clock=lambda: 0.0)
    await exchange(app, http_scope(), b"")
    main.error, reserve.error = None, DOWN
    assert (await exchange(app, http_scope(), b"")).body == b"main"
    assert (await exchange(app, http_scope(), b"")).body == b"main"
    assert called(main, reserve) == [3, 2]


async def test_a_share_that_is_refused_stays_one_while_others_rest() -> None:
    """A request that one which rests was drawn for is not refused for another's weight."""
    main, refusing, reserve = App("main", SLOW), App("refusing", MISSING), App("reserve")
    app = FirstConnected([[(main, 1), (refusing, 1)], [(reserve, 1)]], draw=first(0.0), clock=lambda: 0.0)
    for _ in range(2):
        assert (await exchange(app, http_scope(), b"")).body == b"reserve"
    assert called(main, refusing, reserve) == [1, 2, 2]


async def test_one_that_refuses_connections_is_always_asked() -> None:
    """That costs nothing, and so it is back at once."""
    main, reserve = App("main", DOWN), App("reserve")
    app = FirstConnected([[(main, 1)], [(reserve, 1)]], clock=lambda: 0.0)
    await exchange(app, http_scope(), b"")
    main.error = None
    assert (await exchange(app, http_scope(), b"")).body == b"main"


# Bodies


@pytest.mark.parametrize(
    ("pieces", "reads"),
    [
        pytest.param((b"",), 1, id="no body"),
        pytest.param((b"abc", b"def", b"ghi"), 0, id="nothing was read"),
        pytest.param((b"abc", b"def", b"ghi"), 1, id="one piece was read"),
        pytest.param((b"abc", b"def", b"ghi"), 2, id="two pieces were read"),
        pytest.param((b"abc", b"def", b"ghi"), None, id="all was read"),
        pytest.param((b"x" * 200_000, b"def"), 1, id="one piece was read that is more than may be kept"),
        pytest.param((b"x" * 200_000,), None, id="all was read in one piece that is more than may be kept"),
    ],
)
async def test_the_fallback_gets_the_whole_body(pieces: tuple[bytes, ...], reads: int | None) -> None:
    """What others have read of the body before they failed to connect is there again."""
    apps = [App("one", DOWN, reads=reads), App("two", DOWN, reads=reads), App("reserve")]
    app = FirstConnected([[(apps[0], 1), (apps[1], 1)], [(apps[2], 1)]])
    assert (await exchange(app, http_scope(method="POST", headers=BODY), *pieces)).body == b"reserve"
    assert apps[2].calls == [b"".join(pieces)]


async def test_a_body_that_was_read_far_is_sent_to_nobody_else() -> None:
    """An app that reads on after 64 KiB had a connection: what it says of that is not believed."""
    main, reserve = App("main", DOWN, reads=2), App("reserve")
    with pytest.raises(NotConnected):
        await exchange(FirstConnected([[(main, 1)], [(reserve, 1)]]), http_scope(), b"x" * 70_000, b"y", b"z")
    assert called(main, reserve) == [1, 0]


async def test_more_may_be_read_ahead_where_that_is_said() -> None:
    """``ahead`` bytes may be read before there is a connection."""
    main, reserve = App("main", DOWN, reads=2), App("reserve")
    app = FirstConnected([[(main, 1)], [(reserve, 1)]], ahead=100_000)
    await exchange(app, http_scope(), b"x" * 70_000, b"y", b"z")
    assert reserve.calls == [b"x" * 70_000 + b"yz"]


async def test_an_upload_streams() -> None:
    """The app that is connected gets each piece before the client sends the next one, and little is kept."""
    seen: list[int] = []

    @app_of
    async def main(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            seen.append(len(message["body"]))
            more = message["more_body"]
        await App("main")(scope, answered, send)

    async def answered() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async with Driver(FirstConnected([[(main, 1)], [(App("reserve"), 1)]]), http_scope(method="POST")) as driver:
        for number in range(1, 6):
            driver.feed(b"x" * 50_000, more=number < 5)
            await driver.until(lambda number=number: driver.asked > number or number == 5)
        await driver.end()
    assert seen == [50_000] * 5


async def test_a_client_that_leaves_while_nobody_is_connected() -> None:
    """The next app sees that the client has left."""
    begun = asyncio.Event()
    seen: list[str] = []

    @app_of
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        assert (await receive())["type"] == "http.request"
        seen.append((await receive())["type"])
        raise DOWN

    @app_of
    async def reserve(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        seen.append((await receive())["type"])

    async with Driver(FirstConnected([[(slow, 1)], [(reserve, 1)]]), http_scope()) as driver:
        driver.feed(b"")
        await begun.wait()
        driver.disconnect()
        await driver.end()
    assert seen == ["http.disconnect"] * 2


async def test_a_cancelled_reader_takes_nothing_along() -> None:
    """A piece that arrives while the first app gives up is the next one's."""

    @app_of
    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.ensure_future(receive())
        await settled()
        task.cancel()
        await settled()
        raise DOWN

    reserve = App("reserve")
    async with Driver(FirstConnected([[(watching, 1)], [(reserve, 1)]]), http_scope(headers=BODY)) as driver:
        await driver.until(lambda: driver.asked == 1)
        driver.feed(b"whole")
        await driver.end()
    assert reserve.calls == [b"whole"]


async def test_scopes_of_other_types_are_only_drawn_for() -> None:
    """They go to one of the first rank."""
    seen: list[str] = []

    def noting(name: str) -> ASGIApp:
        @app_of
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(name)

        return app

    app = FirstConnected([[(noting("main"), 1)], [(noting("reserve"), 1)]])
    async with Driver(app, {"type": "lifespan"}) as driver:
        await driver.end()
    assert seen == ["main"]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_may_begin(place: int) -> None:
    """It has the first turn whatever its weight, then come the others as ever, each once."""
    apps = [App(str(number), NotConnected(f"no {number}")) for number in range(3)]
    whole = FirstConnected([[(apps[0], 0), (apps[1], 1)], [(apps[2], 1)]])
    with pytest.raises(NotConnected, match="no 1" if place == 2 else "no 2"):
        await exchange(whole.beginning_with(place), http_scope(), b"")
    assert called(*apps) == [1 if place == 0 else 0, 1, 1]
    apps[place].error = None
    assert (await exchange(whole.beginning_with(place), http_scope(), b"")).body == str(place).encode()
    await whole.beginning_with(place).aclose()
    assert all(each.closed for each in apps)


async def test_closing_closes_all() -> None:
    """Fallbacks that were never used as well."""
    main, reserve = App("main"), App("reserve")
    await FirstConnected([[(main, 1)], [(reserve, 0)]]).aclose()
    assert main.closed and reserve.closed
