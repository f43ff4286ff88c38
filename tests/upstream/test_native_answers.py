"""upstream/native: what answers mean, byte for byte, and which are none."""

import asyncio

import pytest
from scripted import OK, Peer, Script, ask, client, closing, get, serving, upstream, whole

from gateway_filters import Clocks
from gateway_filters.errors import UpstreamAborted, UpstreamError, UpstreamMalformed, UpstreamUnreachable

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

ANSWERS = [
    pytest.param(OK, 200, b"ok", id="a length"),
    pytest.param(HEAD + b"content-length: 0\r\n\r\n", 200, b"", id="a length of nothing"),
    pytest.param(CHUNKED + b"2\r\nok\r\n1;a=b\r\n!\r\n0\r\n\r\n", 200, b"ok!", id="chunks, one with an extension"),
    pytest.param(CHUNKED + b"0\r\n\r\n", 200, b"", id="no chunk"),
    pytest.param(CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", 200, b"ok", id="trailers, which are dropped"),
    pytest.param(b"HTTP/1.1 204 No\r\n\r\n", 204, b"", id="204"),
    pytest.param(b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n", 204, b"", id="204 with a length"),
    pytest.param(b"HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n", 304, b"", id="304 with a length"),
    pytest.param(b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", id="no reason"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", id="100 before"),
    pytest.param(b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n" * 3 + OK, 200, b"ok", id="103 before, thrice"),
    pytest.param(b"HTTP/1.1 104 New\r\n\r\n" + OK, 200, b"ok", id="an interim status nobody knows"),
    pytest.param(b"HTTP/1.1 103 Hints\r\nConnection: close\r\n\r\n" + OK, 200, b"ok", id="103 that speaks of the end"),
    pytest.param(OK.replace(b" OK", " é".encode("latin-1")), 200, b"ok", id="a reason beyond ASCII"),
    pytest.param(b"HTTP/1.1 599 Odd\r\ncontent-length: 2\r\n\r\nok", 599, b"ok", id="599"),
]


@pytest.mark.parametrize("cut", [pytest.param(False, id="at once"), pytest.param(True, id="byte by byte")])
@pytest.mark.parametrize(("answer", "status", "body"), ANSWERS)
async def test_an_answer(answer: bytes, status: int, body: bytes, cut: bool) -> None:
    """However it is cut into packets, an answer is the same, and its connection serves the next request."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            for piece in [answer[at : at + 1] for at in range(len(answer))] if cut else [answer]:
                await peer.send(piece)
                await asyncio.sleep(0)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(2):
            answered = await ask(transport, get())
            assert (answered.status, answered.body) == (status, body)
        # The last line end of chunks or of a bare head, in a packet of its own, cannot be told from a surplus one.
        assert cut or len(scripted.peers) == 1


TO_THE_END = [
    pytest.param(HEAD + b"\r\nall of it", b"all of it", id="neither length nor chunks"),
    pytest.param(HEAD + b"connection: keep-alive\r\n\r\nit", b"it", id="and it wants to be kept"),
    pytest.param(b"HTTP/1.0 200 OK\r\n\r\nall of it", b"all of it", id="HTTP/1.0"),
    pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", id="HTTP/1.0 with a length"),
    pytest.param(HEAD + b"content-length: 2\r\nconnection: x, Close\r\n\r\nok", b"ok", id="Connection: close"),
    pytest.param(HEAD + b"\r\n", b"", id="nothing before the end"),
]


@pytest.mark.parametrize(("answer", "body"), TO_THE_END)
async def test_an_answer_that_ends_its_connection(answer: bytes, body: bytes) -> None:
    """It is whole when the connection is closed properly, and the next request has a connection of its own."""
    async with upstream(closing(answer)) as scripted, client(scripted.port) as transport:
        for count in (1, 2):
            assert (await ask(transport, get())).body == body
            assert len(scripted.peers) == count
            assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_http_1_0_that_is_kept_alive() -> None:
    """An HTTP/1.0 server that says so keeps its connection."""
    answer = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"
    async with upstream(serving(answer)) as scripted, client(scripted.port) as transport:
        assert [(await ask(transport, get())).body for _ in range(3)] == [b"ok"] * 3
        assert len(scripted.peers) == 1


HEADS_ASKED_FOR = [
    pytest.param(HEAD + b"content-length: 1000\r\n\r\n", 1, id="a length"),
    pytest.param(HEAD + b"content-length: 0\r\n\r\n", 1, id="a length of nothing"),
    pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\n", 1, id="chunks"),
    pytest.param(HEAD + b"\r\n", 3, id="no framing, which costs the connection"),
    pytest.param(HEAD + b"content-length: 2\r\n\r\nok", 3, id="a body all the same, which costs it as well"),
]


@pytest.mark.parametrize(("answer", "connections"), HEADS_ASKED_FOR)
async def test_head(answer: bytes, connections: int) -> None:
    """The answer to HEAD ends with its head, whatever that announces."""
    async with upstream(serving(answer)) as scripted, client(scripted.port) as transport:
        for _ in range(3):
            answered = await ask(transport, get(method="HEAD"))
            assert (answered.status, answered.body) == (200, b"")
            await asyncio.sleep(0.01)
        assert len(scripted.peers) == connections


async def test_get_after_head_on_one_connection() -> None:
    """A parser that waited for the body of a HEAD would take the next answer for it."""
    script = serving(HEAD + b"content-length: 2\r\n\r\n", OK)
    async with upstream(script) as scripted, client(scripted.port) as transport:
        assert (await ask(transport, get(method="HEAD"))).body == b""
        assert [(await ask(transport, get())).body for _ in range(2)] == [b"ok", b"ok"]
        assert len(scripted.peers) == 1


async def test_headers_come_as_they_are() -> None:
    """Order, duplicates and bytes beyond ASCII stay; names are in lower case, and as they came beside it."""
    fields = b"X-One: 1\r\nSet-Cookie: a=1\r\nx-empty:\r\nset-cookie: b=\xe4\r\nx-blanks: \t a b \t\r\n"
    answer = HEAD + fields + b"content-length: 0\r\n\r\n"
    async with upstream(serving(answer)) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        assert response.headers == (
            (b"x-one", b"1"),
            (b"set-cookie", b"a=1"),
            (b"x-empty", b""),
            (b"set-cookie", b"b=\xe4"),
            (b"x-blanks", b"a b"),
            (b"content-length", b"0"),
        )
        assert [name for name, _ in response.fields[:2]] == [b"X-One", b"Set-Cookie"]
        await response.aclose()


MALFORMED = [
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="another protocol"),
    pytest.param(b"\x00\xff" * 500, id="binary rubbish"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a request"),
    pytest.param(b"HTTP/1.1 abc OK\r\n\r\n", id="a status that is no number"),
    pytest.param(b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n", id="a status below 100"),
    pytest.param(b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n", id="a status above 599"),
    pytest.param(b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", id="another version"),
    pytest.param(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nabc", id="101"),
    pytest.param(b"HTTP/1.1 101 Switching\r\n\r\n", id="101 without an upgrade"),
    pytest.param(HEAD + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok", id="two lengths"),
    pytest.param(HEAD + b"content-length: 2, 2\r\n\r\nok", id="a list of lengths"),
    pytest.param(HEAD + b"content-length: x\r\n\r\nok", id="a length that is none"),
    pytest.param(HEAD + b"content-length: -1\r\n\r\nok", id="a negative length"),
    pytest.param(HEAD + b"content-length: 99999999999999999999999\r\n\r\nok", id="a length beyond all bounds"),
    pytest.param(HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok", id="length, then chunks"),
    pytest.param(HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\nok", id="chunks, then length"),
    pytest.param(HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="gzip inside chunks"),
    pytest.param(HEAD + b"transfer-encoding: identity\r\n\r\n", id="another coding"),
    pytest.param(HEAD + b"bad header\r\n\r\n", id="a header without a colon"),
    pytest.param(HEAD + b": a\r\n\r\n", id="a header without a name"),
    pytest.param(HEAD + b"a : b\r\n\r\n", id="a blank before the colon"),
    pytest.param(HEAD + b"a: b\r\n c\r\n\r\n", id="a folded header"),
    pytest.param(HEAD + b"a: b\x00c\r\n\r\n", id="a NUL in a header"),
    pytest.param(HEAD + b"a: b\x01c\r\n\r\n", id="a control byte in a header"),
    pytest.param(HEAD + b"a: b\rc\r\n\r\n", id="a bare CR in a header"),
    pytest.param(b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", id="bare LFs"),
    pytest.param(HEAD + b"a: " + b"b" * 70_000, id="a head that never ends"),
    pytest.param(HEAD + b"a: " + b"b" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n", id="a head of more than 64 KiB"),
    pytest.param(HEAD + b"a: b\r\n" * 100 + b"content-length: 0\r\n\r\n", id="more than 100 fields, as in Envoy"),
    pytest.param(b"HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n", id="a NUL in the reason"),
    pytest.param(b"HTTP/1.1 200 \x1b[31m\r\ncontent-length: 0\r\n\r\n", id="a control byte in the reason"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, id="interim answers without end"),
]


@pytest.mark.parametrize("answer", MALFORMED)
async def test_what_is_no_answer(answer: bytes) -> None:
    """It is refused before anything of it is handed up, and its connection is closed."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamMalformed):
            await ask(transport, get())
        await gone.wait()
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


def test_what_is_large_but_no_larger_passes() -> None:
    """The bounds themselves: 100 fields."""

    async def main() -> int:
        answer = HEAD + b"a: b\r\n" * 99 + b"content-length: 2\r\n\r\nok"
        async with upstream(serving(answer)) as scripted, client(scripted.port) as transport:
            return len((await ask(transport, get())).headers)

    assert asyncio.run(main()) == 100


LOST = [
    pytest.param(b"", id="without a byte"),
    pytest.param(b"HTTP/1.1 20", id="in the status line"),
    pytest.param(HEAD + b"content-le", id="in the head"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="after an interim answer"),
]


@pytest.mark.parametrize("by", ["FIN", "RST"])
@pytest.mark.parametrize("begin", LOST)
async def test_a_connection_lost_before_the_answer(begin: bytes, by: str) -> None:
    """It is unreachable, and nothing is sent twice: the connection was new."""
    async with upstream(_dying(begin, by)) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamUnreachable):
            await ask(transport, get())
        assert len(scripted.heads) == 1


BROKEN = [
    pytest.param(HEAD + b"content-length: 9\r\n\r\nhalf", id="fewer bytes than the length says"),
    pytest.param(CHUNKED + b"4\r\nhalf\r\n", id="no last chunk"),
    pytest.param(CHUNKED + b"9\r\nhalf", id="half a chunk"),
    pytest.param(CHUNKED + b"4\r\nhalf\r\n0\r\n", id="half an end"),
]


@pytest.mark.parametrize("by", ["FIN", "RST"])
@pytest.mark.parametrize("begin", BROKEN)
async def test_an_answer_that_breaks_off(begin: bytes, by: str) -> None:
    """What came is handed up, then the break."""
    dies = asyncio.Event()
    async with upstream(_dying(begin, by, dies)) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        assert await anext(aiter(response.chunks())) == b"half"
        dies.set()
        for _ in range(2):  # and it stays broken
            with pytest.raises(UpstreamAborted):
                await whole(response)
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


BAD_CHUNKS = [
    pytest.param(b"-1\r\n", id="a negative size"),
    pytest.param(b"0x2\r\nab\r\n", id="a size with a prefix"),
    pytest.param(b"2 \r\nab\r\n", id="a blank behind the size"),
    pytest.param(b"2\nab\n", id="bare LFs"),
    pytest.param(b"2\r\nabX\r\n", id="no line end behind the data"),
    pytest.param(b"fffffffffffffffff\r\n", id="a size beyond all bounds"),
    pytest.param(b"0\r\nbad trailer\r\n\r\n", id="a trailer without a colon"),
    pytest.param(b"0\r\na: " + b"b" * 70_000, id="trailers without end"),
    pytest.param(b"1;" + b"b" * 140_000, id="an extension without end"),
]


@pytest.mark.parametrize("chunk", BAD_CHUNKS)
async def test_chunks_that_are_none(chunk: bytes) -> None:
    """A body whose framing breaks is an answer that breaks off."""
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(CHUNKED + b"4\r\nhalf\r\n")
        await more.wait()
        await peer.send(chunk)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        assert await anext(aiter(response.chunks())) == b"half"
        more.set()
        with pytest.raises(UpstreamAborted):
            await whole(response)


async def test_an_answer_that_is_broken_at_once_is_never_handed_up() -> None:
    """When the break is known before the head is handed up, there is still time for another status."""
    async with upstream(closing(CHUNKED + b"4\r\nhalf\r\nX")) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamError):
            await transport.send(get(), Clocks())


async def test_a_reset_after_an_end_by_the_connection_is_a_break() -> None:
    """A body without framing that ends in a RST has no end."""
    dies = asyncio.Event()
    async with upstream(_dying(HEAD + b"\r\nhalf", "RST", dies)) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        assert await anext(aiter(response.chunks())) == b"half"
        dies.set()
        with pytest.raises(UpstreamAborted):
            await whole(response)


def _dying(begin: bytes, by: str, when: asyncio.Event | None = None) -> Script:
    async def script(peer: Peer) -> None:
        await peer.head()
        if begin:
            await peer.send(begin)
            await asyncio.sleep(0.01)
        if when is not None:
            await when.wait()
        peer.end() if by == "FIN" else peer.reset()

    return script
