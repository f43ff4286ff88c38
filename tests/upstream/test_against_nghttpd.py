"""upstream/http2 against nghttp2's own server: requests, uploads, trailers, windows, TLS, and ten thousand resets."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from http2_peer import client2
from nghttpd import needs_nghttpd, nghttpd
from scripted import ask, get, pieces, post, soon, whole

from gateway_filters import Clocks, client_context
from gateway_filters.errors import NotConnected
from gateway_filters.upstream.http2 import Http2Transport
from gateway_filters.upstream.http2.engine import Engine

pytestmark = needs_nghttpd
MEBIBYTE = 1024 * 1024


@asynccontextmanager
async def served(folder: Path, *options: str) -> AsyncGenerator[Http2Transport]:
    """Our transport to a server with a large and a small file."""
    (folder / "large").write_bytes(bytes(range(256)) * (8 * MEBIBYTE // 256))
    (folder / "small").write_bytes(b"ok")
    async with nghttpd(folder, *options) as port, client2(port, patience=50.0) as transport:
        yield transport


async def test_files(tmp_path: Path) -> None:
    """Large and small, with and without a body, there and not there."""
    async with served(tmp_path) as transport:
        assert (await ask(transport, get(b"/small"))).body == b"ok"
        assert (await ask(transport, get(b"/large"))).body == (tmp_path / "large").read_bytes()
        head = await ask(transport, get(b"/large", method="HEAD"))
        assert (head.status, head.body) == (200, b"")
        assert (b"content-length", b"8388608") in head.headers
        assert (await ask(transport, get(b"/missing"))).status == 404
        assert transport.pool.connections == 1


SERVERS = [
    pytest.param((), id="as it comes"),
    pytest.param(("--window-bits=10", "--connection-window-bits=17"), id="with small windows"),
    pytest.param(("--padding=255",), id="with padding"),
    pytest.param(("--max-concurrent-streams=3",), id="with three streams at once"),
    pytest.param(("--header-table-size=0", "--encoder-header-table-size=0"), id="without a memory for compression"),
    pytest.param(("--no-content-length", "--trailer=grpc-status: 0"), id="with trailers"),
]


@pytest.mark.parametrize("options", SERVERS)
async def test_uploads_come_back(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Whole and in pieces, many at once."""
    content = bytes(range(256)) * 800
    async with served(tmp_path, "--echo-upload", *options) as transport:

        async def one(number: int) -> None:
            request = post(content) if number % 2 else post(pieces(content[:999], content[999:]))
            response = await transport.send(request, Clocks())
            assert (await whole(response)).body == content
            assert response.trailers() == (((b"grpc-status", b"0"),) if "--no-content-length" in options else ())

        await asyncio.gather(*(one(number) for number in range(20)))


async def test_an_early_response(tmp_path: Path) -> None:
    """The answer comes while the request is still on its way."""
    async with served(tmp_path, "--early-response") as transport:
        answer = await ask(transport, post(pieces(*(bytes(100_000) for _ in range(50)))))
        assert answer.status == 404
        assert (await ask(transport, get(b"/small"))).body == b"ok"


async def test_tls(tmp_path: Path) -> None:
    """HTTP/2 by ALPN; a context that does not offer it gets no connection, and nothing in plain text."""
    authority = trustme.CA()
    (tmp_path / "small").write_bytes(b"ok")
    async with nghttpd(tmp_path, certificate=authority.issue_cert("provider.test")) as port:
        for offered in (["h2"], ["h2", "http/1.1"]):
            async with client2(port, tls=_trusting(authority, *offered)) as transport:
                assert (await ask(transport, get(b"/small"))).body == b"ok"
        for offered in (["http/1.1"], []):
            async with client2(port, tls=_trusting(authority, *offered)) as transport:
                with pytest.raises(NotConnected):
                    await ask(transport, get(b"/small"))


def _trusting(authority: trustme.CA, *offered: str) -> ssl.SSLContext:
    context = client_context(pem=authority.cert_pem.bytes().decode())
    if offered:
        context.set_alpn_protocols(offered)
    return context


async def test_ten_thousand_abandoned_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is none the worse for them, neither are we, and a bystander's stream comes through.

    One in a hundred is given up in its body, with a window of it on the way, the others before the answer.
    """

    resets = 0
    reset = Engine.reset

    def counting(engine: Engine, stream: int, code: int) -> bool:
        nonlocal resets
        resets += reset(engine, stream, code)
        return True

    async def one(transport: Http2Transport, number: int) -> None:
        sending = asyncio.ensure_future(transport.send(get(b"/large"), Clocks()))
        if number % 100:
            await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait((sending,))
        else:
            (await sending).abandon()

    monkeypatch.setattr(Engine, "reset", counting)
    async with served(tmp_path) as transport:
        bystander = await transport.send(get(b"/large"), Clocks())
        while resets < 10_000:
            assert (await ask(transport, get(b"/small"))).body == b"ok"  # on a connection with room for all of them
            await asyncio.gather(*(one(transport, number) for number in range(100)))
            assert transport.pool.connections <= 2
        assert resets >= 10_000
        assert (await whole(bystander)).body == (tmp_path / "large").read_bytes()
        await soon(lambda: transport.pool.idle == transport.pool.connections)
