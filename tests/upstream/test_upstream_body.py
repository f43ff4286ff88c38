"""upstream/body: bodies stream in both directions with back-pressure, and a client that leaves cancels."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send
from upstream_doubles import Pieces, Recording, Steps, Wire, WireTransport, stream_of, streaming

from asgi_driver import PATIENCE, Driver, answer_of, exchange, http_scope, settled
from gateway_filters import Upstream
from gateway_filters.errors import ClientDisconnected
from gateway_filters.upstream.body import ClientSide
from gateway_filters.upstream.departures import Departures

Handle = Callable[[httpx.Request], Awaitable[httpx.Response]]

UPLOAD = http_scope(method="POST", headers=[(b"host", b"a"), (b"transfer-encoding", b"chunked")])
UNFRAMED = http_scope(method="POST")


def driver_of(transport: httpx.AsyncBaseTransport, scope: Scope | None = None) -> Driver:
    """A driver in front of an upstream with ``transport``."""
    return Driver(Upstream("http://provider.test", transport=transport), scope or http_scope())


async def soon(event: asyncio.Event) -> None:
    """Wait for something that should happen at once."""
    async with asyncio.timeout(PATIENCE):
        await event.wait()


# Streaming


@pytest.mark.parametrize("scope", [pytest.param(UPLOAD, id="chunked"), pytest.param(UNFRAMED, id="without framing")])
async def test_the_upload_streams_with_back_pressure(scope: Scope) -> None:
    """At most one piece is asked for ahead of what the transport has taken."""
    take = asyncio.Semaphore(0)
    taken: list[bytes] = []

    async def slow(request: httpx.Request) -> httpx.Response:
        pieces = aiter(stream_of(request))
        while True:
            await take.acquire()
            try:
                taken.append(await anext(pieces))
            except StopAsyncIteration:
                return httpx.Response(200, content=b"ok")

    async with driver_of(Steps(slow), scope) as driver:
        for piece in (b"1", b"2", b"3", b"4"):
            driver.feed(piece, more=True)
        driver.feed(b"5")
        for count in range(5):
            await settled()
            assert len(taken) == count
            # After the last piece the next message can only be a disconnect, which is always asked for.
            assert driver.asked == count + 1 + (count == 4), "asked for more than one piece ahead"
            take.release()
        take.release()
        await driver.end()
    assert taken == [b"1", b"2", b"3", b"4", b"5"]


async def test_a_piece_leaves_before_the_next_one_comes() -> None:
    """The transport gets each piece of an upload when it arrives; nothing is collected."""
    taken: asyncio.Queue[bytes] = asyncio.Queue()

    async def reading(request: httpx.Request) -> httpx.Response:
        async for piece in stream_of(request):
            taken.put_nowait(piece)
        return httpx.Response(200)

    async with driver_of(Steps(reading), UPLOAD) as driver, asyncio.timeout(PATIENCE):
        driver.feed(b"1", more=True)
        assert await taken.get() == b"1"
        driver.feed(b"2", more=True)
        assert await taken.get() == b"2"
        driver.feed(b"")
        await driver.end()
    assert taken.empty()


async def test_the_answer_streams() -> None:
    """The head goes out before the first piece has come, and each piece before the next one."""
    pieces = Pieces()
    async with driver_of(Recording(lambda: streaming(pieces))) as driver:
        driver.feed()
        assert (await driver.next())["type"] == "http.response.start"
        for piece in (b"data: 1\n\n", b"data: 2\n\n"):
            pieces.put(piece)
            assert await driver.next() == {"type": "http.response.body", "body": piece, "more_body": True}
        pieces.put(None)
        await driver.end()
    assert answer_of(driver.sent).body == b"data: 1\n\ndata: 2\n\n"
    assert pieces.closed.is_set()


async def test_the_answer_streams_with_back_pressure() -> None:
    """While ``send`` waits for a slow client, no further piece is asked for."""
    pieces = Pieces(b"1", b"2", b"3", None)
    async with driver_of(Recording(lambda: streaming(pieces))) as driver:
        driver.feed()
        driver.hold()
        await driver.next()
        await settled()
        assert (len(driver.sent), pieces.given) == (1, 0)
        driver.release()
        driver.hold()
        await driver.end_or_hold(sent=2)
        await settled()
        assert (len(driver.sent), pieces.given) == (2, 1)
        driver.release()
        await driver.end()
    assert answer_of(driver.sent).body == b"123"


async def test_an_early_answer_streams_beside_the_upload() -> None:
    """An upstream may answer before it has read the upload, and both go on at once."""

    class Echo(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async def echo() -> AsyncIterator[bytes]:
                async for piece in stream_of(request):
                    yield piece.upper()

            return httpx.Response(200, content=echo())

    async with driver_of(Echo(), UPLOAD) as driver:
        assert (await driver.next())["status"] == 200
        driver.feed(b"a", more=True)
        assert (await driver.next())["body"] == b"A"
        driver.feed(b"b")
        assert (await driver.next())["body"] == b"B"
        await driver.end()


# The client leaves


async def forever(request: httpx.Request) -> httpx.Response:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def reading(request: httpx.Request) -> httpx.Response:
    """Reads the upload to its end."""
    async for _ in stream_of(request):
        pass
    return httpx.Response(200)


@pytest.mark.parametrize(
    ("handle", "scope", "fed"),
    [
        pytest.param(forever, http_scope(), [(b"", False)], id="before the first byte of the answer"),
        pytest.param(forever, UPLOAD, [(b"all", False)], id="before the first byte, the upload unread"),
        pytest.param(reading, UPLOAD, [(b"1", True)], id="during the upload"),
        pytest.param(reading, UPLOAD, [], id="before the first piece of the upload"),
        pytest.param(reading, UNFRAMED, [(b"1", True)], id="during an upload without framing"),
    ],
)
async def test_a_client_that_leaves_before_the_answer(
    handle: Handle, scope: Scope, fed: list[tuple[bytes, bool]]
) -> None:
    """A client that leaves cancels the upstream call at once; nothing is sent, raised or left behind."""
    before = asyncio.all_tasks()
    transport = Steps(handle)
    async with driver_of(transport, scope) as driver:
        for piece, more in fed:
            driver.feed(piece, more=more)
        await soon(transport.reached)
        await settled()
        driver.disconnect()
        await soon(transport.cancelled)
        await driver.end()
    assert driver.sent == []
    await settled()
    assert asyncio.all_tasks() == before


async def test_a_client_that_leaves_before_its_body_is_known() -> None:
    """Without framing, a client that leaves before the first piece never reaches the upstream."""
    before = asyncio.all_tasks()
    transport = Steps(forever)
    async with driver_of(transport, UNFRAMED) as driver:
        await driver.until(lambda: driver.asked == 1)
        driver.disconnect()
        await driver.end()
    assert not transport.reached.is_set()
    await settled()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("held", [pytest.param(False, id="waiting for a piece"), pytest.param(True, id="in send")])
async def test_a_client_that_leaves_in_the_middle(held: bool) -> None:
    """A client that leaves in the middle of the answer closes the upstream's body at once, with no final message."""
    before = asyncio.all_tasks()
    pieces = Pieces(b"1")
    async with driver_of(Recording(lambda: streaming(pieces))) as driver:
        driver.feed()
        await driver.next()
        await driver.next()
        if held:
            driver.hold()
            pieces.put(b"2")
            await driver.next()
        await settled()
        driver.disconnect()
        await soon(pieces.closed)
        await driver.end()
    assert all(each.get("more_body", True) for each in driver.sent)
    await settled()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("wire", "sent"),
    [
        pytest.param([], 0, id="before the answer"),
        pytest.param([b"HTTP/1.1 200 OK\r\n\r\n", b"1"], 2, id="in the middle of the answer"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1"], 2, id="in the middle of a known length"),
    ],
)
async def test_a_client_that_leaves_closes_the_connection(wire: list[bytes], sent: int) -> None:
    """httpx's own transport closes the connection of a client that has left, and opens a new one for the next."""
    before = asyncio.all_tasks()
    network = Wire(*wire, hangs=True)
    upstream = Upstream("http://provider.test", transport=WireTransport(network))
    for count in (1, 2):
        async with Driver(upstream, http_scope()) as driver:
            driver.feed()
            for _ in range(sent):
                await driver.next()
            await soon(network.hanging)
            driver.disconnect()
            await driver.end()
        await settled()
        assert (len(network.connected), network.closed) == (count, count)
        network.hanging.clear()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("moments", range(12))
async def test_a_disconnect_that_races_with_the_end(moments: int) -> None:
    """A client that leaves at any moment round the end of the answer does no harm."""
    before = asyncio.all_tasks()
    pieces = Pieces(b"1")
    async with driver_of(Recording(lambda: streaming(pieces))) as driver:
        driver.feed()
        await driver.next()
        await driver.next()
        pieces.put(None)
        for _ in range(moments):
            await asyncio.sleep(0)
        driver.disconnect()
        await driver.end()
        assert driver.task.cancelling() == 0
    await soon(pieces.closed)
    await settled()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("first", ["disconnect", "end"])
async def test_a_disconnect_together_with_the_end(first: str) -> None:
    """A client that leaves in the very moment in which the answer ends does no harm, whichever comes first."""
    pieces = Pieces(b"1")
    async with driver_of(Recording(lambda: streaming(pieces))) as driver:
        driver.feed()
        await driver.next()
        await driver.next()
        steps = [driver.disconnect, lambda: pieces.put(None)]
        for step in steps if first == "disconnect" else reversed(steps):
            step()
        await driver.end()
    await soon(pieces.closed)


async def test_the_task_serves_the_next_request() -> None:
    """A server may run many requests in one task: a client that left leaves no cancellation for the next one."""
    messages: list[Message] = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    task = asyncio.current_task()
    assert task is not None
    await Upstream("http://provider.test", transport=Steps(forever))(http_scope(), receive, send)
    assert task.cancelling() == 0
    await asyncio.sleep(0)
    assert (await exchange(Upstream("http://provider.test", transport=Recording()), http_scope())).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="before the answer"),
        pytest.param(b"1", id="in the middle of the answer"),
    ],
)
async def test_cancellation_from_outside(answer: bytes | None) -> None:
    """A cancellation from outside cancels the upstream call and stays a ``CancelledError``."""
    before = asyncio.all_tasks()
    pieces = Pieces(answer)
    steps = Steps(forever)
    transport = steps if answer is None else Recording(lambda: streaming(pieces))
    async with driver_of(transport) as driver:
        driver.feed()
        if answer is not None:
            await driver.next()
            await driver.next()
        await settled()
        driver.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driver.end()
    assert (steps.cancelled if answer is None else pieces.closed).is_set()
    await settled()
    assert asyncio.all_tasks() == before


async def test_cancellation_from_outside_and_a_disconnect() -> None:
    """Cancelled from outside while the client leaves, the exchange still ends as cancelled."""
    async with driver_of(Steps(forever)) as driver:
        driver.feed()
        await settled()
        driver.disconnect()
        await asyncio.sleep(0)
        driver.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await driver.end()


async def test_a_time_limit_from_outside() -> None:
    """``asyncio.timeout`` round the app works as it does round anything."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.timeout(0.01):
            await Upstream("http://provider.test", transport=Steps(forever))(scope, receive, send)

    async with Driver(limited, http_scope()) as driver:
        driver.feed()
        with pytest.raises(TimeoutError):
            await driver.end()


async def test_a_transport_that_swallows_the_cancellation() -> None:
    """A transport that answers in spite of a cancellation does no harm: the client has left."""

    async def stubborn(request: httpx.Request) -> httpx.Response:
        try:
            return await forever(request)
        except asyncio.CancelledError:
            return httpx.Response(200, content=b"late")

    async with driver_of(Steps(stubborn)) as driver:
        driver.feed()
        await settled()
        driver.disconnect()
        await driver.end()
        assert driver.task.cancelling() == 0


async def test_a_transport_that_fails_when_cancelled() -> None:
    """A transport that turns a cancellation into an error of its own does no harm either."""

    async def failing(request: httpx.Request) -> httpx.Response:
        try:
            return await forever(request)
        except asyncio.CancelledError:
            raise httpx.ReadError("closed") from None

    async with driver_of(Steps(failing)) as driver:
        driver.feed()
        await settled()
        driver.disconnect()
        await driver.end()


# What else may happen on the client's side


async def test_receive_is_called_by_one_task_at_a_time() -> None:
    """``receive`` is never called while another call of it waits."""
    waiting = 0
    feed: list[Message] = [{"type": "http.request", "body": b"1", "more_body": True}, {"type": "http.request"}]

    async def receive() -> Message:
        nonlocal waiting
        assert waiting == 0
        waiting += 1
        await asyncio.sleep(0 if feed else 60)
        waiting -= 1
        return feed.pop(0)

    async def send(message: Message) -> None:
        await asyncio.sleep(0)

    transport = Recording()
    await Upstream("http://provider.test", transport=transport)(UPLOAD, receive, send)
    assert transport.bodies == [[b"1"]]


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(http_scope(method="POST", headers=[(b"content-length", b"9")]), id="a length over the limit"),
        pytest.param(UPLOAD, id="a chunked upload over the limit"),
        pytest.param(UNFRAMED, id="an unframed upload over the limit"),
    ],
)
async def test_receive_may_raise(scope: Scope) -> None:
    """What ``receive`` raises (Starlette's body limit does) ends the exchange instead of leaving it hanging."""
    before = asyncio.all_tasks()
    transport = Steps(reading)
    app = Starlette(
        routes=[Mount("/", app=Upstream("http://provider.test", transport=transport))],
        middleware=[Middleware(RequestBodyLimitMiddleware, max_body_size=4)],
    )
    async with Driver(app, scope) as driver:
        driver.feed(b"123", more=True)
        driver.feed(b"456", more=True)
        driver.feed(b"789")
        await driver.end()
    assert answer_of(driver.sent).status >= 400
    await settled()
    assert asyncio.all_tasks() == before


async def test_receive_that_raises_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """A ``receive`` that raises once the answer is complete is nobody's business."""
    complete = asyncio.Event()

    async def receive() -> Message:
        await complete.wait()
        raise ConnectionResetError

    async def send(message: Message) -> None:
        if not message.get("more_body", True):
            complete.set()
            await settled()

    scope = http_scope(headers=[(b"host", b"a"), (b"content-length", b"0")])

    async def answering(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"ok")

    await Upstream("http://provider.test", transport=Steps(answering))(scope, receive, send)
    await settled()
    assert caplog.records == []


async def test_client_side_says_who_left() -> None:
    """Out of ``with ClientSide`` comes ``ClientDisconnected`` when the client leaves."""
    messages: list[Message] = [{"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def exchange() -> None:
        task = asyncio.current_task()
        assert task is not None
        with ClientSide(receive, Departures(asyncio.get_running_loop()), task) as client:
            await client.body(0)
            await asyncio.Event().wait()

    with pytest.raises(ClientDisconnected):
        await exchange()
