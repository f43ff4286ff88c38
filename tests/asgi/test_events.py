"""asgi/events: a stream of events that breaks off says so, where nothing is made into something else by it."""

import json

import pytest
from starlette.types import Receive, Scope, Send

from asgi_driver import Driver, http_scope
from gateway_filters import ClientDisconnected, UpstreamAborted
from gateway_filters.asgi.events import EventErrors
from gateway_filters.asgi.failures import Failures

STREAM = ((b"content-type", b"text/event-stream; charset=utf-8"),)


class Breaking:
    """Sends a head and some pieces, and raises."""

    def __init__(
        self, headers: tuple[tuple[bytes, bytes], ...], *pieces: bytes, error: Exception, ended: bool = False
    ) -> None:
        self._headers = headers
        self._pieces = pieces
        self._error = error
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(self._headers)})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        raise self._error


async def _sent(app: Breaking, error: type[Exception] | None = UpstreamAborted) -> list[bytes]:
    async with Driver(Failures(EventErrors(app)), http_scope()) as driver:
        if error is None:
            await driver.end()
        else:
            with pytest.raises(error):
                await driver.end()
    return [each["body"] for each in driver.sent if each["type"] == "http.response.body"]


LINES = [
    pytest.param((), id="before its first event"),
    pytest.param((b"data: {}\n\n",), id="behind an event"),
    pytest.param((b"data: {}\r\n\r\n",), id="behind an event with CRLF"),
    pytest.param((b"data: {}\r\r",), id="behind an event with CR"),
    pytest.param((b"data: {}\n", b"\n"), id="behind an event in two pieces"),
    pytest.param((b"data: {}\r\n", b"\r", b"\n"), id="behind an event in three"),
]


@pytest.mark.parametrize("pieces", LINES)
async def test_a_stream_that_breaks_off_says_so(pieces: tuple[bytes, ...]) -> None:
    """One more event, in the shape of OpenAI's errors, and the answer is cut all the same."""
    *passed, told = await _sent(Breaking(STREAM, *pieces, error=UpstreamAborted("the reason")))
    assert tuple(passed) == pieces
    assert told.startswith(b"data: ") and told.endswith(b"\n\n") and told.count(b"\n") == 2
    error = json.loads(told.removeprefix(b"data: "))["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["type"] == "upstream_error" and b"the reason" not in told


SILENT = [
    pytest.param(STREAM, (b"data: {",), id="in the midst of an event"),
    pytest.param(STREAM, (b"data: {}\n",), id="behind a line of an event"),
    pytest.param(((b"content-type", b"application/json"),), (b"[]\n\n",), id="no stream of events"),
    pytest.param((), (), id="nothing that says what it is"),
    pytest.param((*STREAM, (b"content-encoding", b"gzip")), (b"x\n\n",), id="a packed one"),
    pytest.param((*STREAM, (b"content-length", b"100")), (b"x\n\n",), id="one whose length was told"),
]


@pytest.mark.parametrize(("headers", "pieces"), SILENT)
async def test_nothing_is_added(headers: tuple[tuple[bytes, bytes], ...], pieces: tuple[bytes, ...]) -> None:
    """Where it would be taken for a part of what was under way."""
    assert tuple(await _sent(Breaking(headers, *pieces, error=UpstreamAborted("x")))) == pieces


async def test_what_is_whole_stays_so() -> None:
    """An error behind the end of a stream is told nobody."""
    assert await _sent(Breaking(STREAM, b"x\n\n", error=UpstreamAborted("x"), ended=True)) == [b"x\n\n", b""]


async def test_nobody_is_there_to_be_told() -> None:
    """When the client has left."""
    assert await _sent(Breaking(STREAM, b"x\n\n", error=ClientDisconnected("x")), None) == [b"x\n\n"]
