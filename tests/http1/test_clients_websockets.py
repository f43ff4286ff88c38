"""http1: the WebSockets of clients who send much that carries little, or read nothing."""

import asyncio
import json
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.http1.limits import Limits
from gateway_filters.http1.websocket import GatewayWebSocket
from http1.served import Client, Server, serving

TEXT, CONT, CLOSE = 1, 0, 8
HANDSHAKE = (
    b"GET /talk?x=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's frame (RFC 6455 5.2), masked by nothing."""
    assert len(payload) < 126
    return bytes(((0x80 if fin else 0) | opcode, 0x80 | len(payload))) + bytes(4) + payload


@asynccontextmanager
async def talking(
    app: ASGIApp, limits: Limits | None = None, *, ping: float = 20.0
) -> AsyncGenerator[tuple[Client, GatewayWebSocket]]:
    """A client whose WebSocket has been accepted, and the server's side of it."""
    async with serving(app, limits, ping=ping) as server:
        client = await server.client()
        client.send(HANDSHAKE)
        assert b" 101 " in await client.answer()
        yield client, _websocket(server)


def _websocket(server: Server) -> GatewayWebSocket:
    (found,) = [each for each in server.state.connections if isinstance(each, GatewayWebSocket)]
    return found


class Listening:
    """An app that accepts, and hears once it is ``free`` to."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.heard: list[Message] = []
        self.done = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Talk to one client."""
        await receive()
        await send({"type": "websocket.accept"})
        await self.free.wait()
        while (message := await receive())["type"] == "websocket.receive":
            self.heard.append(message)
        self.heard.append(message)
        self.done.set()


@pytest.mark.parametrize(
    ("spoiled", "status"),
    [
        pytest.param(HANDSHAKE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), 400, id="no key"),
        pytest.param(HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"secret"), 400, id="a key that is none"),
        pytest.param(HANDSHAKE.replace(b"Version: 13", b"Version: 12"), 400, id="another version"),
        pytest.param(HANDSHAKE.replace(b"GET", b"POST"), 405, id="another method"),
    ],
)
async def test_a_handshake_that_cannot_be_answered(spoiled: bytes, status: int) -> None:
    """It is refused in the OpenAI error shape, with a request id and nothing that the client has sent."""
    async with serving(Listening()) as server:
        client = await server.client()
        client.send(spoiled)
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert head.lower().count(b"content-type: application/json") == head.lower().count(b"content-") - 1 == 1
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code", "request_id"}
    assert b"secret" not in body


async def test_messages_of_nothing_fill_no_buffer() -> None:
    """Few wait for an app that does not read; all of them come, in their order, and how the client left."""
    app = Listening()
    async with talking(app) as (client, websocket):
        for number in range(0, 50_000, 1000):
            client.send(
                b"".join(frame(TEXT, b"%d" % each if each % 100 == 0 else b"") for each in range(number, number + 1000))
            )
        client.send(frame(CLOSE, struct.pack("!H", 4001) + b"enough"))
        await asyncio.sleep(0.2)
        assert websocket.queue.qsize() < 1000
        app.free.set()
        async with asyncio.timeout(10):
            await app.done.wait()
    *messages, last = app.heard
    assert len(messages) == 50_000
    assert [each["text"] for each in messages if each["text"]] == [str(each) for each in range(0, 50_000, 100)]
    assert (last["type"], last["code"], last["reason"]) == ("websocket.disconnect", 4001, "enough")


async def test_small_fragments_weigh_what_they_carry() -> None:
    """They are joined as they come."""
    app = Listening()
    app.free.set()
    async with talking(app) as (client, websocket):
        client.send(frame(TEXT, "é".encode()[:1], fin=False))
        client.send(frame(CONT, "é".encode()[1:], fin=False))
        for _ in range(30):
            client.send(frame(CONT, b"x", fin=False) * 1000)
        await asyncio.sleep(0.2)
        assert len(websocket.frames) == 1
        client.send(frame(CONT) + frame(CLOSE))
        async with asyncio.timeout(10):
            await app.done.wait()
    assert app.heard[0]["text"] == "é" + "x" * 30_000


async def test_a_client_that_does_not_read_to_the_end_is_cut_off() -> None:
    """What was sent to it is not kept for ever when the app has ended."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "bytes": bytes(20_000_000)})
        await send({"type": "websocket.close", "code": 1000})

    async with talking(app, Limits(write_idle=0.1)) as (client, websocket):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        websocket.close_timeout = 0.1
        websocket.transport.set_write_buffer_limits(100_000_000)
        client.send(frame(TEXT))
        async with asyncio.timeout(3):
            while not websocket.disconnected:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)


async def test_a_slow_app_is_not_its_clients_silence() -> None:
    """Whose answers to pings nobody reads is not taken for lost."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.5)
        await send({"type": "websocket.send", "text": "at last"})
        await receive()
        await receive()

    async with talking(app, ping=0.05) as (client, websocket):
        client.send(frame(TEXT))
        assert b"at last" in await client.rest()
        assert websocket.close_sent
