"""upstream/httpx_adapter: httpx's documented behaviours over our own connections."""

# pyright: reportPrivateUsage=false

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted import OK, Peer, Script, closing, pieces, serving, soon, upstream

from gateway_filters.upstream import AsyncHTTP11Transport

HEAD = b"HTTP/1.1 200 OK\r\n"


def using(transport: AsyncHTTP11Transport, **options: Any) -> httpx.AsyncClient:
    """An httpx client over our transport."""
    return httpx.AsyncClient(transport=transport, **options)


async def test_a_client_gets_and_posts() -> None:
    """Everyday use: text, JSON, query, form, history of connections."""

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.head()
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
            body = await peer.reader.readexactly(length)
            answer = b'{"line": "%b", "body": %d}' % (head.split(b"\r\n")[0], len(body))
            await peer.send(
                HEAD + b"Content-Type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer
            )

    async with upstream(script) as scripted, using(AsyncHTTP11Transport()) as http:
        base = f"http://127.0.0.1:{scripted.port}"
        got = await http.get(base + "/a", params={"b": "c d"})
        assert (got.status_code, got.json()["line"], got.http_version) == (200, "GET /a?b=c+d HTTP/1.1", "HTTP/1.1")
        assert (await http.post(base, json={"a": 1})).json()["body"] == 7
        assert (await http.put(base, content=b"abc")).json()["body"] == 3
        assert len(scripted.peers) == 1


async def test_exact_bytes_in_both_directions() -> None:
    """The target of the extensions, header case and duplicates; raw headers come back as they came."""
    answer = HEAD + b"X-Case: 1\r\nx-case: 2\r\nSet-Cookie: a=1\r\ncontent-length: 0\r\n\r\n"
    async with upstream(serving(answer)) as scripted:
        transport = AsyncHTTP11Transport()
        request = httpx.Request(
            "GET",
            f"http://127.0.0.1:{scripted.port}/",
            headers=[(b"Host", b"other"), (b"X-A", b"1"), (b"x-a", b"2")],
            extensions={"target": b'/a/../%zz?"'},
        )
        response = await transport.handle_async_request(request)
        await response.aread()
        assert response.headers.raw[:3] == [(b"X-Case", b"1"), (b"x-case", b"2"), (b"Set-Cookie", b"a=1")]
        assert scripted.heads == [b'GET /a/../%zz?" HTTP/1.1\r\nHost: other\r\nX-A: 1\r\nx-a: 2\r\n\r\n']
        await transport.aclose()


async def test_what_the_client_does_still_works() -> None:
    """Redirects, cookies and decoding are the client's: they see what they need."""
    packed = gzip.compress(b"unpacked")
    moved = b"HTTP/1.1 302 Found\r\nlocation: /there\r\nset-cookie: a=1\r\ncontent-length: 0\r\n\r\n"
    there = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed
    async with upstream(serving(moved, there)) as scripted, using(AsyncHTTP11Transport()) as http:
        got = await http.get(f"http://127.0.0.1:{scripted.port}/here", follow_redirects=True)
        assert (got.text, got.url.path, [each.status_code for each in got.history]) == ("unpacked", "/there", [302])
        assert b"cookie: a=1" in scripted.heads[1].lower()
        assert len(scripted.peers) == 1


async def test_streams() -> None:
    """``client.stream``: pieces as they come, uploads from generators, connections kept after the end."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.reader.readuntil(b"0\r\n\r\n")
            await peer.send(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n")
            await asyncio.sleep(0.01)
            await peer.send(b"1\r\nb\r\n0\r\n\r\n")

    async with upstream(script) as scripted, using(AsyncHTTP11Transport()) as http:
        for _ in range(2):
            url = f"http://127.0.0.1:{scripted.port}"
            async with http.stream("POST", url, content=pieces(b"1", b"2")) as response:
                assert [piece async for piece in response.aiter_raw()] == [b"a", b"b"]
        assert len(scripted.peers) == 1


async def test_a_stream_that_is_left_closes_its_connection() -> None:
    """Leaving the block gives the rest of the answer up."""
    async with upstream(serving(HEAD + b"content-length: 9\r\n\r\nhalf")) as scripted:
        transport = AsyncHTTP11Transport()
        async with using(transport) as http:
            async with http.stream("GET", f"http://127.0.0.1:{scripted.port}") as response:
                assert response.status_code == 200
            (native,) = transport._transports.values()
            assert (native.pool.active, native.pool.idle) == (0, 0)


def stalling(begin: bytes = b"") -> Script:
    """Begins an answer and stops."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(begin)
        await peer.until_gone()

    return script


FAILURES = [
    pytest.param(closing(b""), httpx.ReadError, id="closed without a byte"),
    pytest.param(closing(b"SSH-2.0\r\n"), httpx.RemoteProtocolError, id="another protocol"),
    pytest.param(closing(HEAD + b"content-length: 9\r\n\r\nhalf"), httpx.RemoteProtocolError, id="a body cut short"),
    pytest.param(stalling(), httpx.ReadTimeout, id="no answer in time"),
    pytest.param(stalling(HEAD + b"content-length: 9\r\n\r\n"), httpx.ReadTimeout, id="no body in time"),
]


@pytest.mark.parametrize(("script", "error"), FAILURES)
async def test_failures(script: Script, error: type[httpx.TransportError]) -> None:
    """Our errors are httpx's, with ours as the cause and the request beside them."""
    timeout = httpx.Timeout(5, read=0.2)
    async with upstream(script) as scripted, using(AsyncHTTP11Transport(), timeout=timeout) as http:
        with pytest.raises(error) as raised:
            await http.get(f"http://127.0.0.1:{scripted.port}")
        assert raised.value.request.method == "GET"
        assert raised.value.__cause__ is not None


async def test_write_timeout() -> None:
    """An upstream that takes nothing of the upload."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1_000_000)

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        await asyncio.sleep(60)

    timeout = httpx.Timeout(5, write=0.2)
    async with upstream(script) as scripted, using(AsyncHTTP11Transport(), timeout=timeout) as http:
        with pytest.raises(httpx.WriteTimeout):
            await http.post(f"http://127.0.0.1:{scripted.port}", content=endless())


async def test_pool_timeout() -> None:
    """A limit of connections and nothing free."""
    transport = AsyncHTTP11Transport(limit=1)
    async with upstream(stalling()) as scripted, using(transport, timeout=httpx.Timeout(5, pool=0.1)) as http:
        url = f"http://127.0.0.1:{scripted.port}"
        first = asyncio.create_task(http.get(url))
        await soon(lambda: bool(scripted.heads))
        with pytest.raises(httpx.PoolTimeout):
            await http.get(url)
        first.cancel()


async def test_no_timeouts_at_all() -> None:
    """``timeout=None`` waits for ever."""
    async with upstream(serving(OK)) as scripted, using(AsyncHTTP11Transport(), timeout=None) as http:
        assert (await http.get(f"http://127.0.0.1:{scripted.port}")).text == "ok"


UNREACHABLE = [
    pytest.param("http://127.0.0.1:1", httpx.ConnectError, id="refused"),
    pytest.param("http://name.invalid", httpx.ConnectError, id="no such name"),
    pytest.param("ftp://127.0.0.1", httpx.UnsupportedProtocol, id="another scheme"),
]


@pytest.mark.parametrize(("url", "error"), UNREACHABLE)
async def test_what_cannot_be_reached(url: str, error: type[httpx.TransportError]) -> None:
    """Before a request is sent."""
    async with using(AsyncHTTP11Transport()) as http:
        with pytest.raises(error):
            await http.get(url)


async def test_what_cannot_be_sent() -> None:
    """A header with a line end, a body that is no async stream."""
    transport = AsyncHTTP11Transport()
    for headers, stream in (([(b"a", b"b\r\nc: d")], httpx.ByteStream(b"")), ([], httpx.SyncByteStream())):
        request = httpx.Request("GET", "http://127.0.0.1:1", headers=headers, stream=stream)
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request)


async def test_each_origin_has_its_connections(tmp_path: Path) -> None:
    """Two ports are two origins; a socket of this machine is one for all."""
    async with upstream(serving(OK)) as one, upstream(serving(OK)) as two, using(AsyncHTTP11Transport()) as http:
        for scripted in (one, two, one):
            await http.get(f"http://127.0.0.1:{scripted.port}")
        assert (len(one.peers), len(two.peers)) == (1, 1)


async def test_a_cancelled_request() -> None:
    """Cancelling closes the connection and leaves nothing behind."""
    transport = AsyncHTTP11Transport()
    async with upstream(stalling()) as scripted, using(transport) as http:
        asking = asyncio.create_task(http.get(f"http://127.0.0.1:{scripted.port}"))
        await soon(lambda: bool(scripted.heads))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (native,) = transport._transports.values()
        assert (native.pool.active, native.pool.idle) == (0, 0)


async def test_one_hundred_at_once() -> None:
    """More than httpx's own limit would allow at a time."""
    async with upstream(serving(OK)) as scripted, using(AsyncHTTP11Transport()) as http:
        url = f"http://127.0.0.1:{scripted.port}"
        answers = await asyncio.gather(*(http.get(url) for _ in range(150)))
        assert {each.text for each in answers} == {"ok"}
