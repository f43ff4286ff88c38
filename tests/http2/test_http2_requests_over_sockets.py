"""http2: requests and answers on a real socket, as an app sees them and as a client does."""

import asyncio
import json

import pytest
from h2_peer import GET, POST, Answer, Field, Seen, echo, forever, hello, serving
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PriorityFrame
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.http2.faults import ErrorCode


async def answered(app: ASGIApp, fields: tuple[Field, ...] = GET) -> Answer:
    """The answer to one request."""
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, fields)
        return await peer.answer(1)


async def test_the_scope_is_that_of_any_http() -> None:
    """Version, scheme, addresses, raw path and query, Host, state; and that trailers may be sent."""
    app = Seen()
    fields = ((b":method", b"GET"), (b":path", b"/a%20b?c=d"), (b":scheme", b"https"), (b":authority", b"test:1"))
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, (*fields, (b"x-one", b"\xff")))
        await peer.answer(1)
        (scope,) = app.scopes
        assert scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "server": ("127.0.0.1", server.port),
            "client": peer.writer.get_extra_info("sockname"),
            "scheme": "http",
            "root_path": "",
            "method": "GET",
            "path": "/a b",
            "raw_path": b"/a%20b",
            "query_string": b"c=d",
            "headers": [(b"host", b"test:1"), (b"x-one", b"\xff")],
            "state": {},
            "extensions": {"http.response.trailers": {}, "gateway_filters.request_trailers": {"headers": []}},
        }
        assert app.messages == [{"type": "http.request", "body": b"", "more_body": False}]


async def test_an_answer() -> None:
    """Head and body."""
    answer = await answered(hello)
    assert answer.heads == [{b":status": b"200", b"content-type": b"text/plain"}]
    assert (answer.body, answer.reset) == (b"hello", None)


async def test_requests_side_by_side() -> None:
    """An answer that takes long holds up no other."""
    held = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await held.wait()
        await hello(scope, receive, send)

    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, (*GET[:3], (b":path", b"/slow")))
        peer.ask(3)
        assert (await peer.answer(3)).body == b"hello"
        held.set()
        assert (await peer.answer(1)).body == b"hello"


async def test_a_body_in_both_directions() -> None:
    """Piece by piece, and the end with the last one."""
    async with serving(echo) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        for piece in (b"one", b"two", b"three"):
            peer.data(1, piece)
            assert (await peer.until(DataFrame)).data == piece
        peer.data(1, b"", end=True)
        assert (await peer.answer(1)).body == b"onetwothree"


async def test_a_head_in_pieces_and_bytes_one_by_one() -> None:
    """HEADERS and CONTINUATION, padding and a priority: a request like any other."""
    app = Seen()
    async with serving(app) as server, server.connected() as peer:
        block = peer.encoder.encode(list(GET))
        first = HeadersFrame(1, block[:5], pad_length=7, flags=["END_STREAM", "PADDED", "PRIORITY"])
        sent = first.serialize() + ContinuationFrame(1, block[5:], flags=["END_HEADERS"]).serialize()
        for byte in sent:
            peer.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await peer.answer(1)).status == 200
        assert app.headers == [(b"host", b"test")]


async def test_padding_is_not_body() -> None:
    """It goes through the windows and nowhere else."""
    app = Seen()
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.send(DataFrame(1, b"abc", pad_length=200, flags=["PADDED", "END_STREAM"]))
        await peer.answer(1)
        assert app.messages == [{"type": "http.request", "body": b"abc", "more_body": False}]


async def test_trailers_of_an_answer() -> None:
    """In a head of their own behind the body, several messages of them in one (ASGI, http.response.trailers)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"message"})
        trailers: list[Message] = [
            {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": True},
            {"type": "http.response.trailers", "headers": [(b"grpc-message", b"fine")]},
        ]
        for message in trailers:
            await send(message)

    answer = await answered(app)
    assert answer.heads == [{b":status": b"200"}, {b"grpc-status": b"0", b"grpc-message": b"fine"}]
    assert (answer.body, answer.reset) == (b"message", None)


async def test_an_answer_of_trailers_only_is_one_frame() -> None:
    """What gRPC calls Trailers-Only is a head that ends its stream."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"grpc-status", b"12")]})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, POST)
        answer = await peer.answer(1)
        assert answer.heads == [{b":status": b"200", b"grpc-status": b"12"}]
        assert "END_STREAM" in peer.frames[-1].flags
        assert isinstance(peer.frames[-1], HeadersFrame)


async def test_trailers_that_were_announced_and_are_none() -> None:
    """The end comes with the body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"message"})
        await send({"type": "http.response.trailers", "headers": []})

    answer = await answered(app)
    assert (len(answer.heads), answer.body, answer.ended) == (1, b"message", True)


async def test_a_head_does_not_wait_for_its_body() -> None:
    """It leaves at the end of the turn: a stream of events is seen to have begun."""
    begun = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await begun.wait()
        await send({"type": "http.response.body", "body": b"event"})

    async with serving(app) as server, server.connected() as peer:
        peer.ask(1)
        await peer.until(HeadersFrame)
        begun.set()
        assert (await peer.answer(1)).body == b"event"


async def test_trailers_of_a_request() -> None:
    """They end the body, and stand in an extension, since ASGI has no word for them: nothing before that end."""
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        trailers = scope["extensions"]["gateway_filters.request_trailers"]["headers"]
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            seen.append((message["body"], trailers.copy()))
        assert scope["headers"] == [(b"host", b"test")]
        await hello(scope, receive, send)

    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.data(1, b"abc")
        await peer.settle()
        peer.ask(1, [(b"x-sum", b"1"), (b"x-sum", b"2")])
        assert (await peer.answer(1)).status == 200
        assert seen == [(b"abc", []), (b"", [(b"x-sum", b"1"), (b"x-sum", b"2")])]


async def test_trailers_that_are_too_large() -> None:
    """They have the limits of a head, and end their stream alone; the app sees its client leave."""
    async with serving(forever, header_bytes=200) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        peer.ask(1, [(b"x-%d" % number, b"x" * 30) for number in range(10)])
        assert (await peer.answer(1)).reset == ErrorCode.ENHANCE_YOUR_CALM
        await server.apps_ended()
        peer.ask(3)
        await peer.settle()
        assert peer.answers.get(3, Answer()).reset is None


BODILESS = [
    pytest.param(b"HEAD", 200, [(b"content-length", b"5")], id="HEAD"),
    pytest.param(b"GET", 204, [], id="204"),
    pytest.param(b"GET", 304, [(b"content-length", b"5")], id="304"),
]


@pytest.mark.parametrize(("method", "status", "headers"), BODILESS)
async def test_answers_without_a_body(method: bytes, status: int, headers: list[Field]) -> None:
    """What an app sends as one is left out."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    answer = await answered(app, ((b":method", method), *GET[1:]))
    assert answer.heads == [{b":status": b"%d" % status, **dict(headers)}]
    assert (answer.body, answer.ended) == (b"", True)


async def test_100_continue_comes_when_the_app_reads() -> None:
    """And not before; the answer follows."""
    asked = asyncio.Event()
    reads = asyncio.Event()

    async def reader(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await reads.wait()
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    async with serving(reader) as server, server.connected() as peer:
        peer.ask(1, (*POST, (b"expect", b"100-continue")), end=False)
        await asked.wait()
        await peer.settle()
        assert not peer.answers.get(1, Answer()).heads
        reads.set()
        head = await peer.until(HeadersFrame)
        assert "END_STREAM" not in head.flags
        peer.data(1, b"abc", end=True)
        answer = await peer.answer(1)
        assert [each[b":status"] for each in answer.heads] == [b"100", b"200"]
        assert answer.body == b"abc"


async def test_an_early_answer_ends_the_upload() -> None:
    """The whole answer, then NO_ERROR; what is still under way is dropped, and the connection goes on."""
    async with serving(hello) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        answer = await peer.answer(1)
        assert (answer.body, answer.ended) == (b"hello", True)
        while answer.reset is None:
            await peer.frame()
        assert answer.reset == ErrorCode.NO_ERROR
        peer.data(1, b"late")
        peer.ask(1, [(b"x-sum", b"1")])
        peer.ask(3)
        assert (await peer.answer(3)).body == b"hello"


async def broken_before(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that fails."""
    raise ValueError("before")


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says nothing."""


async def unsendable(scope: Scope, receive: Receive, send: Send) -> None:
    """An app whose head cannot be sent."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]})


@pytest.mark.parametrize("app", [broken_before, silent, unsendable])
async def test_an_app_that_fails_before_its_answer(app: ASGIApp) -> None:
    """500, and the connection goes on."""
    answer = await answered(app)
    assert (answer.status, answer.reset) == (500, None)
    assert json.loads(answer.body)["error"]["message"] == "The gateway failed."


async def broken_after(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that fails in the middle."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("after")


async def unfinished(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that stops in the middle."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def too_short(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that promises more than it sends."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await send({"type": "http.response.body", "body": b"half"})


async def too_long(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that promises less."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"7")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await send({"type": "http.response.body", "body": b"half"})


@pytest.mark.parametrize("app", [broken_after, unfinished, too_short, too_long])
async def test_an_app_that_fails_after_its_answer_began(app: ASGIApp) -> None:
    """A reset and no tidy end (T50); others on the connection do not notice."""

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["path"] == "/broken" else hello)(scope, receive, send)

    async with serving(either) as server, server.connected() as peer:
        peer.ask(1, (*GET[:3], (b":path", b"/broken")))
        answer = await peer.answer(1)
        assert (answer.status, answer.ended, answer.reset) == (200, False, ErrorCode.INTERNAL_ERROR)
        peer.ask(3)
        assert (await peer.answer(3)).body == b"hello"


async def test_connect_is_refused() -> None:
    """There are no tunnels (T4)."""
    answer = await answered(hello, ((b":method", b"CONNECT"), (b":authority", b"test:443")))
    assert answer.status == 405
    assert int(answer.heads[0][b"content-length"]) == len(answer.body)


async def test_a_head_that_is_too_large_is_431() -> None:
    """For its stream alone."""
    large = [(b"x-%d" % index, b"y" * 15_000) for index in range(5)]
    async with serving(hello) as server, server.connected() as peer:
        block = peer.encoder.encode([*GET, *large], huffman=False)
        peer.send(HeadersFrame(1, block[:16_000], flags=["END_STREAM"]))
        for at in range(16_000, len(block), 16_000):
            end = ["END_HEADERS"] if at + 16_000 >= len(block) else []
            peer.send(ContinuationFrame(1, block[at : at + 16_000], flags=end))
        assert (await peer.answer(1)).status == 431
        peer.ask(3)
        assert (await peer.answer(3)).status == 200


async def test_101_fields_are_431() -> None:
    """One more than is taken."""
    answer = await answered(hello, (*GET, *((b"x-%d" % index, b"") for index in range(97))))
    assert (answer.status, answer.ended) == (431, True)
    assert (await answered(hello, (*GET, *((b"x-%d" % index, b"") for index in range(96))))).status == 200


REFUSED = [
    pytest.param((*GET, (b"X-Upper", b"a")), id="a name in upper case"),
    pytest.param((*GET, (b"connection", b"close")), id="a field of HTTP/1.1"),
    pytest.param((GET[0], (b"a", b"b"), *GET[1:]), id="a pseudo-header after a field"),
    pytest.param((*GET, (b"host", b"other")), id="a Host that disagrees"),
    pytest.param((*GET, (b"content-length", b"1")), id="a length without a body"),
]


@pytest.mark.parametrize("fields", REFUSED)
async def test_a_malformed_request_ends_its_stream_only(fields: tuple[Field, ...]) -> None:
    """PROTOCOL_ERROR there, and no app is called for it; the next request is served (8.1.1)."""
    app = Seen()
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, fields)
        answer = await peer.answer(1)
        assert (answer.heads, answer.reset) == ([], ErrorCode.PROTOCOL_ERROR)
        peer.ask(3)
        assert (await peer.answer(3)).status == 200
        assert len(app.scopes) == 1


WRONG_LENGTHS = [
    pytest.param([b"abcd"], id="longer"),
    pytest.param([b"ab"], id="shorter"),
    pytest.param([b"ab", b"cd"], id="longer with the second frame"),
]


@pytest.mark.parametrize("pieces", WRONG_LENGTHS)
async def test_a_body_that_is_not_as_long_as_was_said(pieces: list[bytes]) -> None:
    """Smuggled bytes: the stream ends, the app sees its client leave (T27)."""
    app = Seen()
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, (*POST, (b"content-length", b"3")), end=False)
        for piece in pieces:
            peer.data(1, piece, end=piece is pieces[-1])
        assert (await peer.answer(1)).reset == ErrorCode.PROTOCOL_ERROR
        peer.ask(3)
        assert (await peer.answer(3)).status == 200
        assert {"type": "http.disconnect"} in app.messages


async def test_priorities_are_read_and_forgotten() -> None:
    """Of streams that exist and of others (5.3.2)."""
    async with serving(hello) as server, server.connected() as peer:
        peer.send(PriorityFrame(5, depends_on=3, stream_weight=7))
        peer.ask(1)
        assert (await peer.answer(1)).status == 200
