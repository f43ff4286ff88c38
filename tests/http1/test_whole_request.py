"""http1/whole_request: what is told of a whole request at a glance is what the parser says of it byte by byte."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from gateway_filters.http1.protocol import GatewayProtocol
from gateway_filters.http1.whole_request import whole_request

PIECES = [
    b"Host: h\r\n",
    b"host:h \t\r\n",
    b"Host: h:80\r\n",
    b"Content-Length: 2\r\n",
    b"Content-Length: 02\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: -2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close\r\n",
    b"Connection: X-Empty\r\n",
    b"X-Empty:\r\n",
    b"X-Tab:\ta\tb\r\n",
    b"X-High: \x80\xff\r\n",
    b"X_Under: 1\r\n",
    b"X-Del: \x7f\r\n",
    b"bad name: x\r\n",
    b" fold\r\n",
    b"NoColon\r\n",
    b"Bare: a\rb\r\n",
    b"Feed: a\nb\r\n",
    b"\r\n",
]
LINES = [
    b"GET / HTTP/1.1",
    b"POST /a/%2e?b=c?d HTTP/1.1",
    b"POST /a#b HTTP/1.1",
    b"DELETE //a HTTP/1.1",
    b"GET http://h/ HTTP/1.1",
    b"GET  / HTTP/1.1",
    b"GET / HTTP/1.0",
    b"get / HTTP/1.1",
    b"FOO / HTTP/1.1",
    b"GET /\x80 HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"OPTIONS * HTTP/1.1",
]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("192.0.2.1", 5), "sockname": ("192.0.2.2", 80)}.get(name, default)


def seen(*reads: bytes) -> tuple[object, ...]:
    """What an app sees of the requests in ``reads``, and how the connection was answered."""
    return asyncio.run(_seen(reads))


async def _seen(reads: tuple[bytes, ...]) -> tuple[object, ...]:
    scopes: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message.get("more_body"):
            more = await receive()
            message = {**more, "body": message.get("body", b"") + more.get("body", b"")}
        scopes.append((dict(scope), message))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    config = Config(app, interface="asgi3", lifespan="off", ws="none", log_config=None)
    config.load()
    protocol, wire = GatewayProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(cast("asyncio.Transport", wire))
    for data in reads:
        protocol.data_received(data)
    for _ in range(5):
        await asyncio.sleep(0)
    closed = wire.closed
    protocol.connection_lost(None)
    return scopes, wire.written[:13], closed


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", id="no body"),
        pytest.param(b"POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", id="a length and so many bytes"),
        pytest.param(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\nHost: h\r\n\r\n", id="what clients of httpx say"),
    ],
)
def test_told_at_a_glance(data: bytes) -> None:
    """A whole, plain request needs no parser, and is seen as the parser would have told it."""
    assert whole_request(data) is not None
    assert seen(data) == seen(data[:1], data[1:])


@given(st.sampled_from(LINES), st.lists(st.sampled_from(PIECES), max_size=5), st.sampled_from([b"", b"hi", b"\r\n"]))
def test_the_parser_agrees(line: bytes, fields: list[bytes], body: bytes) -> None:
    """Whatever is told at a glance is told the same when the first byte comes alone, which leaves it to the parser."""
    data = line + b"\r\n" + b"".join(fields) + b"\r\n" + body
    if whole_request(data) is not None:
        assert seen(data) == seen(data[:1], data[1:])
        assert seen(data)[1:] == (b"HTTP/1.1 200 ", False)
