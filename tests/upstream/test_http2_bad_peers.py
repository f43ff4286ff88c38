"""upstream/http2: upstreams that break the rules, or keep them to do harm.

The connection ends with a GOAWAY that says why, its requests with 502, and nothing else is touched.
"""

import asyncio
import struct

import pytest
from h2.errors import ErrorCodes
from hpack.hpack import Encoder
from http2_peer import Peer, client2, ok, upstream2
from scripted import Peer as Peer1
from scripted import ask, client, get, soon
from scripted import serving as serving1
from scripted import upstream as upstream1

from gateway_filters import Clocks
from gateway_filters.errors import NotConnected, UpstreamAborted, UpstreamMalformed, UpstreamUnreachable

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def packed(*fields: tuple[bytes, bytes]) -> bytes:
    """A header block that needs no memory."""
    return Encoder().encode([(name, value, True) for name, value in fields])


def settings(*pairs: tuple[int, int]) -> bytes:
    """SETTINGS."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


OK = packed((b":status", b"200"))
ANSWER = frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)

VIOLATIONS = [
    pytest.param(frame(DATA, 0, 3, b"x"), ErrorCodes.PROTOCOL_ERROR, id="a body for a stream that was never opened"),
    pytest.param(frame(HEADERS, END_HEADERS, 3, OK), ErrorCodes.PROTOCOL_ERROR, id="an answer that nobody asked for"),
    pytest.param(frame(HEADERS, END_HEADERS, 2, OK), ErrorCodes.PROTOCOL_ERROR, id="an answer on a stream of its own"),
    pytest.param(frame(RST_STREAM, 0, 5, bytes(4)), ErrorCodes.PROTOCOL_ERROR, id="the end of one never opened"),
    pytest.param(frame(WINDOW_UPDATE, 0, 5, b"\0\0\0\1"), ErrorCodes.PROTOCOL_ERROR, id="a window for one"),
    pytest.param(frame(DATA, 0, 1, b"x"), ErrorCodes.PROTOCOL_ERROR, id="a body before its head"),
    pytest.param(frame(DATA, 0, 0, b"x"), ErrorCodes.PROTOCOL_ERROR, id="a body for the connection"),
    pytest.param(frame(DATA, PADDED, 1, b"\xff"), ErrorCodes.PROTOCOL_ERROR, id="more padding than payload"),
    pytest.param(frame(CONTINUATION, 0, 1, b"x"), ErrorCodes.PROTOCOL_ERROR, id="the rest of a head that never began"),
    pytest.param(
        frame(HEADERS, 0, 1, OK) + frame(PING, 0, 0, bytes(8)), ErrorCodes.PROTOCOL_ERROR, id="a frame inside a head"
    ),
    pytest.param(frame(HEADERS, END_HEADERS, 1, b"\xff" * 10), ErrorCodes.PROTOCOL_ERROR, id="a head that is no HPACK"),
    pytest.param(
        frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + packed((b":method", b"GET"))),
        ErrorCodes.PROTOCOL_ERROR,
        id="a push that we have forbidden",
    ),
    pytest.param(bytes((1, 0, 0)) + bytes(6), ErrorCodes.FRAME_SIZE_ERROR, id="a frame of 64 KiB"),
    pytest.param(frame(SETTINGS, 0, 0, b"x"), ErrorCodes.FRAME_SIZE_ERROR, id="SETTINGS of one byte"),
    pytest.param(frame(SETTINGS, 0, 1), ErrorCodes.PROTOCOL_ERROR, id="SETTINGS for a stream"),
    pytest.param(frame(PING, 0, 0, b"x"), ErrorCodes.FRAME_SIZE_ERROR, id="a PING of one byte"),
    pytest.param(frame(GOAWAY, 0, 1, bytes(8)), ErrorCodes.PROTOCOL_ERROR, id="GOAWAY for a stream"),
    pytest.param(frame(GOAWAY, 0, 0, bytes(3)), ErrorCodes.PROTOCOL_ERROR, id="GOAWAY of three bytes"),
    pytest.param(settings((2, 2)), ErrorCodes.PROTOCOL_ERROR, id="a setting that is none"),
    pytest.param(settings((4, 2**31)), ErrorCodes.FLOW_CONTROL_ERROR, id="a window of 2 GiB by SETTINGS"),
    pytest.param(settings((5, 1)), ErrorCodes.PROTOCOL_ERROR, id="frames of one byte"),
    pytest.param(frame(WINDOW_UPDATE, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR, id="a window that grows by nothing"),
    pytest.param(frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), ErrorCodes.FLOW_CONTROL_ERROR, id="one of 2 GiB"),
    pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", ErrorCodes.FRAME_SIZE_ERROR, id="HTTP/1.1"),
]


@pytest.mark.parametrize(("sent", "code"), VIOLATIONS)
async def test_a_violation_ends_the_connection(sent: bytes, code: ErrorCodes) -> None:
    """502; the peer is told why; the next request gets another connection."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if peer.number:
            ok(peer, request)
        else:
            peer.raw(sent)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamMalformed, match="not HTTP/2"):
            await ask(transport, get())
        assert (await ask(transport, get())).body == b"ok"
        peer = upstream.peers[0]
        await soon(lambda: peer.gone)
        assert [goodbye.error_code for goodbye in peer.goodbyes] == [code]


async def test_what_was_whole_before_a_violation_stays_whole() -> None:
    """In the same bytes, even; an answer that has begun breaks off, one that has not is malformed."""

    async def script(peer: Peer) -> None:
        for _ in range(3):
            await peer.request()
        peer.raw(ANSWER + frame(HEADERS, END_HEADERS, 3, OK) + frame(DATA, 0, 3, b"half") + frame(DATA, 0, 99, b"x"))

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        asking = [asyncio.create_task(ask(transport, get())) for _ in range(3)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert not isinstance(outcomes[0], BaseException) and outcomes[0].status == 200
        assert [type(outcome) for outcome in outcomes[1:]] == [UpstreamAborted, UpstreamMalformed]


FIRST_WORDS = [
    pytest.param(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", UpstreamMalformed, id="HTTP/1.1"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", UpstreamMalformed, id="TLS"),
    pytest.param(frame(PING, 0, 0, bytes(8)), UpstreamMalformed, id="another frame"),
    pytest.param(frame(GOAWAY, 0, 0, bytes(8)), NotConnected, id="a goodbye"),
    pytest.param(b"", NotConnected, id="nothing, and an end"),
]


@pytest.mark.parametrize(("sent", "error"), FIRST_WORDS)
async def test_who_does_not_speak_http_2(sent: bytes, error: type[Exception]) -> None:
    """It gets no request, and so no credential, whatever it is."""

    async def script(peer: Peer) -> None:
        peer.raw(sent)
        await asyncio.sleep(0.01)
        peer.writer.close()

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        with pytest.raises(error):
            await ask(transport, get(headers=((b"host", b"a"), (b"authorization", b"Bearer k"))))
        await soon(lambda: upstream.peers[0].gone)
        assert not upstream.requests


async def test_a_real_server_of_http_1() -> None:
    """Our own HTTP/1.1 tests' upstream, asked in HTTP/2."""
    async with upstream1(serving1(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")) as scripted:
        async with client2(scripted.port) as transport:
            with pytest.raises(UpstreamMalformed, match="not HTTP/2"):
                await ask(transport, get())
        async with client(scripted.port) as transport:
            assert (await ask(transport, get())).status == 400


# Floods: all of them legal, frame by frame

FLOODS = [
    pytest.param(settings(), id="SETTINGS"),
    pytest.param(frame(SETTINGS, ACK, 0), id="thanks for SETTINGS"),
    pytest.param(frame(PING, 0, 0, bytes(8)), id="PING"),
    pytest.param(frame(PING, ACK, 0, bytes(8)), id="answers to no PING"),
    pytest.param(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), id="windows"),
    pytest.param(frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"), id="priorities"),
    pytest.param(frame(0xAB, 0, 0, b"?"), id="frames that nobody knows"),
    pytest.param(frame(HEADERS, END_HEADERS, 1, packed((b":status", b"103"))), id="heads before the head"),
    pytest.param(
        frame(HEADERS, END_HEADERS, 1, OK) + frame(DATA, 0, 1) * 100, id="pieces of a body with nothing in them"
    ),
    pytest.param(frame(HEADERS, END_HEADERS, 1, OK) + frame(DATA, PADDED, 1, b"\x10" + bytes(16)) * 100, id="padding"),
]


@pytest.mark.parametrize("sent", FLOODS)
async def test_floods(sent: bytes) -> None:
    """There is an end to what brings nothing; it costs little, and nobody else notices."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if peer.number:
            ok(peer, request)
            return
        begin, rest = (sent[:10], sent[10:]) if sent.startswith(frame(HEADERS, END_HEADERS, 1, OK)) else (b"", sent)
        peer.raw(begin)
        for _ in range(200):
            peer.raw(rest * 100)
            await asyncio.sleep(0)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises((UpstreamMalformed, UpstreamAborted, UpstreamUnreachable)):
            await ask(transport, get())
        assert (await ask(transport, get())).body == b"ok"
        peer = upstream.peers[0]
        await soon(lambda: peer.gone)
        assert [goodbye.error_code for goodbye in peer.goodbyes] in ([ErrorCodes.ENHANCE_YOUR_CALM], [])


async def test_who_does_not_read() -> None:
    """Heads do not wait for a window; what is kept of them for one who takes none has a limit."""

    async def mute(peer: Peer1) -> None:
        peer.writer.write(settings())
        await asyncio.Event().wait()

    async with upstream1(mute) as scripted, client2(scripted.port) as transport:
        headers = ((b"host", b"a"), (b"x-large", b"x" * 60_000))
        asking = [asyncio.create_task(ask(transport, get(headers=headers))) for _ in range(100)]
        for outcome in await asyncio.gather(*asking, return_exceptions=True):
            assert isinstance(outcome, UpstreamUnreachable) and "does not read" in str(outcome)


async def test_a_head_without_end() -> None:
    """CONTINUATION after CONTINUATION (CVE-2024-27316): 64 of them are enough."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.raw(frame(HEADERS, 0, 1, OK))
        for _ in range(100):
            peer.raw(frame(CONTINUATION, 0, 1, packed((b"x", b"y"))))

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamMalformed):
            await ask(transport, get())
        await soon(lambda: upstream.peers[0].gone)


HEAVY = [
    pytest.param(packed((b":status", b"200"), (b"x", b"y" * 70_000)), id="one field of 70 kB"),
    pytest.param(packed((b":status", b"200"), *((b"x%d" % n, b"y" * 700) for n in range(100))), id="fields of 70 kB"),
    pytest.param(
        Encoder().encode([(b":status", b"200"), (b"x", b"y" * 3000)]) + b"\xbe" * 5000,
        id="15 MB that were packed into 5 kB",
    ),
]


@pytest.mark.parametrize("block", HEAVY)
async def test_a_heavy_head(block: bytes) -> None:
    """Header fields of more than 64 KiB are too much, packed or not."""
    first, rest = block[:16_000], block[16_000:]

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.raw(frame(HEADERS, 0 if rest else END_HEADERS, 1, first))
        for start in range(0, len(rest), 16_000):
            last = start + 16_000 >= len(rest)
            peer.raw(frame(CONTINUATION, END_HEADERS if last else 0, 1, rest[start : start + 16_000]))

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamMalformed):
            await ask(transport, get())
        await soon(lambda: upstream.peers[0].gone)
        assert [goodbye.error_code for goodbye in upstream.peers[0].goodbyes] == [ErrorCodes.ENHANCE_YOUR_CALM]


async def test_more_than_the_window_allows() -> None:
    """A body that does not keep to it ends the connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.raw(frame(HEADERS, END_HEADERS, 1, OK))
        for _ in range(20):
            peer.raw(frame(DATA, 0, 1, bytes(16_000)))

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        response = await transport.send(get(), Clocks())
        await soon(lambda: upstream.peers[0].gone)
        with pytest.raises(UpstreamAborted):
            async for _ in response.chunks():
                pass
        await response.aclose()
        assert [goodbye.error_code for goodbye in upstream.peers[0].goodbyes] == [ErrorCodes.FLOW_CONTROL_ERROR]


async def test_a_streams_window_beyond_2_gib() -> None:
    """Is that stream's error alone (RFC 9113 6.9.1)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.raw(frame(WINDOW_UPDATE, 0, request.stream, b"\x7f\xff\xff\xff"))
        ok(peer, await peer.request())

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        with pytest.raises(UpstreamMalformed):
            await ask(transport, get())
        assert (await ask(transport, get())).status == 200
        assert len(upstream.peers) == 1
        assert upstream.peers[0].resets == [(1, ErrorCodes.FLOW_CONTROL_ERROR)]


async def test_pings_and_settings_are_answered() -> None:
    """At once, with what was asked."""
    answers: list[bytes] = []

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.h2.ping(b"8 bytes!")
        peer.h2.update_settings({})
        peer.flush()
        await asyncio.sleep(0.02)
        answers.extend(peer.acknowledged)
        ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, get())).status == 200
        assert answers == [b"settings", b"8 bytes!", b"settings"]


async def test_frames_that_nobody_knows_are_ignored() -> None:
    """So are priorities and ALTSVC (RFC 9113 4.1)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.raw(frame(0xAB, 0xFF, 0, b"?") + frame(0xAB, 0, 1, b"?") + frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"))
        peer.raw(frame(0xA, 0, 0, b"\0\x0fhttps://a.test/" + b'h2=":443"'))
        ok(peer, request)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, get())).body == b"ok"


async def test_byte_by_byte() -> None:
    """Frames may arrive in any pieces."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for byte in ANSWER:
            peer.raw(bytes((byte,)))
            await asyncio.sleep(0.001)

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, get())).status == 200
