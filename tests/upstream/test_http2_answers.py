"""upstream/http2: what an answer is, and what is none; a bad one is the error of its stream alone."""

import asyncio

import pytest
from h2.errors import ErrorCodes
from http2_peer import Pairs, Peer, Request, client2, ok, serving, upstream2
from hypothesis import given
from hypothesis import strategies as st
from scripted import Steps, ask, get, pieces, post, soon, whole

from gateway_filters import Clocks
from gateway_filters.errors import UpstreamAborted, UpstreamMalformed, UpstreamUnreachable
from gateway_filters.upstream.http2.answer_fields import AnswerFields, trailer_fields

GOOD: list[object] = [
    pytest.param(200, (), b"ok", id="a body without a length"),
    pytest.param(200, ((b"content-length", b"2"),), b"ok", id="a body with its length"),
    pytest.param(200, ((b"content-length", b"0"),), b"", id="a length of nothing"),
    pytest.param(599, (), b"", id="any status"),
    pytest.param(200, ((b"set-cookie", b"a"), (b"set-cookie", b"b")), b"", id="two cookies"),
    pytest.param(200, ((b"x", b"\xe4 \xff"),), b"", id="a value is bytes"),
    pytest.param(200, (), bytes(range(256)) * 2000, id="500 kB"),
]


@pytest.mark.parametrize(("status", "headers", "body"), GOOD)
async def test_an_answer(status: int, headers: Pairs, body: bytes) -> None:
    """Status, header pairs and every byte."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, status, headers, ends=not body)
        for start in range(0, len(body), 10_000):
            await peer.until(lambda: peer.h2.local_flow_control_window(request.stream) >= 10_000)
            peer.data(request.stream, body[start : start + 10_000], ends=start + 10_000 >= len(body))

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        answer = await ask(transport, get())
        assert (answer.status, answer.headers, answer.body) == (status, headers, body)
        assert transport.pool.idle == 1


BODILESS = [
    pytest.param("HEAD", 200, id="an answer to HEAD"),
    pytest.param("GET", 204, id="204"),
    pytest.param("GET", 304, id="304"),
]


@pytest.mark.parametrize(("method", "status"), BODILESS)
async def test_a_length_without_a_body(method: str, status: int) -> None:
    """It is that of the body there would have been."""
    headers = ((b"content-length", b"1000"),)

    def answers(peer: Peer, request: Request) -> None:
        peer.head(request.stream, status, headers, ends=True)

    async with upstream2(serving(answers)) as upstream, client2(upstream.port) as transport:
        answer = await ask(transport, get(method=method))
        assert (answer.status, answer.headers, answer.body) == (status, headers, b"")


async def test_interim_answers_are_passed_over() -> None:
    """100 and 103, however many; the first final one counts (RFC 9110 15.2)."""

    def answers(peer: Peer, request: Request) -> None:
        peer.head(request.stream, 100)
        peer.head(request.stream, 103, ((b"link", b"</a.css>"),))
        peer.answer(request, status=201)

    async with upstream2(serving(answers)) as upstream, client2(upstream.port) as transport:
        answer = await ask(transport, get())
        assert (answer.status, answer.headers, answer.body) == (201, (), b"ok")


async def test_a_whole_answer_is_at_hand() -> None:
    """One that has come with its head needs no second look."""
    async with upstream2(serving(ok)) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        assert response.at_hand() == b"ok"
        assert response.trailers() == ()
        assert transport.pool.idle == 1


async def test_pieces_come_as_they_are_sent() -> None:
    """Nothing waits for more."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        for number in range(3):
            await steps.passed()
            peer.data(request.stream, b"event %d" % number, ends=number == 2)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        assert response.at_hand() is None
        came: list[bytes] = []
        steps.go()
        async for piece in response.chunks():
            came.append(piece)
            steps.go()
        assert came == [b"event 0", b"event 1", b"event 2"]


TRAILERS = [
    pytest.param(b"", ((b"grpc-status", b"0"), (b"grpc-message", b"")), id="gRPC's, without a message"),
    pytest.param(b"\0\0\0\0\2ok", ((b"grpc-status", b"13"), (b"grpc-status-details-bin", b"CA0")), id="gRPC's"),
]


@pytest.mark.parametrize(("body", "trailers"), TRAILERS)
async def test_trailers(body: bytes, trailers: Pairs) -> None:
    """They are there once the body has ended."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200, ((b"content-type", b"application/grpc"),))
        await asyncio.sleep(0.01)
        if body:
            peer.data(request.stream, body)
        peer.h2.send_headers(request.stream, trailers, end_stream=True)
        peer.flush()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(headers=((b"host", b"a"), (b"te", b"trailers"))), Clocks())
        assert response.trailers() == ()
        assert (await whole(response)).body == body
        assert response.trailers() == trailers
        assert upstream.requests[0].value(b"te") == b"trailers"


# Bad answers, beside a good one on the same connection


def first(peer: Peer, request: Request, fields: Pairs) -> None:
    """Send fields that the library would refuse to send."""
    peer.h2.config.validate_outbound_headers = False
    peer.h2.config.normalize_outbound_headers = False
    peer.h2.send_headers(request.stream, fields)
    peer.flush()


STATUS = (b":status", b"200")
HEADS: list[object] = [
    pytest.param((), id="no field at all"),
    pytest.param(((b"a", b"b"),), id="no status"),
    pytest.param(((b"a", b"b"), STATUS), id="the status behind a field"),
    pytest.param((STATUS, STATUS), id="two statuses"),
    pytest.param(((b":status", b"99"),), id="a status of two digits"),
    pytest.param(((b":status", b"600"),), id="a status that is none"),
    pytest.param(((b":status", b"2oo"),), id="a status that is no number"),
    pytest.param(((b":status", b"101"),), id="another protocol"),
    pytest.param((STATUS, (b":path", b"/")), id="a pseudo-header field of requests"),
    pytest.param((STATUS, (b"X-Upper", b"1")), id="a name in capitals"),
    pytest.param((STATUS, (b"", b"1")), id="a field without a name"),
    pytest.param((STATUS, (b"a b", b"1")), id="a blank in a name"),
    pytest.param((STATUS, (b"connection", b"close")), id="a field of the connection"),
    pytest.param((STATUS, (b"transfer-encoding", b"chunked")), id="a framing of HTTP/1.1"),
    pytest.param((STATUS, (b"x", b"a\r\nset-cookie: b")), id="a line end in a value"),
    pytest.param((STATUS, (b"x", b"a\0b")), id="NUL in a value"),
    pytest.param((STATUS, (b"content-length", b"-1")), id="a length that is none"),
    pytest.param((STATUS, (b"content-length", b"1"), (b"content-length", b"1")), id="two lengths"),
    pytest.param((STATUS, (b"content-length", b"1" * 30)), id="a length of 30 digits"),
    pytest.param((STATUS, *((b"x", b"1") for _ in range(101))), id="more than 100 fields"),
]


@pytest.mark.parametrize("fields", HEADS)
def test_what_is_no_head(fields: Pairs) -> None:
    """It is refused; the words repeat no value."""
    with pytest.raises(UpstreamMalformed) as caught:
        AnswerFields(fields)
    assert "cookie" not in str(caught.value)


@pytest.mark.parametrize("fields", [each for each in HEADS if each is not HEADS[0]])
async def test_a_malformed_head_is_its_streams_alone(fields: Pairs) -> None:
    """502 for that one; a stream beside it goes on, and the connection with it."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        good, bad = await peer.request(), await peer.request()
        peer.head(good.stream, 200)
        first(peer, bad, fields)
        await steps.passed()
        peer.data(good.stream, b"good", ends=True)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        good = asyncio.create_task(transport.send(get(b"/good"), Clocks()))
        await soon(lambda: len(upstream.requests) == 1)
        with pytest.raises(UpstreamMalformed):
            await transport.send(get(b"/bad"), Clocks())
        steps.go()
        assert (await whole(await good)).body == b"good"
        peer = upstream.peers[0]
        await soon(lambda: peer.resets == [(3, ErrorCodes.PROTOCOL_ERROR)])
        assert len(upstream.peers) == 1


LENGTHS = [
    pytest.param(5, (b"abc",), b"abc", id="shorter than it says"),
    pytest.param(5, (), b"", id="nothing at all"),
    pytest.param(3, (b"abc", b"d"), b"abc", id="longer than it says"),
]


@pytest.mark.parametrize(("length", "sent", "came"), LENGTHS)
async def test_a_body_that_is_not_as_long_as_its_head_says(length: int, sent: tuple[bytes, ...], came: bytes) -> None:
    """It breaks off, and nothing else does: other streams go on, and the connection serves again."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200, ((b"content-length", b"%d" % length),))
        for piece in sent:
            await steps.passed()
            peer.data(request.stream, piece)
        await steps.passed()
        peer.h2.end_stream(request.stream)
        peer.flush()
        peer.answer(await peer.request())

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        chunks = aiter(response.chunks())
        for _ in came[:1]:
            steps.go()
            assert await anext(chunks) == came
        steps.go()
        steps.go()
        with pytest.raises(UpstreamAborted, match="its body is"):
            await anext(chunks)
        await response.aclose()
        assert (await ask(transport, get())).body == b"ok"
        assert len(upstream.peers) == 1


async def test_what_is_broken_before_anybody_has_seen_it() -> None:
    """It never begins: whoever asked can still be told so."""

    def answers(peer: Peer, request: Request) -> None:
        peer.answer(request, b"abc", headers=((b"content-length", b"5"),))

    async with upstream2(serving(answers)) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamAborted, match="its body is shorter"):
            await transport.send(get(), Clocks())


async def test_a_body_where_there_can_be_none() -> None:
    """An answer to HEAD with one breaks off."""

    def answers(peer: Peer, request: Request) -> None:
        peer.head(request.stream, 200)
        peer.data(request.stream, b"x", ends=True)

    async with upstream2(serving(answers)) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamAborted):
            await ask(transport, get(method="HEAD"))


RESETS = [
    pytest.param(False, ErrorCodes.INTERNAL_ERROR, UpstreamUnreachable, "INTERNAL_ERROR", id="before the answer"),
    pytest.param(False, ErrorCodes.NO_ERROR, UpstreamUnreachable, "NO_ERROR", id="before the answer, for no error"),
    pytest.param(False, 0xABCD, UpstreamUnreachable, "code 0xabcd", id="before the answer, for a reason of its own"),
    pytest.param(True, ErrorCodes.CANCEL, UpstreamAborted, "CANCEL", id="in the middle of the body"),
    pytest.param(True, ErrorCodes.REFUSED_STREAM, UpstreamAborted, "REFUSED_STREAM", id="refused too late"),
]


@pytest.mark.parametrize(("begun", "code", "error", "words"), RESETS)
async def test_a_stream_that_the_upstream_ends(
    begun: bool, code: ErrorCodes | int, error: type[Exception], words: str
) -> None:
    """Its error is the stream's; the connection stays."""

    def answers(peer: Peer, request: Request) -> None:
        if request.value(b":path") == b"/good":
            ok(peer, request)
            return
        if begun:
            peer.head(request.stream, 200)
        peer.h2.reset_stream(request.stream, code)
        peer.flush()

    async with upstream2(serving(answers)) as upstream, client2(upstream.port) as transport:
        with pytest.raises(error, match=words):
            await ask(transport, get(b"/bad"))
        assert (await ask(transport, get(b"/good"))).body == b"ok"
        assert len(upstream.peers) == 1


@pytest.mark.parametrize("resets", [True, False], ids=["and ends the request", "and lets us end the request"])
async def test_an_answer_before_the_request_is_complete(resets: bool) -> None:
    """It is the answer, the upload stops, and nothing is left of it (RFC 9113 8.1)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.until(lambda: bool(request.body))
        peer.answer(request, b"enough", status=413)
        if resets:
            peer.h2.reset_stream(request.stream, ErrorCodes.NO_ERROR)
            peer.flush()
        peer.answer(await peer.whole_request())

    never = asyncio.Event()
    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        answer = await ask(transport, post(pieces(b"x" * 1000, then=never)))
        assert (answer.status, answer.body) == (413, b"enough")
        assert (await ask(transport, get())).body == b"ok"
        assert len(upstream.peers) == 1
        assert upstream.peers[0].resets in ([], [(1, ErrorCodes.NO_ERROR)])


BAD_TRAILERS: list[object] = [
    pytest.param(((b":status", b"200"),), id="a pseudo-header field"),
    pytest.param(((b"X", b"1"),), id="a name in capitals"),
    pytest.param(((b"x", b"a\nb"),), id="a line end"),
]


@pytest.mark.parametrize("fields", BAD_TRAILERS)
async def test_malformed_trailers(fields: Pairs) -> None:
    """The answer breaks off."""
    with pytest.raises(UpstreamMalformed):
        trailer_fields(fields)

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        peer.data(request.stream, b"x")
        peer.h2.config.validate_outbound_headers = False
        peer.h2.config.normalize_outbound_headers = False
        peer.h2.send_headers(request.stream, fields, end_stream=True)
        peer.flush()

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamAborted):
            await ask(transport, get())


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=8))
def test_whatever_comes_is_a_head_or_malformed(fields: list[tuple[bytes, bytes]]) -> None:
    """Nothing else is ever raised, and what passes is fit for HTTP/1.1."""
    try:
        answer = AnswerFields(fields)
    except UpstreamMalformed:
        return
    for name, value in answer.headers:
        assert name == name.lower() and name.strip() == name and b":" not in name
        assert not set(value) & set(b"\r\n\0")
