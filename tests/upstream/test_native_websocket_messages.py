"""upstream/websocket: messages and endings with raw scripted upstreams, exact bytes on both sides."""

import asyncio
import struct
from typing import cast

import pytest
from scripted import Peer, soon, upstream
from starlette.types import Message
from websocket_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, answer_to, client, ended, frame, opening, read_frame

from asgi_driver import websocket_scope
from gateway_filters import Upstream, WebSocketLimits
from gateway_filters.upstream.connection import Connection, Keeper
from gateway_filters.upstream.tunnel import Tunnel
from gateway_filters.upstream.websocket.connection import Socket
from gateway_filters.upstream.websocket.framing import framing


async def test_messages_that_come_with_the_101() -> None:
    """Are not lost, fragments are put together, control frames between them are none of them."""
    fragments = (
        frame(TEXT, b"\xc3", fin=False) + frame(PING, b"p") + frame(CONT, b"\xa9", fin=False) + frame(CONT, b"!")
    )
    frames: list[tuple[int, bytes]] = []
    script = opening(then=frame(BINARY, b"\0\xff") + fragments, frames=frames)
    async with upstream(script) as scripted, client(scripted) as driver:
        await driver.next()
        assert await driver.next() == {"type": "websocket.send", "bytes": b"\0\xff"}
        assert await driver.next() == {"type": "websocket.send", "text": "é!"}
        await soon(lambda: frames == [(PONG, b"p")])


async def test_messages_of_the_client() -> None:
    """Each goes as one frame, in order, whatever key ASGI's message has."""
    frames: list[tuple[int, bytes]] = []
    async with upstream(opening(frames=frames)) as scripted, client(scripted) as driver:
        await driver.next()
        driver.feed_message({"type": "websocket.receive", "text": "é"})
        driver.feed_message({"type": "websocket.receive", "bytes": b"\xff", "text": None})
        driver.feed_message({"type": "websocket.receive", "bytes": None, "text": ""})
        driver.feed_message({"type": "websocket.receive", "bytes": b""})
        await soon(lambda: len(frames) == 4)
    assert frames[:4] == [(TEXT, "é".encode()), (BINARY, b"\xff"), (TEXT, b""), (BINARY, b"")]


CLOSES = [
    pytest.param(struct.pack("!H", 1000), (1000, ""), id="1000"),
    pytest.param(struct.pack("!H", 4242) + "späť".encode(), (4242, "späť"), id="a private code with a reason"),
    pytest.param(b"", (1000, ""), id="no code"),
]


@pytest.mark.parametrize(("payload", "told"), CLOSES)
async def test_the_upstream_closes(payload: bytes, told: tuple[int, str]) -> None:
    """What it said before is delivered first; its close is answered with the same; and the client hears it."""
    frames: list[tuple[int, bytes]] = []
    script = opening(then=frame(TEXT, b"last") + frame(CLOSE, payload), frames=frames)
    async with upstream(script) as scripted, client(scripted) as driver:
        last = await ended(driver)
        await soon(lambda: frames == [(CLOSE, payload)])
    assert driver.sent[1] == {"type": "websocket.send", "text": "last"}
    assert last == {"type": "websocket.close", "code": told[0], "reason": told[1]}


BROKEN = [
    pytest.param(frame(TEXT, b"\xff"), 1007, id="a text that is not UTF-8"),
    pytest.param(frame(TEXT, b"\xed\xa0\x80"), 1007, id="half of a surrogate pair"),
    pytest.param(frame(3, b"x"), 1002, id="an opcode that is none"),
    pytest.param(frame(TEXT, b"x", mask=True), 1002, id="a masked frame"),
    pytest.param(frame(CONT, b"x"), 1002, id="a fragment of nothing"),
    pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002, id="a message inside a message"),
    pytest.param(frame(PING, bytes(126)), 1002, id="a long control frame"),
    pytest.param(frame(PING, b"x", fin=False), 1002, id="a control frame in fragments"),
    pytest.param(b"\xc1\x01x", 1002, id="a reserved bit: an extension that nobody offered"),
    pytest.param(frame(CLOSE, b"x"), 1002, id="half a close code"),
    pytest.param(frame(CLOSE, struct.pack("!H", 1005)), 1002, id="a close code that is never sent"),
    pytest.param(frame(CLOSE, struct.pack("!H", 999)), 1002, id="a close code that is none"),
    pytest.param(frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, id="a reason that is not UTF-8"),
    pytest.param(b"\x82\x7f" + struct.pack("!Q", 201), 1009, id="a message over the limit"),
    pytest.param(frame(BINARY, bytes(120), fin=False) + frame(CONT, bytes(120)), 1009, id="fragments over the limit"),
]


@pytest.mark.parametrize(("bad", "code"), BROKEN)
async def test_an_upstream_that_breaks_the_protocol(bad: bytes, code: int) -> None:
    """It is told how, what came before is delivered, and for the client it is the server's failure."""
    frames: list[tuple[int, bytes]] = []
    script = opening(then=frame(TEXT, b"good") + bad + frame(TEXT, b"after"), frames=frames)
    limits = WebSocketLimits(message_bytes=200)
    async with upstream(script) as scripted, client(scripted, limits=limits) as driver:
        last = await ended(driver)
        await soon(lambda: bool(frames))
    assert [each.get("text") for each in driver.sent[1:-1]] == ["good"]
    assert (last["type"], last["code"]) == ("websocket.close", 1011)
    assert (frames[0][0], struct.unpack("!H", frames[0][1][:2])[0]) == (CLOSE, code)


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_an_upstream_that_is_lost(how: str) -> None:
    """1011 for the client."""

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head()) + frame(TEXT, b"half", fin=False))
        getattr(peer, how)()

    async with upstream(script) as scripted, client(scripted) as driver:
        last = await ended(driver)
    assert (last["type"], last["code"]) == ("websocket.close", 1011)


LEAVING = [
    pytest.param({"code": 1000, "reason": "done"}, struct.pack("!H", 1000) + b"done", id="a code and a reason"),
    pytest.param({"code": 4999, "reason": ""}, struct.pack("!H", 4999), id="a private code"),
    pytest.param({"code": 1005, "reason": ""}, b"", id="no code"),
    pytest.param({"code": 1005}, struct.pack("!H", 1001), id="a connection that was lost, in uvicorn's words"),
    pytest.param({"code": 1006}, struct.pack("!H", 1001), id="a connection that was lost"),
    pytest.param({}, struct.pack("!H", 1001), id="no word at all"),
    pytest.param({"code": 1012}, struct.pack("!H", 1001), id="our own server's end"),
]


@pytest.mark.parametrize(("said", "heard"), LEAVING)
async def test_the_client_leaves(said: dict[str, object], heard: bytes) -> None:
    """The upstream hears it at once and closes; what it still sends is nobody's."""
    frames: list[tuple[int, bytes]] = []
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head()))
        frames.append(await read_frame(peer))
        await peer.send(frame(TEXT, b"late") + frame(CLOSE, frames[0][1]))
        peer.end()
        gone.set()

    async with upstream(script) as scripted, client(scripted) as driver:
        await driver.next()
        driver.feed_message({"type": "websocket.disconnect", **said})
        await driver.end()
        async with asyncio.timeout(1):
            await gone.wait()
    assert frames == [(CLOSE, heard)]
    assert len(driver.sent) == 1


async def test_an_upstream_that_does_not_close_is_cut_off() -> None:
    """Two seconds after the goodbye."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head()))
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted) as driver:
        await driver.next()
        driver.feed_message({"type": "websocket.disconnect", "code": 1000, "reason": ""})
        await driver.end()
        async with asyncio.timeout(4):
            await gone.wait()


async def test_a_server_that_takes_nothing_more() -> None:
    """ASGI's way to say that the client is gone; how it left comes by the other way."""
    frames: list[tuple[int, bytes]] = []

    async with upstream(opening(then=frame(TEXT, b"one"), frames=frames)) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}")
        left: asyncio.Queue[Message] = asyncio.Queue()
        left.put_nowait({"type": "websocket.connect"})

        async def send(message: Message) -> None:
            if message["type"] == "websocket.send":
                left.put_nowait({"type": "websocket.disconnect", "code": 4001, "reason": "x"})
                raise OSError("gone")

        async with asyncio.timeout(2):
            await app(websocket_scope(), left.get, send)
        await soon(lambda: bool(frames))
        assert frames == [(CLOSE, struct.pack("!H", 4001) + b"x")]
        await app.aclose()


# Time and back-pressure


async def test_silence_is_asked_about() -> None:
    """A ping after so long, and while the upstream answers nothing is lost."""
    pings = 0

    async def script(peer: Peer) -> None:
        nonlocal pings
        await peer.send(answer_to(await peer.head()))
        while True:
            opcode, payload = await read_frame(peer)
            pings += opcode == PING
            await peer.send(frame(PONG, payload))

    async with upstream(script) as scripted, client(scripted, limits=WebSocketLimits(ping=0.05)) as driver:
        await driver.next()
        await soon(lambda: pings >= 4)
        assert len(driver.sent) == 1


async def test_an_upstream_that_gives_no_sign_is_lost() -> None:
    """After as long again."""
    async with upstream(opening()) as scripted, client(scripted, limits=WebSocketLimits(ping=0.05)) as driver:
        assert (await ended(driver))["code"] == 1011


async def test_a_slow_client_is_no_silence() -> None:
    """While the client takes nothing, nothing is read, so the upstream's answers are not missed."""

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head()))
        for _ in range(64):
            await peer.send(frame(BINARY, bytes(1 << 20)))
        await peer.send(frame(CLOSE, struct.pack("!H", 1000)))

    async with upstream(script) as scripted, client(scripted, limits=WebSocketLimits(ping=0.05)) as driver:
        await driver.next()
        driver.hold()
        await asyncio.sleep(0.5)
        assert len(driver.sent) <= 2
        driver.release()
        last = await ended(driver)
    assert (last["type"], last["code"], len(driver.sent)) == ("websocket.close", 1000, 66)


async def test_pings_are_answered_while_the_client_is_slow() -> None:
    """As long as little waits for it."""
    frames: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head()) + frame(TEXT, b"one") + frame(TEXT, b"two"))
        await asyncio.sleep(0.05)
        await peer.send(frame(PING, b"still there?"))
        frames.append(await read_frame(peer))

    async with upstream(script) as scripted, client(scripted) as driver:
        await driver.next()
        driver.hold()
        await soon(lambda: bool(frames))
    assert frames == [(PONG, b"still there?")]


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def abort(self) -> None: ...


async def test_pings_without_end_fill_no_buffer() -> None:
    """An upstream that pings and does not read gets the last answer only, once it reads."""
    wire = Wire()
    tunnel = Tunnel("provider", Connection(cast("Keeper", None)), wire, b"")
    socket = Socket(tunnel, framing(1000), WebSocketLimits())
    tunnel.pause_writing()
    for number in range(1000):
        tunnel.data_received(frame(PING, b"%d" % number))
    assert wire.written == []
    tunnel.resume_writing()
    ((first, second, *rest),) = wire.written
    assert (first, second, len(rest)) == (0x80 | PONG, 0x80 | 3, 7)
    assert bytes(byte ^ rest[place % 4] for place, byte in enumerate(rest[4:])) == b"999"
    socket.close(None, "")


async def test_empty_messages_without_end_fill_no_buffer() -> None:
    """Whoever sends nothing, often, is held up like any other."""
    wire = Wire()
    tunnel = Tunnel("provider", Connection(cast("Keeper", None)), wire, b"")
    socket = Socket(tunnel, framing(1000), WebSocketLimits())
    assert wire.reading
    for _ in range(10_000):
        if wire.reading:
            tunnel.data_received(frame(TEXT, b""))
    waiting = 0
    while not wire.reading:
        assert await socket.receive() == ""
        waiting += 1
    assert 0 < waiting < 1000
    socket.close(None, "")


async def test_empty_fragments_without_end_fill_no_buffer() -> None:
    """A message of nothing stays nothing, however many pieces it has."""

    async def script(peer: Peer) -> None:
        await peer.send(answer_to(await peer.head()) + frame(TEXT, b"", fin=False))
        for _ in range(20):
            await peer.send(frame(CONT, b"", fin=False) * 1000)
        await peer.send(frame(CONT, b"end"))

    async with upstream(script) as scripted, client(scripted) as driver:
        await driver.next()
        assert (await driver.next())["text"] == "end"
