"""http1/sips over real sockets, plain and over TLS: long bodies come in small pieces, and nothing else is different."""

import asyncio
import hashlib
import ssl
from typing import Any

import pytest
import trustme
from served import serving
from starlette.types import Receive, Scope, Send

from gateway_filters.http1.sips import SIP

CA = trustme.CA()
BODY = b"".join(b"%15d;" % number for number in range(100_000))
LENGTH = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loops that people use."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def tls(request: pytest.FixtureRequest) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """The contexts of a server called h, and of its clients."""
    if not request.param:
        return None
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.issue_cert("h").configure_cert(server)
    CA.configure_trust(client)
    return server, client


class Sink:
    """Answers with the digest of what it got, which it reads after the client is far ahead; ``pieces``: their sizes."""

    def __init__(self) -> None:
        self.pieces: list[int] = []
        self.left = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        digest, more = hashlib.sha256(), True
        await asyncio.sleep(0.05)
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            self.pieces.append(len(message["body"]))
            digest.update(message["body"])
            more = message["more_body"]
        told = digest.hexdigest().encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        await send({"type": "http.response.body", "body": told})


@pytest.mark.parametrize("framing", ["a length", "chunks"])
async def test_a_long_body_comes_in_small_pieces(
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None, framing: str
) -> None:
    """Byte for byte, twice on a connection, with a short request between them; none is twice what one read gives."""
    sink = Sink()
    request = LENGTH % len(BODY) + BODY
    if framing == "chunks":
        request = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    async with serving(sink, tls=tls) as server:
        client = await server.client()
        for each, body in ((request, BODY), (GET, b""), (request, BODY)):
            client.send(each)
            assert (await client.answer()).endswith(hashlib.sha256(body).hexdigest().encode())
    # What came in the read that had the head was there before anybody could know.
    assert max(sink.pieces[1:]) < 2 * SIP


async def test_a_client_that_leaves_is_noticed(tls: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> None:
    """In the middle of what it sends."""
    sink = Sink()
    async with serving(sink, tls=tls) as server:
        client = await server.client()
        client.send(LENGTH % len(BODY) + BODY[:500_000])
        await client.writer.drain()
        client.writer.transport.abort()
        async with asyncio.timeout(5):
            await sink.left.wait()


async def test_a_slow_reader_is_waited_for(tls: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> None:
    """Who has uploaded much and reads nothing of a long answer holds back who writes it."""
    written = 0

    async def generous(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal written
        while (await receive())["more_body"]:
            pass
        size = 16 * len(BODY)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        for number in range(16):
            await send({"type": "http.response.body", "body": BODY, "more_body": number < 15})
            written += 1

    async with serving(generous, tls=tls) as server:
        client = await server.client()
        client.send(LENGTH % len(BODY) + BODY)
        await asyncio.sleep(0.5)
        assert 0 < written < 16
        assert (await client.answer()).endswith(BODY[-100:])
        assert written == 16
