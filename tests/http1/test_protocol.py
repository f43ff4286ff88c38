"""http1/protocol over real sockets: what is served, in which order, what is refused, and how waits end."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest
from served import Client, serving
from starlette.types import Message, Receive, Scope, Send

from gateway_filters.http1.limits import Limits

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
Start = list[tuple[bytes, bytes]]


async def whole(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it came to its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body, False
        body += message["body"]
        if not message["more_body"]:
            return body, True


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it got."""
    body, complete = await whole(receive)
    seen = [scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), body.decode("latin-1")]
    content = json.dumps([*seen, complete, [[n.decode(), v.decode("latin-1")] for n, v in scope["headers"]]]).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def body_of(answer: bytes) -> object:
    """The body of an answer, read as JSON."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"], id="in one read"),
        pytest.param([b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", b"hi"], id="head, then body"),
        pytest.param(
            [b"P", b"OST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r", b"\n\r\nh", b"i"], id="in pieces"
        ),
    ],
)
async def test_the_same_however_it_comes(pieces: list[bytes]) -> None:
    """What the app sees does not depend on how the bytes were cut."""
    async with serving(echo) as server:
        client = await server.client()
        for piece in pieces:
            client.send(piece)
            await asyncio.sleep(0.02)
        seen = body_of(await client.answer())
    assert seen == ["POST", "/a", "b=c", "hi", True, [["host", "h"], ["content-length", "2"]]]


async def test_trailers_are_dropped() -> None:
    """What follows a chunked body is no header field."""
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(echo) as server:
        client = await server.client()
        client.send(head + b"2\r\nhi\r\n0\r\nAuthorization: x\r\n\r\n")
        seen = body_of(await client.answer())
        client.send(GET)
        assert body_of(await client.answer()) == ["GET", "/a", "", "", True, [["host", "h"]]]
    assert seen == ["POST", "/a", "", "hi", True, [["host", "h"], ["transfer-encoding", "chunked"]]]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(10_000, id="in one write"),
        pytest.param(7, id="a few bytes at a time"),
        pytest.param(len(GET) + 3, id="across their borders"),
    ],
)
async def test_pipelined(cut: int) -> None:
    """Requests on one connection are answered in the order they came."""
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(20))

    async def late_first(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05 if scope["path"] == "/0" else 0)
        await echo(scope, receive, send)

    async with serving(late_first) as server:
        client = await server.client()
        for start in range(0, len(requests), cut):
            client.send(requests[start : start + cut])
            await asyncio.sleep(0)
        paths = [(await client.answer()).partition(b'"/')[2][:2].strip(b'"') for _ in range(20)]
    assert [int(path) for path in paths] == list(range(20))


async def test_too_many_pipelined_are_answered_in_order_or_closed() -> None:
    """Ten thousand requests at once take no memory worth the name: some are answered, then the connection ends."""
    async with serving(echo) as server:
        client = await server.client()
        client.send(GET * 10_000)
        answers = (await client.rest()).count(b"HTTP/1.1 200")
        assert 1 <= answers <= 10_000
        assert len(server.state.tasks) <= 1


async def test_what_is_malformed_behind_a_request_does_not_take_its_answer() -> None:
    """The first one is answered as if nothing had come behind it, and then the connection ends."""
    async with serving(echo) as server:
        client = await server.client()
        client.send(GET + b"nonsense\r\n\r\n")
        assert (await client.answer()).startswith(b"HTTP/1.1 200")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


async def test_what_is_malformed_behind_several_does_not_take_theirs() -> None:
    """Each whole request is answered; one whose body breaks off waits for its turn, and its app is never called."""
    broken = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await echo(scope, receive, send)

    async with serving(late) as server:
        client = await server.client()
        client.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n" + broken)
        rest = await client.rest()
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", rest) == [b"200", b"200", b"400"]
    assert [b'"/a"' in rest, b'"/b"' in rest, b'"/c"' in rest] == [True, True, False]


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(b"Content-Length: 5\r\n\r\nhello", id="with a length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n", id="in chunks"),
        pytest.param(b"Content-Length: 0\r\n\r\n", id="without a body"),
    ],
)
@pytest.mark.parametrize("cut", [pytest.param(10_000, id="in one write"), pytest.param(7, id="a few bytes at a time")])
async def test_an_h2c_upgrade_is_passed_over(framed: bytes, cut: int) -> None:
    """As some clients offer it with each first request; its body and the next request are read."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    data = b"POST /a HTTP/1.1\r\nHost: h\r\n" + offer + framed + GET
    async with serving(echo) as server:
        client = await server.client()
        for start in range(0, len(data), cut):
            client.send(data[start : start + cut])
            await asyncio.sleep(0)
        first, second = [body_of(await client.answer()) for _ in range(2)]
    assert isinstance(first, list) and first[3:5] == ["hello" if b"llo" in framed else "", True]
    assert second == ["GET", "/a", "", "", True, [["host", "h"]]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"no size\r\n", id="no size of a chunk"),
        pytest.param(b"5\r\nhelloX", id="a chunk longer than its size"),
    ],
)
async def test_what_is_refused_as_it_comes_reaches_no_app(body: bytes) -> None:
    """A body that is malformed in the very read that brought its head: nobody has begun to serve it."""
    called: list[Scope] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        called.append(scope)
        await echo(scope, receive, send)

    async with serving(noting) as server:
        client = await server.client()
        client.send(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
        await asyncio.sleep(0.01)
    assert called == []


App = Callable[[Scope, Receive, Send], Awaitable[None]]


def answering(*messages: Message, then: Exception | None = None) -> App:
    """An app that sends these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if then is not None:
            raise then

    return app


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    """The beginning of an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    """A piece of an answer."""
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.mark.parametrize(
    ("method", "app", "expected"),
    [
        pytest.param(
            b"GET",
            answering(start(200, (b"content-length", b"2")), body(b"hi")),
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            id="with a length",
        ),
        pytest.param(
            b"GET",
            answering(start(), body(b"hi", more=True), body()),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            id="without one, in chunks",
        ),
        pytest.param(
            b"HEAD",
            answering(start(200, (b"content-length", b"9")), body(b"not sent")),
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
            id="HEAD has no body",
        ),
        pytest.param(b"GET", answering(start(204), body()), b"HTTP/1.1 204 No Content\r\n\r\n", id="204 has none"),
        pytest.param(
            b"GET",
            answering(start(304, (b"content-length", b"9")), body()),
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            id="304 speaks of another body",
        ),
        pytest.param(b"GET", answering(start(599), body()), b"HTTP/1.1 599 \r\n", id="a status without a phrase"),
        pytest.param(
            b"GET",
            answering(start(200, (b"x", b"a\r\nset-cookie: b")), body()),
            b"HTTP/1.1 500 ",
            id="a header with a line end is not sent",
        ),
        pytest.param(b"GET", answering(), b"HTTP/1.1 500 ", id="no answer at all"),
        pytest.param(b"GET", answering(then=ValueError("secret")), b"HTTP/1.1 500 ", id="a failure before the answer"),
    ],
)
async def test_answers(method: bytes, app: App, expected: bytes) -> None:
    """How an answer stands on the wire."""
    async with serving(app) as server:
        client = await server.client()
        client.send(method + b" / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        got = await client.rest()
    assert got.replace(b"connection: close\r\n", b"").startswith(expected)
    assert b"secret" not in got


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(answering(start(), body(b"hi", more=True), then=OSError()), id="a failure after the start"),
        pytest.param(answering(start(), body(b"hi", more=True)), id="an app that stops in the middle"),
        pytest.param(answering(start(200, (b"content-length", b"9")), body(b"hi")), id="fewer bytes than promised"),
        pytest.param(answering(start(200, (b"content-length", b"1")), body(b"hi")), id="more bytes than promised"),
    ],
)
async def test_a_broken_answer_is_seen_to_be_broken(app: App) -> None:
    """Its end is missing, and the connection ends with it."""
    async with serving(app) as server:
        client = await server.client()
        client.send(GET)
        got = await client.rest()
    assert got.startswith(b"HTTP/1.1 200")
    assert not got.endswith(b"0\r\n\r\n")
    assert got.count(b"HTTP/1.1") == 1


async def test_100_continue_is_said_when_the_body_is_asked_for() -> None:
    """Not before: an app that refuses never has the body sent."""
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    refusing = answering(start(403, (b"content-length", b"0"), (b"connection", b"close")), body())
    async with serving(refusing) as server:
        client = await server.client()
        client.send(head)
        assert (await client.rest()).startswith(b"HTTP/1.1 403")
    async with serving(echo) as server:
        client = await server.client()
        client.send(head)
        assert await client.answer() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hi")
        assert (await client.answer()).startswith(b"HTTP/1.1 200")


async def test_an_early_answer_does_not_spoil_the_next_request() -> None:
    """What is left of a body that nobody wanted is read and dropped."""
    early = answering(start(200, (b"content-length", b"0")), body())
    async with serving(early) as server:
        client = await server.client()
        late = b"GET /smuggled HTTP/1.1\r\nHost: other\r\n\r\n"
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(late))
        assert (await client.answer()).startswith(b"HTTP/1.1 200")
        client.send(late + GET)
        assert (await client.answer()).startswith(b"HTTP/1.1 200")
        client.send(GET[:-2] + b"Connection: close\r\n\r\n")
        assert (await client.rest()).count(b"HTTP/1.1") == 1


async def test_an_early_answer_to_an_expectation_ends_the_connection() -> None:
    """The client may leave out its body now (RFC 9110 10.1.1), and its next request must not be taken for that."""
    early = answering(start(401, (b"content-length", b"0")), body())
    async with serving(early) as server:
        client = await server.client()
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 27\r\nExpect: 100-continue\r\n\r\n")
        answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 401") and b"connection: close" in answer


async def test_a_client_that_leaves_is_reported() -> None:
    """The app hears of it while it waits."""
    left = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if (await receive())["type"] == "http.disconnect":
            left.set()

    async with serving(waiting) as server:
        client = await server.client()
        client.send(GET)
        await asyncio.sleep(0.05)
        client.writer.transport.abort()
        await asyncio.wait_for(left.wait(), 1)


QUICK = Limits(head_seconds=0.2, body_idle=0.2, write_idle=0.2, keep_alive=0.2)


async def trickle(send: Callable[[bytes], None], data: bytes) -> None:
    """Send a byte every 50 ms."""
    for position in range(len(data)):
        send(data[position : position + 1])
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("begun", "slowly", "expected"),
    [
        pytest.param(b"", b"", b"", id="a connection that says nothing is closed"),
        pytest.param(
            b"", b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 100, b"HTTP/1.1 408 ", id="a head that trickles"
        ),
        pytest.param(b"\r\n", b"\r\n" * 50, b"HTTP/1.1 408 ", id="line ends that trickle are a head"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhi", b"", b"HTTP/1.1 408 ", id="a body that stops"
        ),
    ],
)
async def test_a_client_that_is_slow_is_let_go(begun: bytes, slowly: bytes, expected: bytes) -> None:
    """Deadlines are absolute for heads; a body may take long, but not stand still."""
    async with serving(echo, QUICK) as server:
        client = await server.client()
        client.send(begun)
        sending = asyncio.create_task(trickle(client.send, slowly))
        got = await client.rest()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert got[: len(expected) or None] == expected


async def test_a_head_behind_a_request_has_no_more_time() -> None:
    """It began in the read that held the end of the one before it."""
    async with serving(echo, Limits(head_seconds=0.2)) as server:
        client = await server.client()
        client.send(GET + b"GET /b HTTP/1.1\r\n")
        assert (await client.answer()).startswith(b"HTTP/1.1 200")
        assert (await client.answer()).startswith(b"HTTP/1.1 408")


async def test_a_body_below_the_least_rate_is_let_go() -> None:
    """A byte now and then keeps no connection."""
    limits = Limits(body_idle=0.3, body_rate=1000)
    async with serving(echo, limits) as server:
        client = await server.client()
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        sending = asyncio.create_task(trickle(client.send, b"x" * 100))
        got = await client.rest()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert got.startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_does_not_read_is_let_go() -> None:
    """The app that waits for it goes on, and the connection is cut."""
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            while (await asyncio.wait_for(receive(), 0.001))["type"] != "http.disconnect":
                pass
        except TimeoutError:
            pass
        for _ in range(1000):
            await send(body(b"x" * 65536, more=True))
        ended.set()

    async with serving(endless, QUICK) as server:
        client = await server.client(limit=1024)
        client.send(GET)
        await asyncio.wait_for(ended.wait(), 4)
        assert len(server.state.connections) == 0


@pytest.mark.parametrize(
    ("request_", "limits", "status"),
    [
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            Limits(body_bytes=4),
            413,
            id="a whole body",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", Limits(body_bytes=4), 413, id="a length"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            Limits(body_bytes=4),
            413,
            id="a chunk too many",
        ),
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n", Limits(), 414, id="a line that does not end"),
        pytest.param(GET[:-2] + b"X: " + b"y" * 70_000, Limits(), 431, id="a head that does not end"),
        pytest.param(GET[:-2] + b"X: y\r\n" * 100 + b"\r\n", Limits(), 431, id="too many fields"),
        pytest.param(GET[:-2] + b"X: y\r\n" * 5 + b"\r\n", Limits(fields=3), 431, id="too many fields of a plain one"),
    ],
)
async def test_too_much_is_refused(request_: bytes, limits: Limits, status: int) -> None:
    """In the OpenAI error shape, with a request id, and the connection ends."""
    async with serving(echo, limits) as server:
        client = await server.client()
        client.send(request_)
        got = await client.rest()
    assert got.startswith(b"HTTP/1.1 %d " % status)
    answer = body_of(got)
    assert isinstance(answer, dict)
    assert set(answer["error"]) == {"message", "type", "param", "code", "request_id"}  # pyright: ignore[reportUnknownArgumentType]


LONG = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5242880\r\n"


@pytest.mark.parametrize(
    ("head", "limits", "status"),
    [
        pytest.param(LONG + b"\r\n", Limits(body_bytes=10), 413, id="a body over the limit"),
        pytest.param(LONG + b"x a: 1\r\n\r\n", Limits(), 400, id="a malformed head"),
    ],
)
async def test_a_refusal_reaches_who_looks_for_it_at_the_end(head: bytes, limits: Limits, status: int) -> None:
    """Many clients send all of a body before they read: a reset would tell them nothing (RFC 9112 9.6)."""
    async with serving(echo, limits) as server:
        client = await server.client()
        client.send(head)
        for _ in range(80):
            client.send(b"x" * 65536)
            await client.writer.drain()
        assert (await client.answer()).startswith(b"HTTP/1.1 %d " % status)
        assert await client.rest() == b""


async def test_who_is_refused_and_never_stops_is_cut_off() -> None:
    """There is a second for it, not more."""

    async def go_on(client: Client) -> None:
        while True:
            client.send(b"x" * 1024)
            await client.writer.drain()
            await asyncio.sleep(0.01)

    async with serving(echo) as server:
        client = await server.client()
        client.send(LONG.replace(b"5242880", b"99999999999999") + b"x a: 1\r\n\r\n")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(go_on(client), 5)


@pytest.mark.parametrize("limits", [Limits(connections=1), Limits(connections_of_peer=1)], ids=["all", "of a peer"])
async def test_a_connection_too_many(limits: Limits) -> None:
    """It is told, and the one before goes on."""
    async with serving(echo, limits) as server:
        first, second = await server.client(), await server.client()
        assert (await second.rest()).startswith(b"HTTP/1.1 503 ")
        first.send(GET)
        assert (await first.answer()).startswith(b"HTTP/1.1 200")


async def test_peers_are_counted_while_they_are_there() -> None:
    """Who has left makes room."""
    async with serving(echo, Limits(connections_of_peer=1)) as server:
        for _ in range(3):
            client = await server.client()
            client.send(GET)
            assert (await client.answer()).startswith(b"HTTP/1.1 200")
            client.writer.close()
            await asyncio.sleep(0.05)
