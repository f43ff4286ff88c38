"""asgi/mirror: copies of requests, whose answers and failures nobody waits for."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from asgi_driver import PATIENCE, Driver, Inner, app_of, exchange, http_scope, settled
from gateway_filters.asgi import mirror
from gateway_filters.asgi.mirror import Mirroring
from gateway_filters.asgi.retry import Retrying
from gateway_filters.errors import ConfigurationError, UpstreamTimeout

pytestmark = pytest.mark.usefixtures("no_task_left")


class Reading:
    """Reads everything up to the end of the body or the client's departure, and answers."""

    def __init__(self, status: int = 200) -> None:
        self.scopes: list[Scope] = []
        self.messages: list[Message] = []
        self.done = asyncio.Event()
        self.cancelled = False
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        try:
            while not self.messages or self.messages[-1].get("more_body"):
                self.messages.append(await receive())
            await send({"type": "http.response.start", "status": self._status})
            await send({"type": "http.response.body", "body": b"read"})
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.done.set()

    @property
    def body(self) -> bytes:
        """The body as it was read."""
        return b"".join(each.get("body", b"") for each in self.messages)


class Hanging:
    """Never reads and never ends; says how it ended after all."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_a_copy() -> None:
    """A mirror gets the same scope, as a copy, and the same body; its answer is nobody's."""
    main, copy = Reading(), Reading(500)
    given = http_scope("/v1?q", method="POST")
    answer = await exchange(Mirroring(main, [(copy, 1.0)]), given, b"bo", b"dy")
    await asyncio.wait_for(copy.done.wait(), PATIENCE)
    await settled()
    assert (answer.status, answer.body) == (200, b"read")
    assert (main.body, copy.body) == (b"body", b"body")
    assert copy.scopes == [given] and copy.scopes[0] is not given
    assert main.scopes[0] is given


@pytest.mark.parametrize(
    ("shares", "draws", "expected"),
    [
        pytest.param((1.0,), (0.999,), (1,), id="a share of 1 copies each request"),
        pytest.param((0.0,), (0.0,), (0,), id="a share of 0 copies none"),
        pytest.param((0.3,), (0.29,), (1,), id="a draw below the share copies"),
        pytest.param((0.3,), (0.3,), (0,), id="a draw at the share does not"),
        pytest.param((0.5, 0.5), (0.9, 0.1), (0, 1), id="each mirror draws for itself"),
        pytest.param((0.5, 0.5), (0.1, 0.2), (1, 1), id="several mirrors may be drawn"),
    ],
)
async def test_shares(shares: tuple[float, ...], draws: tuple[float, ...], expected: tuple[int, ...]) -> None:
    """A mirror's share is the part of the requests that it gets."""
    numbers: Iterator[float] = iter(draws)
    copies = [Reading() for _ in shares]
    app = Mirroring(Reading(), list(zip(copies, shares, strict=True)), draw=lambda: next(numbers))
    await exchange(app, http_scope())
    await settled()
    assert tuple(len(copy.scopes) for copy in copies) == expected


async def test_without_a_copy_nothing_is_watched() -> None:
    """A request that is not copied passes with the server's own callables."""
    inner, given = Inner(), http_scope()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await Mirroring(inner, [(Reading(), 0.0)])(given, receive, send)
    assert inner.sends == [send]
    assert inner.scopes[0] is given


async def test_the_copy_streams() -> None:
    """A mirror gets each piece when the main app reads it, before the client sends the next."""
    copy = Reading()
    async with Driver(Mirroring(Reading(), [(copy, 1.0)]), http_scope(method="POST")) as driver:
        driver.feed(b"one", more=True)
        await driver.until(lambda: driver.asked == 2)
        await settled()
        assert copy.messages == [{"type": "http.request", "body": b"one", "more_body": True}]
        driver.feed(b"two")
        await driver.end()
    await asyncio.wait_for(copy.done.wait(), PATIENCE)
    assert copy.body == b"onetwo"
    await settled()


async def test_a_mirror_outlives_the_request() -> None:
    """The main answer is complete while the mirror is still at work, and does not end it."""
    copy, may_end = Reading(), asyncio.Event()

    @app_of
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await may_end.wait()
        await copy(scope, receive, send)

    answer = await exchange(Mirroring(Reading(), [(slow, 1.0)]), http_scope(), b"body")
    assert answer.status == 200
    may_end.set()
    await asyncio.wait_for(copy.done.wait(), PATIENCE)
    assert copy.body == b"body" and not copy.cancelled
    await settled()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(UpstreamTimeout("late"), "late", id="an error of ours is told in its own words"),
        pytest.param(ValueError("tail"), "ValueError", id="any other by its name"),
    ],
)
async def test_failures(error: Exception, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """A mirror's failure is for the debug log alone."""

    @app_of
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with caplog.at_level(logging.DEBUG, "gateway_filters"):
        answer = await exchange(Mirroring(Inner(), [(failing, 1.0)]), http_scope())
        await settled()
    assert answer.body == b"inner"
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, f"a copy of a request failed: {words}")


async def test_a_lagging_mirror(caplog: pytest.LogCaptureFixture) -> None:
    """A mirror that falls too far behind is cancelled, and the main app never waits for it."""
    main, hanging = Reading(), Hanging()
    with caplog.at_level(logging.INFO, "gateway_filters"):
        async with Driver(Mirroring(main, [(hanging, 1.0)], lag=5), http_scope(method="POST")) as driver:
            await settled()
            for piece in (b"abc", b"def", b"ghi"):
                driver.feed(piece, more=piece != b"ghi")
            await driver.end()
    await settled()
    assert hanging.ended.is_set()
    assert main.body == b"abcdefghi"
    assert caplog.messages == ["a mirror is more than 5 bytes behind: its copy is given up"]


async def test_a_mirror_given_up_does_not_see_an_end() -> None:
    """What a mirror that was given up reads after that is the client's departure, never a whole body."""
    rest: list[Message] = []
    may_read = asyncio.Event()

    @app_of
    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await may_read.wait()
        except asyncio.CancelledError:
            rest.append(await receive())

    async with Driver(Mirroring(Reading(), [(stubborn, 1.0)], lag=1), http_scope(method="POST")) as driver:
        await settled()
        driver.feed(b"abc", more=True)
        driver.feed(b"def")
        await driver.end()
    await settled()
    assert rest == [{"type": "http.disconnect"}]


async def test_a_mirror_that_has_ended_gathers_nothing() -> None:
    """A mirror that answers without reading is not behind."""
    copy, main = Inner(), Reading()
    async with Driver(Mirroring(main, [(copy, 1.0)], lag=1), http_scope(method="POST")) as driver:
        await settled()
        driver.feed(b"a body")
        await driver.end()
    assert len(copy.scopes) == 1 and main.body == b"a body"


async def test_a_limit_of_time() -> None:
    """A copy ends when its time is over."""
    hanging = Hanging()
    await exchange(Mirroring(Reading(), [(hanging, 1.0)], patience=0.01), http_scope())
    await asyncio.wait_for(hanging.ended.wait(), PATIENCE)
    await settled()


async def test_a_limit_of_number(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """While too many copies are running, requests are served and not copied."""
    monkeypatch.setattr(mirror, "_MOST", 1)
    hanging = Hanging()
    app = Mirroring(Reading(), [(hanging, 1.0)])
    await exchange(app, http_scope())
    with caplog.at_level(logging.INFO, "gateway_filters"):
        app.app = main = Reading()
        assert (await exchange(app, http_scope())).status == 200
    assert main.body == b"" and caplog.messages == ["1 copies of requests are running: this one is not copied"]
    await app.aclose()


LENGTH_4, LENGTH_0 = (b"content-length", b"4"), (b"content-length", b"0")
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    ("version", "headers", "last"),
    [
        pytest.param("1.1", [LENGTH_4], "http.disconnect", id="a body with a length is not whole"),
        pytest.param("1.1", [CHUNKED], "http.disconnect", id="a chunked body is not whole"),
        pytest.param("2", [], "http.disconnect", id="HTTP/2 may have a body without a length"),
        pytest.param("1.1", [], "http.request", id="without framing HTTP/1.1 has no body to miss"),
        pytest.param("2", [LENGTH_0], "http.request", id="a length of 0 is no body to miss"),
    ],
)
async def test_a_main_app_that_does_not_read(version: str, headers: list[tuple[bytes, bytes]], last: str) -> None:
    """What the main app leaves unread, the mirror never gets: it sees the client leave, if there was a body."""
    copy = Reading()
    await exchange(Mirroring(Inner(), [(copy, 1.0)]), http_scope(headers=headers, http_version=version), b"body")
    await asyncio.wait_for(copy.done.wait(), PATIENCE)
    assert [each["type"] for each in copy.messages] == [last]
    await settled()


async def test_a_client_that_leaves_within_the_body() -> None:
    """A body that breaks off breaks off for the mirror too."""
    copy = Reading()
    async with Driver(Mirroring(Reading(), [(copy, 1.0)]), http_scope(method="POST")) as driver:
        driver.feed(b"half", more=True)
        driver.disconnect()
        await driver.end()
    await asyncio.wait_for(copy.done.wait(), PATIENCE)
    assert copy.body == b"half" and copy.messages[-1] == {"type": "http.disconnect"}
    await settled()


async def test_a_client_that_leaves_after_the_body() -> None:
    """A client that does not wait for its answer takes nothing from the mirror."""
    copy, left = Reading(), asyncio.Event()
    seen: list[Message] = []

    @app_of
    async def main(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        left.set()

    @app_of
    async def mirrored(scope: Scope, receive: Receive, send: Send) -> None:
        await left.wait()
        await copy(scope, receive, send)
        seen.append(await receive())

    app = Mirroring(main, [(mirrored, 1.0)])
    async with Driver(app, http_scope(method="POST")) as driver:
        driver.feed(b"body")
        driver.disconnect()
        await driver.end()
    await asyncio.wait_for(copy.done.wait(), PATIENCE)
    await settled()
    assert copy.body == b"body" and seen == []
    await app.aclose()


async def test_closing() -> None:
    """Closing ends the copies that still run, and closes all apps."""
    closed: list[str] = []

    class Closable(Hanging):
        async def aclose(self) -> None:
            closed.append("app")

    copy, main = Closable(), Closable()
    app = Mirroring(main, [(copy, 1.0)])
    async with Driver(app, http_scope()):
        await copy.begun.wait()
        await app.aclose()
    assert copy.ended.is_set()
    assert closed == ["app", "app"]


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """Scopes of other types are not copied and pass untouched."""
    inner, copy, given = Inner(), Inner(), {"type": kind}
    async with Driver(Mirroring(inner, [(copy, 1.0)]), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given
    assert copy.scopes == []


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
async def test_a_share_that_is_none_is_refused(share: float) -> None:
    """A share must be a part of the requests."""
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        Mirroring(Inner(), [(Inner(), share)])


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        pytest.param((0.9, 0.1, 0.1), 0, id="what is not drawn at first is not drawn later"),
        pytest.param((0.1, 0.9, 0.9), 1, id="what is drawn at first is copied once"),
    ],
)
async def test_a_share_is_one_of_requests(draws: tuple[float, ...], expected: int) -> None:
    """However often a request is tried, it is drawn for once."""
    numbers, copy, tried = iter(draws), Reading(), 0

    @app_of
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal tried
        tried += 1
        await Reading(503 if tried < 3 else 200)(scope, receive, send)

    mirroring = Mirroring(failing, [(copy, 0.5)], draw=lambda: next(numbers))
    app = Retrying(mirroring, attempts=2, backoff=0.001, codes=frozenset((503,)))
    assert (await exchange(app, http_scope(method="POST"), b"body")).status == 200
    await settled()
    assert tried == 3
    assert len(copy.scopes) == expected
