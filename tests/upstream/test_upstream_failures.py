"""upstream/failures: what each way of failing means, before the answer has begun and after."""

import asyncio

import httpx
import pytest
from upstream_doubles import Pieces, Raising, Recording, Wire, WireTransport, streaming

from asgi_driver import Driver, exchange, http_scope, json_error
from gateway_filters import Clocks, Upstream, UpstreamAborted

SECRET_TARGET = "/v1?key=secret-in-query"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        pytest.param(httpx.ConnectError("tail"), 503, "upstream_unreachable", id="refused is 503"),
        pytest.param(httpx.ReadError("tail"), 503, "upstream_unreachable", id="reset before the answer is 503"),
        pytest.param(httpx.WriteError("tail"), 503, "upstream_unreachable", id="broken while sending is 503"),
        pytest.param(httpx.CloseError("tail"), 503, "upstream_unreachable", id="any other network failure is 503"),
        pytest.param(httpx.RemoteProtocolError("tail"), 503, "upstream_unreachable", id="closed without a byte is 503"),
        pytest.param(httpx.PoolTimeout("tail"), 503, "upstream_busy", id="a full pool is 503"),
        pytest.param(httpx.ConnectTimeout("tail"), 504, "upstream_timeout", id="the connect clock is 504"),
        pytest.param(httpx.ReadTimeout("tail"), 504, "upstream_timeout", id="the first-byte clock is 504"),
        pytest.param(httpx.WriteTimeout("tail"), 504, "upstream_timeout", id="an upstream that does not read is 504"),
        pytest.param(httpx.LocalProtocolError("tail"), 400, "invalid_request_error", id="an unsendable request is 400"),
    ],
)
async def test_before_the_answer(
    error: httpx.TransportError, status: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the answer has begun, a failure is the table's status, with the origin in the log and no query."""
    caplog.set_level("INFO", "gateway_filters")
    upstream = Upstream("https://provider.test", transport=Raising(error))
    answer = await exchange(upstream, http_scope(SECRET_TARGET))
    assert (answer.status, json_error(answer.body)["type"]) == (status, kind)
    assert b"tail" not in answer.body
    assert "https://provider.test:443" in caplog.text
    assert "secret-in-query" not in caplog.text


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        pytest.param([b"nonsense\r\n\r\n"], 502, id="garbage is 502"),
        pytest.param([b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"], 502, id="a broken header is 502"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"], 502, id="a broken length is 502"),
        pytest.param([b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000], 502, id="an endless header is 502"),
        pytest.param([], 503, id="a connection closed without a byte is 503"),
        pytest.param([b"HTTP/1.1 200 OK\r\nA"], 503, id="a connection closed in the head is 503"),
    ],
)
async def test_malformed_from_the_wire(wire: list[bytes], status: int) -> None:
    """What httpx's own parser refuses is 502; a connection that was lost is 503."""
    upstream = Upstream("http://provider.test", transport=WireTransport(Wire(*wire)))
    assert (await exchange(upstream, http_scope())).status == status


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(httpx.ReadError("reset"), id="reset"),
        pytest.param(httpx.ReadTimeout("idle"), id="the idle clock"),
        pytest.param(httpx.RemoteProtocolError("incomplete"), id="an incomplete body"),
    ],
)
async def test_after_the_answer_began(error: Exception) -> None:
    """Once the answer has begun, a failure is raised out of the app, and no final message pretends an end."""
    before = asyncio.all_tasks()
    pieces = Pieces(b"1", error)
    upstream = Upstream("http://provider.test", transport=Recording(lambda: streaming(pieces)))
    async with Driver(upstream, http_scope()) as driver:
        driver.feed()
        with pytest.raises(UpstreamAborted) as raised:
            await driver.end()
    assert raised.value.__context__ is error
    # What errors about protocols quote is not for whoever prints a cause.
    assert raised.value.__suppress_context__
    assert (raised.value.__cause__ is error) is not isinstance(error, httpx.ProtocolError)
    assert [each["type"] for each in driver.sent] == ["http.response.start", "http.response.body"]
    assert driver.sent[-1] == {"type": "http.response.body", "body": b"1", "more_body": True}
    assert pieces.closed.is_set()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"hel"], id="fewer bytes than the length says"),
        pytest.param([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n"], id="no last chunk"),
        pytest.param([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\nX\r\n"], id="a broken chunk"),
    ],
)
async def test_truncated_from_the_wire(wire: list[bytes]) -> None:
    """A truncated or broken body never looks complete."""
    upstream = Upstream("http://provider.test", transport=WireTransport(Wire(*wire)))
    async with Driver(upstream, http_scope()) as driver:
        driver.feed()
        with pytest.raises(UpstreamAborted):
            await driver.end()
    assert all(each.get("more_body", True) for each in driver.sent)


async def test_an_answer_that_cannot_be_streamed() -> None:
    """A transport whose answer is no async stream is an abort, not an empty body."""

    class Sync(httpx.SyncByteStream):
        pass

    transport = Recording(lambda: httpx.Response(200, stream=Sync()))
    async with Driver(Upstream("http://provider.test", transport=transport), http_scope()) as driver:
        driver.feed()
        # httpx itself may refuse to close such an answer, after ours.
        with pytest.raises((UpstreamAborted, RuntimeError)):
            await driver.end()
    assert [each["type"] for each in driver.sent] == ["http.response.start"]


async def test_a_failing_transport_is_500() -> None:
    """What is no transport's error is ours: 500 in constant words."""
    answer = await exchange(Upstream("http://a.test", transport=Raising(ZeroDivisionError("tail"))), http_scope())
    assert answer.status == 500
    assert b"tail" not in answer.body


async def test_the_clocks() -> None:
    """The clocks are handed to the transport; once the answer has begun, the idle clock is the reading one."""
    transport = Recording()
    seen: list[dict[str, float]] = []

    class Looking(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(dict(request.extensions["timeout"]))
            return await transport.handle_async_request(request)

    await exchange(
        Upstream("http://a.test", transport=Looking(), clocks=Clocks(connect=1, first_byte=2, idle=3)), http_scope()
    )
    assert seen == [{"connect": 1, "read": 2, "write": 3, "pool": 1}]
    assert transport.request.extensions["timeout"]["read"] == 3
