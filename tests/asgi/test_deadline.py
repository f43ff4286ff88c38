"""asgi/deadline: a limit on the time of a whole call."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from asgi_driver import Driver, Inner, app_of, exchange, http_scope
from gateway_filters.asgi.deadline import Deadline
from gateway_filters.errors import ConfigurationError, UpstreamAborted, UpstreamTimeout, UpstreamUnreachable

pytestmark = pytest.mark.usefixtures("no_task_left")

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PIECE: Message = {"type": "http.response.body", "body": b"piece", "more_body": True}
END: Message = {"type": "http.response.body", "body": b"end"}


class Hanging:
    """Sends some messages and hangs; knows whether it was cancelled."""

    def __init__(self, *before: Message) -> None:
        self.cancelled = False
        self._before = before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self._before:
            await send(message)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.mark.parametrize(
    ("before", "error"),
    [
        pytest.param((), UpstreamTimeout, id="before the answer it is a timeout"),
        pytest.param(({"type": "http.response.early_hint"},), UpstreamTimeout, id="a hint does not begin an answer"),
        pytest.param((START,), UpstreamAborted, id="after the head it is an abort"),
        pytest.param((START, PIECE), UpstreamAborted, id="within the body it is an abort"),
    ],
)
async def test_expiry(before: tuple[Message, ...], error: type[Exception]) -> None:
    """When the time is over the app is cancelled, and the error says whether the answer had begun."""
    app = Hanging(*before)
    async with Driver(Deadline(app, 0.01), http_scope()) as driver:
        with pytest.raises(error, match=r"0\.01 seconds"):
            await driver.end()
    assert app.cancelled
    assert driver.sent == list(before)


async def test_a_client_that_does_not_read_counts() -> None:
    """Time spent in ``send`` is time of the call."""
    async with Driver(Deadline(Inner(), 0.01), http_scope()) as driver:
        driver.hold()
        with pytest.raises(UpstreamAborted):
            await driver.end()


async def test_a_complete_answer_is_no_failure() -> None:
    """An app that hangs after the whole answer is cancelled, and nobody is told."""
    app = Hanging(START, END)
    async with Driver(Deadline(app, 0.01), http_scope()) as driver:
        await driver.end()
    assert app.cancelled


async def test_in_time() -> None:
    """An app that keeps within its time answers as if nothing were round it."""
    assert (await exchange(Deadline(Inner(), 1), http_scope())).body == b"inner"


@pytest.mark.parametrize("error", [TimeoutError("its own"), UpstreamUnreachable("refused")])
async def test_errors_pass(error: Exception) -> None:
    """What the app raises in time passes, a ``TimeoutError`` of its own too."""

    @app_of
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        await exchange(Deadline(failing, 1), http_scope())


async def test_outside_cancellation_passes() -> None:
    """A cancellation from outside stays one and reaches the app."""
    app = Hanging(START)
    async with Driver(Deadline(app, 1), http_scope()) as driver:
        await driver.next()
        driver.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driver.end()
    assert app.cancelled


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """Scopes of other types have no deadline and pass untouched."""
    inner, given = Inner(), {"type": kind}
    async with Driver(Deadline(inner, 0.01), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_no_time_is_refused(seconds: float) -> None:
    """A deadline that nothing can keep is refused at construction."""
    with pytest.raises(ConfigurationError, match="above 0"):
        Deadline(Inner(), seconds)


async def test_closing() -> None:
    """Closing goes on to the app inside."""
    closed: list[str] = []

    class Closable(Inner):
        async def aclose(self) -> None:
            closed.append("app")

    await Deadline(Closable(), 1).aclose()
    assert closed == ["app"]
