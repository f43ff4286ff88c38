"""upstream/native: bodies in both directions, piece by piece, with back-pressure, side by side."""

# pyright: reportPrivateUsage=false

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from scripted import OK, Peer, Script, Steps, ask, client, get, pieces, post, soon, upstream, whole

from gateway_filters import Clocks
from gateway_filters.errors import BadRequest, UpstreamAborted, UpstreamUnreachable

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
MEBIBYTE = 1024 * 1024

UPLOADS = [
    pytest.param((b"abc",), None, b"abc", id="whole, with a length"),
    pytest.param((b"",), None, b"", id="whole and empty"),
    pytest.param((b"a", b"", b"bc"), 3, b"abc", id="in pieces, with a length"),
    pytest.param((b"a", b"", b"bc"), None, b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", id="in pieces, in chunks"),
    pytest.param((), None, b"0\r\n\r\n", id="no piece, in chunks"),
]


@pytest.mark.parametrize(("given", "length", "arrived"), UPLOADS)
async def test_an_upload(given: tuple[bytes, ...], length: int | None, arrived: bytes) -> None:
    """Bodies arrive framed as their heads say; the empty piece of a chunked one does not end it."""
    request = post(given[0]) if len(given) == 1 else post(pieces(*given), length=length)
    came: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            came.append(await peer.reader.readexactly(len(arrived)))
            await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        assert (await ask(transport, request)).body == b"ok"
        await soon(lambda: transport.pool.idle == 1)
        assert (await ask(transport, post(arrived))).body == b"ok"
        assert came == [arrived, arrived]
        assert len(scripted.peers) == 1


async def test_a_whole_body_goes_out_with_its_head() -> None:
    """One write, so one packet."""
    reads: list[bytes] = []

    async def script(peer: Peer) -> None:
        reads.append(await peer.reader.read(65536))
        await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, post(b"abc"))
        assert len(reads) == 1
        assert reads[0].endswith(b"\r\n\r\nabc")


WRONG = [
    pytest.param((b"ab",), 3, id="shorter than its length"),
    pytest.param((b"ab", b"cd"), 3, id="longer than its length"),
]


@pytest.mark.parametrize(("given", "length"), WRONG)
async def test_a_body_that_is_not_as_long_as_it_says(given: tuple[bytes, ...], length: int) -> None:
    """It is refused, and no upstream takes it for a complete one."""
    async with upstream(_never(asyncio.Event())) as scripted, client(scripted.port) as transport:
        with pytest.raises(BadRequest):
            await ask(transport, post(pieces(*given), length=length))
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_a_body_that_raises() -> None:
    """What a body raises comes out as it is, and the request breaks off."""
    async with upstream(_never(asyncio.Event())) as scripted, client(scripted.port) as transport:
        with pytest.raises(ZeroDivisionError):
            await ask(transport, post(pieces(b"1", ZeroDivisionError())))
        await soon(lambda: len(scripted.peers) == 1)
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_a_body_that_raises_after_the_answer_began() -> None:
    """The same while the answer is being read; it does not look complete after it either."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(CHUNKED + b"4\r\nhalf\r\n")

    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"1"
        await go.wait()
        raise ZeroDivisionError

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(post(body()), Clocks())
        answer = aiter(response.chunks())
        assert await anext(answer) == b"half"
        go.set()
        with pytest.raises(ZeroDivisionError):
            await anext(answer)
        with pytest.raises(UpstreamAborted):
            await anext(answer)


async def test_the_head_is_there_before_the_body() -> None:
    """An answer is handed up when its head has come, and each piece when it comes."""
    steps = Steps()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(CHUNKED)
        for number in range(3):
            await steps.passed()
            await peer.send(b"1\r\n%d\r\n" % number)
        await steps.passed()
        await peer.send(b"0\r\n\r\n")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        answer = aiter((await transport.send(get(), Clocks())).chunks())
        for number in range(3):
            steps.go()
            assert await anext(answer) == b"%d" % number
        steps.go()
        with pytest.raises(StopAsyncIteration):
            await anext(answer)


EARLY = [
    pytest.param(HEAD + b"content-length: 3\r\n\r\nbig", id="and keeps the connection"),
    pytest.param(HEAD + b"connection: close\r\ncontent-length: 3\r\n\r\nbig", id="and closes the connection"),
]


@pytest.mark.parametrize("answer", EARLY)
async def test_an_early_answer_ends_the_upload(answer: bytes) -> None:
    """An answer that is whole before the upload is handed up at once; the rest is never sent, on no connection."""
    closed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        await peer.until_gone()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        assert (await ask(transport, post(body()))).body == b"big"
        assert closed.is_set()
        assert (transport.pool.active, transport.pool.idle) == (0, 0)
        assert len(scripted.peers) == 1


async def test_an_answer_beside_the_upload() -> None:
    """Both directions go on at once, and a connection whose exchange ended in order is kept."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.send(CHUNKED)
            while (size := int(await peer.reader.readline(), 16)) > 0:
                await peer.send(b"%x\r\n" % size + (await peer.reader.readexactly(size + 2)).upper())
            await peer.reader.readline()
            await peer.send(b"0\r\n\r\n")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(2):
            heard: asyncio.Queue[bytes | None] = asyncio.Queue()

            async def body(heard: asyncio.Queue[bytes | None] = heard) -> AsyncIterator[bytes]:
                while (piece := await heard.get()) is not None:
                    yield piece

            answer = aiter((await transport.send(post(body()), Clocks())).chunks())
            for piece in (b"a", b"bc"):
                heard.put_nowait(piece)
                assert await anext(answer) == piece.upper()
            heard.put_nowait(None)
            with pytest.raises(StopAsyncIteration):
                await anext(answer)
            assert transport.pool.idle == 1
        assert len(scripted.peers) == 1


async def test_a_slow_reader_holds_the_upstream_back() -> None:
    """What waits to be read is bounded, whatever the upstream would like to send."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.head()
        await peer.send(HEAD + b"content-length: %d\r\n\r\n" % (64 * MEBIBYTE))
        for _ in range(64):
            await peer.send(bytes(MEBIBYTE))
            sent += 1

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        await asyncio.sleep(0.3)
        assert response._queued < MEBIBYTE
        held = sent
        await asyncio.sleep(0.1)
        assert sent == held < 32
        assert len((await whole(response)).body) == 64 * MEBIBYTE
        assert transport.pool.idle == 1


async def test_an_upstream_that_does_not_read_holds_the_upload_back() -> None:
    """The next piece is asked for when there is room for it."""
    asked = 0
    go = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(64):
            asked += 1
            yield bytes(MEBIBYTE)

    async def script(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        await peer.reader.readexactly(64 * MEBIBYTE)
        await peer.send(OK)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        asking = asyncio.create_task(ask(transport, post(body(), length=64 * MEBIBYTE)))
        await asyncio.sleep(0.3)
        held = asked
        await asyncio.sleep(0.1)
        assert asked == held < 32
        go.set()
        assert (await asking).body == b"ok"
        assert asked == 64


async def test_counting_never_drifts() -> None:
    """Many pauses in one stream: bytes counted in are counted out, and reading always goes on."""
    total = 20 * MEBIBYTE

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(CHUNKED)
        for number in range(total // 10_000):
            await peer.send(b"2710\r\n" + bytes([number % 251]) * 10_000 + b"\r\n")
        await peer.send(b"0\r\n\r\n")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        digest, size = hashlib.sha256(), 0
        async for number, piece in _numbered(response.chunks()):
            digest.update(piece)
            size += len(piece)
            if number % 50 == 0:
                await asyncio.sleep(0.001)
        assert (response._queued, response._paused) == (0, False)
        assert size == total // 10_000 * 10_000
        assert transport.pool.idle == 1


WHERE = [
    pytest.param(b"", id="while waiting for the head"),
    pytest.param(CHUNKED, id="while waiting for the body"),
    pytest.param(CHUNKED + b"4\r\nhalf\r\n", id="in the middle of the body"),
]


@pytest.mark.parametrize("upload", [pytest.param(False, id="GET"), pytest.param(True, id="uploading")])
@pytest.mark.parametrize("begin", WHERE)
async def test_a_cancelled_exchange_closes_its_connection(begin: bytes, upload: bool) -> None:
    """Whoever gives up takes the connection along; it is never used again, and no task stays behind."""
    gone = asyncio.Event()
    before = asyncio.all_tasks()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(begin)
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        request = post(pieces(b"1", then=asyncio.Event())) if upload else get()
        asking = asyncio.create_task(ask(transport, request))
        await soon(lambda: bool(scripted.heads))
        await asyncio.sleep(0.02)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await gone.wait()
        assert (transport.pool.active, transport.pool.idle) == (0, 0)
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before


async def test_an_upstream_that_leaves_in_the_middle_of_an_upload() -> None:
    """Without an answer it is unreachable, and the upload ends."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(4)
        peer.reset()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamUnreachable):
            await ask(transport, post(pieces(b"1" * 10, then=asyncio.Event())))
        assert len(scripted.peers) == 1


async def _numbered(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for piece in chunks:
        yield number, piece
        number += 1


def _never(event: asyncio.Event) -> Script:
    async def script(peer: Peer) -> None:
        await peer.head()
        await event.wait()

    return script
