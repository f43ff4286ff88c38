"""http1/protocol over TLS, whose transports keep bytes while reading pauses: what came first is read first."""

import asyncio
import ssl
from typing import Any

import pytest
import trustme
from served import serving
from starlette.types import Receive, Scope, Send

CA = trustme.CA()


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loops that people use."""
    return "asyncio", {"use_uvloop": request.param}


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server called h, and of its clients."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.issue_cert("h").configure_cert(server)
    CA.configure_trust(client)
    return server, client


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"], id="requests"),
        pytest.param(
            [
                b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\n",
                b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
            ],
            id="a body that looks like a request",
        ),
        pytest.param([b"GET /1 HT", b"TP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"], id="a part"),
    ],
)
async def test_what_waits_is_read_before_what_came_later(pieces: list[bytes]) -> None:
    """Where one piece waits here and the next one in the transport."""
    free = asyncio.Event()

    async def slow_first(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/0":
            await free.wait()
        await receive()
        path = scope["raw_path"]
        length = b"%d" % len(path)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": path})

    async with serving(slow_first, tls=contexts()) as server:
        client = await server.client()
        for piece in (b"GET /0 HTTP/1.1\r\nHost: h\r\n\r\n", *pieces):
            client.send(piece)
            await asyncio.sleep(0.05)
        free.set()
        answers = [(await client.answer()).partition(b"\r\n\r\n")[2] for _ in range(3)]
    assert answers == [b"/0", b"/1", b"/2"]
