"""Raw WebSocket upstreams: right answers to handshakes, frames by hand, and a client through ``Upstream``."""

import base64
import hashlib
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from scripted import Peer, Script, Scripted
from starlette.types import Message

from asgi_driver import Driver, websocket_scope
from gateway_filters import Upstream, WebSocketLimits

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = False) -> bytes:
    """A frame (RFC 6455 5.2), unmasked as a server's are."""
    size, bit = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 1 << 16:
        length = bytes([bit | 126]) + struct.pack("!H", size)
    else:
        length = bytes([bit | 127]) + struct.pack("!Q", size)
    return bytes([(0x80 if fin else 0) | opcode]) + length + (bytes(4) if mask else b"") + payload


def accept_of(head: bytes) -> bytes:
    """What answers the key in a handshake (RFC 6455 4.2.2)."""
    key = head.lower().partition(b"sec-websocket-key: ")[2]
    found = head[len(head) - len(key) :].partition(b"\r\n")[0]
    return base64.b64encode(hashlib.sha1(found + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def answer_to(head: bytes, *more: bytes, accept: bytes | None = None) -> bytes:
    """A right 101, with further lines."""
    first = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
    lines = b"".join(line + b"\r\n" for line in more)
    return first + b"Sec-WebSocket-Accept: " + (accept or accept_of(head)) + b"\r\n" + lines + b"\r\n"


async def read_frame(peer: Peer) -> tuple[int, bytes]:
    """The next frame of the gateway, which must be masked."""
    first, second = await peer.reader.readexactly(2)
    assert second & 0x80, "a client's frame is masked (RFC 6455 5.1)"
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await peer.reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await peer.reader.readexactly(8))
    key, payload = await peer.reader.readexactly(4), await peer.reader.readexactly(size)
    assert first & 0x80
    return first & 0x0F, bytes(byte ^ key[number % 4] for number, byte in enumerate(payload))


def opening(*more: bytes, then: bytes = b"", frames: list[tuple[int, bytes]] | None = None) -> Script:
    """Accepts, sends ``then`` in the same packet, and keeps what frames come until the gateway leaves."""

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head(), *more) + then)
        while True:
            come = await read_frame(peer)
            if frames is not None:
                frames.append(come)

    return script


@asynccontextmanager
async def client(
    scripted: Scripted, *, limits: WebSocketLimits | None = None, subprotocols: Sequence[str] = ()
) -> AsyncGenerator[Driver]:
    """A client's WebSocket through ``Upstream``, asked for."""
    app = Upstream(f"http://127.0.0.1:{scripted.port}", websocket_limits=limits or WebSocketLimits())
    try:
        async with Driver(app, websocket_scope("/r?m=1", subprotocols=subprotocols)) as driver:
            yield driver.connect()
    finally:
        await app.aclose()


async def ended(driver: Driver) -> Message:
    """The last message once the app has ended."""
    await driver.end()
    return driver.sent[-1]
