"""asgi/retry and asgi/replay: trying again while the client has seen nothing."""

import asyncio
import logging

import pytest
from starlette.types import Message, Receive, Scope, Send

from asgi_driver import Driver, Inner, app_of, exchange, http_scope, settled
from gateway_filters.asgi import retry
from gateway_filters.asgi.replay import Replay
from gateway_filters.asgi.retry import Retrying
from gateway_filters.errors import (
    ClientDisconnected,
    ConfigurationError,
    ConnectTimeout,
    NotConnected,
    UpstreamAborted,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)

pytestmark = pytest.mark.usefixtures("no_task_left")


class Scripted:
    """Reads each request and then does what the script says: answers with a status or raises."""

    def __init__(self, *script: int | Exception) -> None:
        self.bodies: list[bytes] = []
        self._script = iter(script)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append(await whole(receive))
        outcome = next(self._script)
        if isinstance(outcome, Exception):
            raise outcome
        await send({"type": "http.response.start", "status": outcome, "headers": []})
        await send({"type": "http.response.body", "body": b"answer %d" % len(self.bodies)})


async def whole(receive: Receive) -> bytes:
    """The body that ``receive`` gives."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    return body


def retrying(app: object, *, attempts: int = 2, max_body: int = 1024) -> Retrying:
    """``app`` with retries on 503, nearly without pauses."""
    return Retrying(
        app,  # pyright: ignore[reportArgumentType] - doubles are apps
        attempts=attempts,
        codes=frozenset((503,)),
        backoff=0.001,
        max_body=max_body,
    )


LOST, LATE, NONE = UpstreamUnreachable("reset"), UpstreamTimeout("late"), NotConnected("refused")


@pytest.mark.parametrize(
    ("method", "script", "expected"),
    [
        pytest.param("GET", (200,), 200, id="a good answer is not asked for twice"),
        pytest.param("GET", (LOST, 200), 200, id="a lost connection is tried again"),
        pytest.param("GET", (LATE, 200), 200, id="a timeout is tried again"),
        pytest.param("GET", (503, 200), 200, id="a listed status is tried again"),
        pytest.param("GET", (LOST, 503, 200), 200, id="reasons may differ from attempt to attempt"),
        pytest.param("GET", (500,), 500, id="a status that is not listed passes at once"),
        pytest.param("GET", (503, 503, 503), 503, id="the last answer passes as it is"),
        pytest.param("GET", (503, 503, LATE), LATE, id="the last error passes as it is"),
        pytest.param("GET", (UpstreamMalformed("x"),), UpstreamMalformed("x"), id="bad HTTP is not tried again"),
        pytest.param("GET", (UpstreamBusy("x"),), UpstreamBusy("x"), id="a full pool is not tried again"),
        pytest.param("GET", (ValueError("x"),), ValueError("x"), id="a defect is not tried again"),
        pytest.param("PUT", (LOST, LATE, 200), 200, id="PUT is idempotent"),
        pytest.param("DELETE", (LATE, 200), 200, id="DELETE is idempotent"),
        pytest.param("POST", (LOST,), LOST, id="a POST that may have been sent is not sent again"),
        pytest.param("POST", (LATE,), LATE, id="a POST without an answer in time is not sent again"),
        pytest.param("POST", (NONE, 200), 200, id="a POST without a connection was not sent"),
        pytest.param("POST", (ConnectTimeout("x"), 200), 200, id="a POST whose connection took too long neither"),
        pytest.param("POST", (503, 200), 200, id="a POST with a listed status is tried again"),
        pytest.param("POST", (NONE, 503, LATE), LATE, id="a POST may be tried again for either reason"),
        pytest.param("PATCH", (LOST,), LOST, id="PATCH is as POST"),
        pytest.param("PATCH", (503, 200), 200, id="PATCH has a listed status tried again too"),
        pytest.param("LOCK", (LATE,), LATE, id="an unknown method is as POST"),
    ],
)
async def test_what_is_tried_again(method: str, script: tuple[int | Exception, ...], expected: int | Exception) -> None:
    """Each attempt sees the whole body, and the last outcome reaches the client alone."""
    app = Scripted(*script)
    scope = http_scope(method=method)
    if isinstance(expected, Exception):
        with pytest.raises(type(expected), match=str(expected)):
            await exchange(retrying(app), scope, b"bo", b"dy")
    else:
        answer = await exchange(retrying(app), scope, b"bo", b"dy")
        assert (answer.status, answer.body) == (expected, b"answer %d" % len(script))
    assert app.bodies == [b"body"] * len(script)


async def test_a_refused_repetition_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log says why a POST was not tried again."""
    with caplog.at_level(logging.INFO, "gateway_filters"), pytest.raises(UpstreamTimeout):
        await exchange(retrying(Scripted(LATE)), http_scope(method="POST"), b"body")
    assert "POST is not tried again, since it may have been carried out: late" in caplog.text


async def test_a_method_that_nobody_knows_is_not_repeated_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """It is what a client likes to write."""
    with caplog.at_level(logging.INFO, "gateway_filters"):
        await exchange(retrying(Scripted(NONE, 503, 200)), http_scope(method="FORGED"), b"body")
        with pytest.raises(UpstreamTimeout):
            await exchange(retrying(Scripted(LATE)), http_scope(method="FORGED"), b"body")
    assert caplog.text.count("a method that nobody knows is") == 3
    assert "FORGED" not in caplog.text


@pytest.mark.parametrize(
    ("draw", "pauses"),
    [
        pytest.param(0.0, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0], id="pauses double up to ten times the first"),
        pytest.param(0.5, [0.125, 0.25, 0.5, 1.0, 1.25, 1.25], id="jitter only lengthens them"),
    ],
)
async def test_pauses(draw: float, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each retry there is a pause of at least the backoff."""
    waited: list[float] = []

    async def noted(replay: Replay, seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(retry, "_waited", noted)
    app = Retrying(Scripted(*[LOST] * 6, 200), attempts=6, backoff=0.1, draw=lambda: draw)
    assert (await exchange(app, http_scope())).status == 200
    assert waited == pytest.approx(pauses)


async def test_a_pause_takes_its_time() -> None:
    """The second attempt does not begin before the backoff is over."""
    clock, begun = asyncio.get_running_loop().time, list[float]()

    @app_of
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(clock())
        raise LOST

    with pytest.raises(UpstreamUnreachable):
        await exchange(Retrying(failing, attempts=1, backoff=0.03), http_scope())
    assert begun[1] - begun[0] > 0.029


async def test_the_first_attempt_streams() -> None:
    """A piece of the body reaches the first attempt before the client has sent the next."""
    pieces: list[Message] = []

    @app_of
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            pieces.append(await receive())

    async with Driver(retrying(reading), http_scope(method="POST")) as driver:
        for number in range(3):
            driver.feed(b"%d" % number, more=number < 2)
            await driver.until(lambda number=number: driver.asked == number + 2)
            assert pieces[-1] == {"type": "http.request", "body": b"%d" % number, "more_body": number < 2}


async def test_an_attempt_may_end_within_the_body() -> None:
    """What an attempt was still waiting for goes to the next one, and one task at most asks the client."""
    failed = asyncio.Event()
    bodies: list[bytes] = []

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not failed.is_set():
            assert (await receive())["body"] == b"one "
            pump = asyncio.ensure_future(receive())
            await settled()
            pump.cancel()
            failed.set()
            raise LOST
        bodies.append(await whole(receive))
        await Inner()(scope, receive, send)

    async with Driver(retrying(app), http_scope()) as driver:
        driver.feed(b"one ", more=True)
        await failed.wait()
        await asyncio.sleep(0.02)  # the pause is over, and the second attempt waits
        assert driver.asked == 2
        driver.feed(b"two ", more=True)
        driver.feed(b"three")
        await driver.end()
    assert bodies == [b"one two three"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param((LOST, 200), LOST, id="an error is raised at once"),
        pytest.param((503, 200), 503, id="a listed status passes as it is"),
        pytest.param((500, 200), 500, id="a status that is not listed passes, without a word"),
    ],
)
async def test_a_large_body_is_sent_once(
    script: tuple[int | Exception, ...], expected: int | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that was not kept is not sent again, and the log says so where a retry was wanted."""
    app = Scripted(*script)
    with caplog.at_level(logging.INFO, "gateway_filters"):
        if isinstance(expected, Exception):
            with pytest.raises(type(expected)):
                await exchange(retrying(app, max_body=5), http_scope(), b"abc", b"def", b"ghi")
        else:
            answer = await exchange(retrying(app, max_body=5), http_scope(), b"abc", b"def", b"ghi")
            assert answer.status == expected
    assert app.bodies == [b"abcdefghi"]
    assert ("a body of more than 5 bytes cannot be sent again" in caplog.text) is (expected != 500)


async def test_a_body_that_came_in_one_piece_is_there_again() -> None:
    """What is in memory anyway is sent again, however long it is."""
    app = Scripted(503, 200)
    assert (await exchange(retrying(app, max_body=5), http_scope(), b"abcdefghi")).status == 200
    assert app.bodies == [b"abcdefghi"] * 2


async def test_a_body_may_outgrow_the_limit_later() -> None:
    """What arrives between two attempts is not lost although it is more than may be kept."""
    bodies: list[bytes] = []

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first = await receive()
        bodies.append(first["body"])
        if len(bodies) == 1:
            raise LOST
        bodies.append(await whole(receive))
        await Inner()(scope, receive, send)

    async with Driver(retrying(app, max_body=5), http_scope()) as driver:
        driver.feed(b"abc", more=True)
        driver.feed(b"def", more=True)
        await driver.until(lambda: driver.asked == 3)
        driver.feed(b"ghi")
        await driver.end()
    assert bodies == [b"abc", b"abcdef", b"ghi"]


async def test_a_begun_answer_is_not_tried_again() -> None:
    """Once the client has seen the head of an answer, its failure is raised on."""
    calls: list[Scope] = []

    @app_of
    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope)
        await send({"type": "http.response.start", "status": 200})
        raise UpstreamTimeout("late")

    async with Driver(retrying(breaking), http_scope()) as driver:
        with pytest.raises(UpstreamTimeout):
            await driver.end()
    assert len(calls) == 1


async def test_a_refused_answer_is_not_heard_out() -> None:
    """An app whose answer is not wanted is cancelled, and nothing of its answer goes on."""
    cancelled: list[bool] = []

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if cancelled:
            await Inner()(scope, receive, send)
            return
        try:
            await send({"type": "http.response.start", "status": 503})
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    answer = await exchange(retrying(app), http_scope())
    assert (answer.status, answer.body, cancelled) == (200, b"inner", [True])


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(None, id="it may go on as if nothing had happened"),
        pytest.param(UpstreamAborted("broken off"), id="it may fail"),
    ],
)
async def test_how_a_refused_answer_ends(error: UpstreamError | None) -> None:
    """However an app takes it that its answer is refused, the next attempt is the one that counts."""
    calls: list[Scope] = []

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope)
        if len(calls) > 1:
            await Inner()(scope, receive, send)
            return
        try:
            await send({"type": "http.response.start", "status": 503})
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b"nobody hears this"})
        if error:
            raise error

    answer = await exchange(retrying(app), http_scope())
    assert (answer.status, answer.body, len(answer.messages)) == (200, b"inner", 2)


async def test_hints_pass() -> None:
    """Messages of other types pass, and do not begin an answer."""

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": []})
        raise LOST

    async with Driver(retrying(app), http_scope()) as driver:
        with pytest.raises(UpstreamUnreachable):
            await driver.end()
    assert [each["type"] for each in driver.sent] == ["http.response.early_hint"] * 3


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_a_leaving_client_is_seen_in_each_attempt(failures: int) -> None:
    """After the body each attempt, the last one too, waits for the client to leave."""
    waiting, calls = asyncio.Event(), list[Scope]()

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope)
        await whole(receive)
        if len(calls) <= failures:
            raise LOST
        waiting.set()
        assert (await receive())["type"] == "http.disconnect"
        assert (await receive())["type"] == "http.disconnect"
        raise ClientDisconnected("left")

    async with Driver(retrying(app), http_scope()) as driver:
        driver.feed(b"body")
        await waiting.wait()
        driver.disconnect()
        with pytest.raises(ClientDisconnected):
            await driver.end()
    assert len(calls) == failures + 1


async def test_a_client_that_leaves_in_a_pause_ends_it() -> None:
    """Nothing is tried again for a client that has left."""
    app = Scripted(LOST)
    async with Driver(Retrying(app, attempts=1, backoff=60), http_scope()) as driver:
        driver.feed(b"body")
        await driver.until(lambda: driver.asked == 2)
        driver.disconnect()
        with pytest.raises(ClientDisconnected):
            await driver.end()
    assert app.bodies == [b"body"]


async def test_outside_cancellation_passes() -> None:
    """A cancellation from outside ends an attempt and is no reason for another."""
    calls: list[Scope] = []

    @app_of
    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope)
        await receive()

    async with Driver(retrying(hanging), http_scope()) as driver:
        await driver.until(lambda: driver.asked == 1)
        driver.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driver.end()
    assert len(calls) == 1


async def test_an_own_timeout_error_passes() -> None:
    """A ``TimeoutError`` of the app is not taken for a refused answer."""
    with pytest.raises(TimeoutError, match="its own"):
        await exchange(retrying(Scripted(TimeoutError("its own"))), http_scope())


async def test_what_receive_raises_reaches_the_app() -> None:
    """Middleware outside may refuse a body by raising from ``receive``."""

    async def receive() -> Message:
        raise ValueError("too large")

    async def send(message: Message) -> None:
        raise AssertionError(message)

    with pytest.raises(ValueError, match="too large"):
        await retrying(Scripted())(http_scope(), receive, send)


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """Scopes of other types pass untouched."""
    inner, given = Inner(), {"type": kind}
    async with Driver(retrying(inner), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given


@pytest.mark.parametrize(("attempts", "backoff"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))])
async def test_what_cannot_work_is_refused(attempts: int, backoff: float) -> None:
    """No retry and no pause are refused at construction."""
    with pytest.raises(ConfigurationError, match="none"):
        Retrying(Inner(), attempts=attempts, backoff=backoff)


async def test_closing() -> None:
    """Closing goes on to the app inside."""
    closed: list[str] = []

    class Closable(Inner):
        async def aclose(self) -> None:
            closed.append("app")

    await retrying(Closable()).aclose()
    assert closed == ["app"]
