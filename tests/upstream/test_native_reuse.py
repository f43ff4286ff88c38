"""upstream/native: which connection a request gets, and which one never again."""

# pyright: reportPrivateUsage=false

import asyncio

import pytest
from scripted import OK, Peer, ask, client, get, pieces, post, serving, soon, together, upstream, whole

from gateway_filters import Clocks
from gateway_filters.errors import UpstreamUnreachable
from gateway_filters.upstream.transport import IncomingResponse, OutgoingRequest

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
CANARY = HEAD + b"content-length: 6\r\n\r\ncanary"

SURPLUS = [
    pytest.param(OK + CANARY, id="a second answer"),
    pytest.param(OK + b"H", id="one byte of a second answer"),
    pytest.param(OK + b"X", id="one byte"),
    pytest.param(OK + b"\r\n", id="a line end"),
    pytest.param(OK + b"\r\n\r\n", id="two line ends"),
    pytest.param(CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + CANARY, id="a second answer behind chunks"),
    pytest.param(CHUNKED + b"2\r\nok\r\n0\r\n\r\n\r\n", id="a line end behind chunks"),
    pytest.param(HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok" + CANARY, id="and Connection: close"),
]


@pytest.mark.parametrize("later", [pytest.param(False, id="in the same packet"), pytest.param(True, id="later")])
@pytest.mark.parametrize("answer", SURPLUS)
async def test_bytes_behind_an_answer_spoil_its_connection(answer: bytes, later: bool) -> None:
    """The first client has its answer; nobody ever sees what came behind it."""
    cut = answer.index(b"ok") + 2 + (answer.count(b"0\r\n\r\n") and 7)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer[:cut] if later else answer)
        if later:
            await asyncio.sleep(0.01)
            await peer.send(answer[cut:])

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for count in (1, 2, 3):
            assert (await ask(transport, get())).body == b"ok"
            await soon(lambda: (transport.pool.active, transport.pool.idle) == (0, 0))
            assert len(scripted.peers) == count


@pytest.mark.parametrize("status", [204, 304])
async def test_a_body_where_there_is_none_spoils_its_connection(status: int) -> None:
    """204 and 304 have no body; what follows them is surplus."""
    answer = b"HTTP/1.1 %d No\r\ncontent-length: 2\r\n\r\nok" % status
    async with upstream(serving(answer)) as scripted, client(scripted.port) as transport:
        assert [(await ask(transport, get())).body for _ in range(2)] == [b"", b""]
        assert len(scripted.peers) == 2


async def test_bytes_on_an_idle_connection_close_it() -> None:
    """An upstream that speaks without having been asked is not asked again on that connection."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await asyncio.sleep(0.02)
        await peer.send(CANARY)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        assert (await ask(transport, get())).body == b"ok"
        await soon(lambda: transport.pool.idle == 0)
        assert (await ask(transport, get())).body == b"ok"
        assert len(scripted.peers) == 2


async def test_the_last_used_connection_is_used_first() -> None:
    """Last in, first out: the surplus grows old."""
    async with upstream(together(5)) as scripted, client(scripted.port) as transport:
        await asyncio.gather(*(ask(transport, get()) for _ in range(5)))
        assert (len(scripted.peers), transport.pool.idle) == (5, 5)
        for _ in range(10):
            await ask(transport, get())
        assert sorted(len(peer.heads) for peer in scripted.peers) == [1, 1, 1, 1, 11]


async def test_idle_connections_expire() -> None:
    """An idle connection is closed after its time, and the next request has a new one."""
    async with upstream(together(3)) as scripted, client(scripted.port, expiry=0.05) as transport:
        await asyncio.gather(*(ask(transport, get()) for _ in range(3)))
        assert transport.pool.idle == 3
        await soon(lambda: transport.pool.idle == 0)
        await ask(transport, get())
        assert len(scripted.peers) == 4


async def test_a_connection_that_is_closed_while_idle_is_not_used() -> None:
    """Its end is seen when it comes; a POST goes out once, on a new connection."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(3):
            assert (await ask(transport, post(b""))).body == b"ok"
            await soon(lambda: transport.pool.idle == 0)
        assert len(scripted.heads) == 3


async def test_the_end_of_an_old_connection_is_looked_for_before_it_is_used() -> None:
    """A FIN that the loop has not read yet is seen by asking the socket, once a connection is half a second old."""
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await ended.wait()
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        (connection,) = transport.pool._idle
        transport.pool._idle[connection] -= 1
        connection.pause()  # so that the loop does not see it
        await asyncio.sleep(0.05)
        ended.set()
        await asyncio.sleep(0.05)
        assert (await ask(transport, post(b""))).body == b"ok"
        assert len(scripted.heads) == 2


RACES = [
    pytest.param("GET", None, True, id="GET"),
    pytest.param("HEAD", None, True, id="HEAD"),
    pytest.param("DELETE", None, True, id="DELETE"),
    pytest.param("PUT", b"body", True, id="PUT with a whole body"),
    pytest.param("POST", None, False, id="POST"),
    pytest.param("POST", b"body", False, id="POST with a whole body"),
    pytest.param("PATCH", b"body", False, id="PATCH"),
    pytest.param("get", None, False, id="a method that nobody knows"),
]


@pytest.mark.parametrize("by", ["FIN", "RST"])
@pytest.mark.parametrize(("method", "body", "again"), RACES)
async def test_a_kept_connection_that_is_lost_under_a_request(
    method: str, body: bytes | None, again: bool, by: str
) -> None:
    """Without a byte of an answer, what may be repeated is sent once more; a POST never."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        if peer.number == 0:
            await peer.head()
            peer.end() if by == "FIN" else peer.reset()
            return
        await peer.head()
        await peer.send(OK)

    request = get(method=method) if body is None else post(body, method=method)
    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        if again:
            assert (await ask(transport, request)).status == 200
        else:
            with pytest.raises(UpstreamUnreachable):
                await ask(transport, request)
        assert len(scripted.heads) == 2 + again


async def test_it_is_sent_again_once_only() -> None:
    """When the second connection is lost as well, that is the end of it."""

    async def script(peer: Peer) -> None:
        await peer.head()
        if peer.number == 0:
            await peer.send(OK)
            await peer.head()
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        with pytest.raises(UpstreamUnreachable):
            await ask(transport, get())
        assert len(scripted.heads) == 3


NOT_AGAIN = [
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="an interim answer"),
    pytest.param(b"H", id="one byte"),
]


@pytest.mark.parametrize("begin", NOT_AGAIN)
async def test_after_a_byte_of_an_answer_nothing_is_sent_again(begin: bytes) -> None:
    """The upstream has begun to work on the request."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        await peer.send(begin)
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        with pytest.raises(UpstreamUnreachable):
            await ask(transport, get())
        assert len(scripted.heads) == 2


async def test_a_body_in_pieces_is_not_sent_again() -> None:
    """Once a body has been asked for its pieces it cannot be had again, whatever the method."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        with pytest.raises(UpstreamUnreachable):
            await ask(transport, post(pieces(b"1", then=asyncio.Event()), method="PUT"))
        assert len(scripted.heads) == 2


async def test_a_race_of_many_requests() -> None:
    """A server that closes after each answer, at bad moments too, costs no GET its answer."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await asyncio.sleep(0.0005 * (peer.number % 7))
        peer.end()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        for _ in range(300):
            assert (await ask(transport, get())).body == b"ok"
            await asyncio.sleep(0)


async def test_a_request_that_closes_its_connection() -> None:
    """A user's own ``Connection: close`` is obeyed, whatever the answer says."""
    request = OutgoingRequest("GET", b"/", ((b"host", b"a"), (b"connection", b"close")), None)
    async with upstream(serving(OK)) as scripted, client(scripted.port) as transport:
        for count in (1, 2):
            assert (await ask(transport, request)).body == b"ok"
            assert (transport.pool.idle, len(scripted.peers)) == (0, count)


async def test_a_connection_serves_another_while_an_answer_is_still_being_read() -> None:
    """Ownership ends with the answer, not with its reader: closing the old answer later harms nobody."""
    steps = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.head()
        await peer.send(HEAD + b"content-length: 8\r\n\r\nhalf")
        await steps.wait()
        await peer.send(b"half")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        first = await transport.send(get(), Clocks())
        await soon(lambda: transport.pool.idle == 1)
        second = await transport.send(get(), Clocks())
        await first.aclose()  # the trap: its connection is busy, with somebody else's answer
        first.abandon()
        steps.set()
        assert (await whole(second)).body == b"halfhalf"
        assert len(scripted.peers) == 1


async def test_a_large_answer_is_given_back_before_it_is_read() -> None:
    """The same with bodies that a slow reader leaves behind: the first still reads all of its own."""
    large = b"x" * 60_000

    async def script(peer: Peer) -> None:
        for number in range(3):
            await peer.head()
            body = b"%d" % number + large
            await peer.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)

    async with upstream(script) as scripted, client(scripted.port) as transport:
        responses: list[IncomingResponse] = []
        for _ in range(3):
            responses.append(await transport.send(get(), Clocks()))
            await soon(lambda: transport.pool.idle == 1)
        bodies = [(await whole(each)).body for each in reversed(responses)]
        assert bodies == [b"2" + large, b"1" + large, b"0" + large]
        assert len(scripted.peers) == 1


async def test_an_answer_that_is_not_read_to_its_end_closes_its_connection() -> None:
    """What is left of it would be the next one's answer."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(HEAD + b"content-length: 8\r\n\r\nhalf")
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks())
        await response.aclose()
        await gone.wait()
        assert (transport.pool.active, transport.pool.idle) == (0, 0)
        await response.aclose()  # and again does nothing


async def test_after_aclose_new_connections_are_made() -> None:
    """``aclose`` closes what there is, in use or not, and the transport goes on."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK if peer.number != 1 else HEAD + b"content-length: 8\r\n\r\nhalf")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await ask(transport, get())
        await transport.aclose()
        await transport.aclose()
        await transport.send(get(), Clocks())
        pool = transport.pool
        await transport.aclose()
        assert (pool.active, pool.idle) == (0, 0)
        assert (await ask(transport, get())).body == b"ok"
        assert len(scripted.peers) == 3
