"""asgi/failures: an error is an answer before the answer has begun, and an abort from then on."""

import asyncio
import logging
import re

import pytest
from starlette.types import Receive, Scope, Send

from asgi_driver import Driver, Inner, app_of, exchange, http_scope, json_error
from gateway_filters import (
    BadRequest,
    ClientDisconnected,
    RouteRefused,
    SecretUnavailable,
    UpstreamAborted,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway_filters.asgi.failures import Failures
from gateway_filters.asgi.filtered import FilteredApp
from gateway_filters.errors import BadFraming
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead


class Failing:
    """Sends some messages and raises."""

    def __init__(self, error: BaseException, *before: str, body: bytes = b"") -> None:
        self._error = error
        self._before = before
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for kind in self._before:
            await send({"type": kind, "status": 200, "headers": [], "body": self._body, "more_body": True})
        raise self._error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(BadRequest("tail"), 400, id="a bad request is 400"),
        pytest.param(RouteRefused("tail"), 500, id="a refused route is 500"),
        pytest.param(SecretUnavailable("tail"), 503, id="a missing secret is 503"),
        pytest.param(UpstreamUnreachable("tail"), 503, id="an unreachable upstream is 503"),
        pytest.param(UpstreamBusy("tail"), 503, id="a full pool is 503"),
        pytest.param(UpstreamMalformed("tail"), 502, id="a malformed answer is 502"),
        pytest.param(UpstreamTimeout("tail"), 504, id="a clock is 504"),
        pytest.param(UpstreamError("tail"), 502, id="any other upstream failure is 502"),
        pytest.param(UpstreamAborted("tail"), 502, id="an aborted answer that never began is 502"),
        pytest.param(ValueError("tail"), 500, id="anything unexpected is 500"),
    ],
)
async def test_before_the_start(error: Exception, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Before the answer has begun the client gets the table's status and constant words."""
    with caplog.at_level(logging.INFO, "gateway_filters"):
        answer = await exchange(Failures(Failing(error)), http_scope())
    assert answer.status == status
    assert json_error(answer.body)["type"]
    assert b"tail" not in answer.body
    assert "tail" in caplog.text


async def test_framing_that_two_could_read_differently_ends_the_connection() -> None:
    """Nobody knows where such a request ends, so nothing behind it is read (RFC 9112 6.1)."""
    answer = await exchange(Failures(Failing(BadFraming("twice"))), http_scope())
    assert (answer.status, answer.values(b"connection")) == (400, [b"close"])


async def test_an_unexpected_error_leaves_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is logged with its traceback, and its text is not in the line of the answer."""
    with caplog.at_level(logging.INFO, "gateway_filters"):
        await exchange(Failures(Failing(ValueError("tail"))), http_scope())
    trace, line = caplog.records
    assert trace.exc_info
    assert "ValueError" in line.getMessage()
    assert "tail" not in line.getMessage()


@pytest.mark.parametrize("error", [UpstreamAborted("broke off"), ValueError("unexpected"), BadRequest("late")])
async def test_after_the_start(error: Exception) -> None:
    """Once the answer has begun the error is raised on, and nothing more is sent."""
    app = Failures(Failing(error, "http.response.start", "http.response.body"))
    async with Driver(app, http_scope()) as driver:
        with pytest.raises(type(error)):
            await driver.end()
    assert [each["type"] for each in driver.sent] == ["http.response.start", "http.response.body"]
    assert driver.sent[-1]["more_body"]


BROKEN = [
    pytest.param(UpstreamAborted("it ended early"), "it ended early", id="in our words, where they are ours"),
    pytest.param(ValueError("x-secret: 1"), "ValueError", id="else by the kind of the error alone"),
]


@pytest.mark.parametrize(("error", "reason"), BROKEN)
async def test_what_breaks_off_is_told_in_the_log(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with how far it came and a request id (F7)."""
    app = Failures(Failing(error, "http.response.start", "http.response.body", "http.response.body", body=b"12345"))
    with caplog.at_level(logging.INFO, "gateway_filters"):
        async with Driver(app, http_scope()) as driver:
            with pytest.raises(type(error)):
                await driver.end()
    (record,) = caplog.records
    line = rf"an answer broke off after 10 bytes of its body: {re.escape(reason)} \[request [0-9a-f]{{16}}\]"
    assert re.fullmatch(line, record.getMessage())


async def test_a_hint_is_no_start() -> None:
    """Only ``http.response.start`` begins an answer: after an early hint a failure can still be answered."""
    answer = await exchange(Failures(Failing(UpstreamTimeout("late"), "http.response.early_hint")), http_scope())
    assert answer.status == 504


@pytest.mark.parametrize("before", [(), ("http.response.start",)])
async def test_nobody_is_told_of_a_disconnect(before: tuple[str, ...]) -> None:
    """When the client has left, nothing is sent and nothing raised."""
    async with Driver(Failures(Failing(ClientDisconnected("gone"), *before)), http_scope()) as driver:
        await driver.end()
    assert [each["type"] for each in driver.sent] == list(before)


async def test_cancellation_passes() -> None:
    """A cancellation is no failure: it goes through unanswered."""
    async with Driver(Failures(Failing(asyncio.CancelledError())), http_scope()) as driver:
        with pytest.raises(asyncio.CancelledError):
            await driver.end()
    assert driver.sent == []


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """Scopes of other types are not watched: the app gets the server's own ``send``, its errors pass."""
    given = {"type": kind}
    inner = Inner()
    async with Driver(Failures(inner), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given
    async with Driver(Failures(Failing(BadRequest("no"))), given) as driver:
        with pytest.raises(BadRequest):
            await driver.end()


async def test_a_good_answer_passes() -> None:
    """An app that does not fail answers as if nothing were round it."""

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"created"})

    answer = await exchange(Failures(app), http_scope())
    assert (answer.status, answer.headers, answer.body) == (201, [(b"a", b"b")], b"created")


class Forgetful(Filter):
    """A filter that gives nothing back."""

    __slots__ = ()

    def on_request(self, head: RequestHead) -> RequestHead:
        """Forget to return the head."""
        return None  # type: ignore[return-value] # pyright: ignore[reportReturnType]


async def test_a_filter_that_gives_nothing_lets_nothing_pass() -> None:
    """It is 500, the app behind it is not called, and the next request is served as before."""
    inner = Inner()
    answer = await exchange(Failures(FilteredApp(inner, (Forgetful(),))), http_scope())
    assert answer.status == 500
    assert b"None" not in answer.body
    assert not inner.scopes
    assert (await exchange(Failures(FilteredApp(inner, ())), http_scope())).status == 200
