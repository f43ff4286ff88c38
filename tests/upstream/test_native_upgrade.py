"""upstream/tunnel: a 101 hands over the connection, raw, both ways, to whoever asked for it and to nobody else."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest
import trustme
from scripted import OK, Peer, ask, client, get, post, serving, soon, upstream

from gateway_filters import Clocks, UpstreamMalformed, UpstreamTimeout
from gateway_filters.upstream import AsyncHTTP11Transport
from gateway_filters.upstream.network_stream import NetworkStream
from gateway_filters.upstream.tunnel import Reader

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: Echo\r\nX-More: 1\r\n\r\n"
ASKED = ((b"host", b"a"), (b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"echo"))
MIB = 1024 * 1024


async def echo(peer: Peer) -> None:
    """Switch, and send everything back."""
    await peer.head()
    await peer.send(SWITCH)
    while data := await peer.reader.read(65536):
        await peer.send(data)
    peer.end()


class Ear(Reader):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.come = bytearray()
        self.reason = ""

    def take(self, data: bytes) -> None:
        self.come += data

    def ended(self, reason: str) -> None:
        self.reason = reason

    def writable(self) -> None:
        pass


@asynccontextmanager
async def network(port: int, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[NetworkStream]:
    """What an httpx user has after a 101."""
    scheme, host = ("http", "127.0.0.1") if tls is None else ("https", "localhost")
    transport = AsyncHTTP11Transport(tls=tls)
    headers = {"Connection": "Upgrade", "Upgrade": "echo"}
    async with (
        httpx.AsyncClient(transport=transport) as http,
        http.stream("GET", f"{scheme}://{host}:{port}/", headers=headers) as response,
    ):
        assert response.status_code == 101
        assert response.headers["x-more"] == "1"
        yield cast("NetworkStream", response.extensions["network_stream"])


async def test_an_upgrade_hands_over_the_connection() -> None:
    """The head of the 101 is there, and from then on bytes go as they are, both ways."""
    async with upstream(echo) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(headers=ASKED), Clocks())
        assert (response.status, response.fields[2]) == (101, (b"X-More", b"1"))
        tunnel = response.upgraded()
        assert tunnel is not None and response.upgraded() is None
        ear = Ear()
        tunnel.read_into(ear)
        tunnel.write(b"GET / HTTP/1.1\r\n\r\n\x00\xff")
        await soon(lambda: bytes(ear.come) == b"GET / HTTP/1.1\r\n\r\n\x00\xff")
        assert (transport.pool.active, transport.pool.idle) == (1, 0)
        tunnel.close()
        await soon(lambda: transport.pool.active == 0)
        assert ear.reason


@pytest.mark.parametrize("later", [False, True])
async def test_what_comes_right_behind_the_head_is_not_lost(later: bool) -> None:
    """It belongs to the new protocol, be it in the same packet or before anybody reads."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH + b"at once")
        if later:
            await asyncio.sleep(0.01)
            await peer.send(b", later")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        tunnel = (await transport.send(get(headers=ASKED), Clocks())).upgraded()
        assert tunnel is not None
        await asyncio.sleep(0.03)
        ear = Ear()
        tunnel.read_into(ear)
        await soon(lambda: bytes(ear.come) == (b"at once, later" if later else b"at once"))


async def test_nothing_is_read_before_there_is_a_reader() -> None:
    """An upstream that talks on fills the sockets' buffers, not ours."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.head()
        await peer.send(SWITCH)
        while True:
            await peer.send(bytes(64 * 1024))
            sent += 64 * 1024

    async with upstream(script) as scripted, client(scripted.port) as transport:
        tunnel = (await transport.send(get(headers=ASKED), Clocks())).upgraded()
        assert tunnel is not None
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 16 * MIB
        tunnel.abort()


REFUSED = [
    pytest.param(SWITCH, ((b"host", b"a"),), id="nobody asked"),
    pytest.param(SWITCH, ((b"host", b"a"), (b"upgrade", b"echo")), id="asked without Connection"),
    pytest.param(SWITCH.replace(b"Echo", b"other"), ASKED, id="another protocol"),
    pytest.param(SWITCH.replace(b"Connection: Upgrade\r\n", b""), ASKED, id="without Connection"),
    pytest.param(SWITCH.replace(b"Upgrade: Echo\r\n", b""), ASKED, id="without Upgrade"),
    pytest.param(SWITCH.replace(b"Upgrade: Echo\r\n", b"Upgrade: echo\r\nUpgrade: echo\r\n"), ASKED, id="twice"),
]


@pytest.mark.parametrize(("answer", "headers"), REFUSED)
async def test_a_switch_that_was_not_asked_for(answer: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """It is no answer, and its connection is closed."""
    async with upstream(serving(answer)) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamMalformed):
            await transport.send(get(headers=headers), Clocks())
        await soon(lambda: (transport.pool.active, transport.pool.idle) == (0, 0))


async def test_a_switch_behind_an_answer_spoils_the_connection_only() -> None:
    """The answer is whole."""
    async with upstream(serving(OK + SWITCH)) as scripted, client(scripted.port) as transport:
        assert (await ask(transport, get(headers=ASKED))).body == b"ok"
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_a_switch_before_the_request_has_left_is_refused() -> None:
    """The rest of the body would be read as the new protocol (RFC 9110 7.8)."""

    async def body() -> AsyncGenerator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    request = post(body(), length=10)
    request.headers = (*request.headers, *ASKED[1:])
    async with upstream(serving(SWITCH)) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamMalformed):
            await transport.send(request, Clocks())


async def test_a_refused_upgrade_is_an_answer_like_any_other() -> None:
    """Its connection serves again."""
    async with upstream(serving(OK)) as scripted, client(scripted.port) as transport:
        for _ in range(2):
            assert (await ask(transport, get(headers=ASKED))).body == b"ok"
        assert len(scripted.peers) == 1


async def test_a_tunnel_that_nobody_takes_is_closed() -> None:
    """Giving up the answer gives up the connection."""
    async with upstream(echo) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(headers=ASKED), Clocks())
        await response.aclose()
        await soon(lambda: transport.pool.active == 0)


async def test_closing_the_transport_cuts_tunnels() -> None:
    """Nothing stays behind."""
    async with upstream(echo) as scripted, client(scripted.port) as transport:
        tunnel = (await transport.send(get(headers=ASKED), Clocks())).upgraded()
        assert tunnel is not None
        ear = Ear()
        tunnel.read_into(ear)
        await transport.aclose()
        await soon(lambda: bool(ear.reason))


async def test_an_upstream_that_does_not_decide_is_given_up() -> None:
    """The clock of the first byte is that of the 101, too."""

    async def script(peer: Peer) -> None:
        await peer.head()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        with pytest.raises(UpstreamTimeout):
            await transport.send(get(headers=ASKED), Clocks(first_byte=0.1))


async def test_a_stream_for_httpx_users() -> None:
    """``extensions["network_stream"]`` reads and writes as httpcore's does, in the sizes that are asked for."""
    async with upstream(echo) as scripted, network(scripted.port) as stream:
        await stream.write(b"abcdef")
        assert await stream.read(4) == b"abcd"
        assert await stream.read(4) == b"ef"
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", scripted.port)
        assert stream.get_extra_info("something") is None
        with pytest.raises(httpx.ReadTimeout):
            await stream.read(4, timeout=0.05)
        with pytest.raises(httpx.UnsupportedProtocol):
            await stream.start_tls(None)
        await stream.aclose()
        assert await stream.read(4) == b""
        with pytest.raises(httpx.WriteError):
            await stream.write(b"late")


async def test_leaving_the_response_closes_the_stream() -> None:
    """As with httpcore."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await echo(peer)
        left.set()

    async with upstream(script) as scripted:
        async with network(scripted.port):
            pass
        async with asyncio.timeout(5):
            await left.wait()


async def test_much_goes_both_ways_no_faster_than_it_is_read() -> None:
    """64 MiB through the echo arrive whole; neither side keeps more than its buffers."""
    size, piece = 64 * MIB, bytes(range(256)) * 256

    async def pour(stream: NetworkStream) -> None:
        for _ in range(size // len(piece)):
            await stream.write(piece)

    async with upstream(echo) as scripted, network(scripted.port) as stream:
        pouring = asyncio.create_task(pour(stream))
        came = 0
        while came < size:
            data = await stream.read(65536)
            assert data == (piece * 2)[came % 256 :][: len(data)]
            came += len(data)
        await pouring


async def test_a_writer_waits_for_a_reader() -> None:
    """An upstream that does not read holds the writer up, and ``WriteTimeout`` says so."""
    read_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH)
        await read_on.wait()

    async def pour(stream: NetworkStream) -> None:
        for _ in range(1000):
            await stream.write(bytes(MIB), timeout=0.2)

    async with upstream(script) as scripted, network(scripted.port) as stream:
        with pytest.raises(httpx.WriteTimeout):
            await pour(stream)
        read_on.set()


async def test_over_tls() -> None:
    """The same inside TLS."""
    ca = trustme.CA()
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.issue_cert("localhost").configure_cert(served)  # pyright: ignore[reportUnknownMemberType]
    ca.configure_trust(trusted)  # pyright: ignore[reportUnknownMemberType]

    async def behind(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH + b"first ")
        await echo_on(peer)

    async with upstream(behind, tls=served) as scripted, network(scripted.port, tls=trusted) as stream:
        await stream.write(b"second")
        came = b""
        while len(came) < len(b"first second"):
            came += await stream.read(100)
        assert came == b"first second"
        assert isinstance(stream.get_extra_info("ssl_object"), object)


async def echo_on(peer: Peer) -> None:
    """Send everything back."""
    while data := await peer.reader.read(65536):
        await peer.send(data)
