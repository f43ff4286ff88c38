"""arrivals: connections over TLS count before they have shaken hands, and free their place however that ends (F19)."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from starlette.types import Receive, Scope, Send

from gateway_filters.frontend_tls import FrontendTLS
from gateway_filters.http1.limits import Limits
from gateway_filters.http2 import PREFACE
from gateway_filters.sockets import Door, ServerLimits, bind, open_door
from tls_peers import listening, trusting

CA = trustme.CA()
LEAF = CA.issue_cert("h")
CLIENT = trusting(CA)
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
PATIENCE = 25.0  # on a busy machine


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loops that people use."""
    return "asyncio", {"use_uvloop": request.param}


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@dataclass
class Place:
    """A door, and who has come to it."""

    door: Door
    port: int
    silent: list[socket.socket] = field(default_factory=list[socket.socket])

    async def come(self, address: str = HERE) -> socket.socket:
        """Somebody connects and says nothing."""
        client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(client, (HERE, self.port))
        self.silent.append(client)
        return client

    async def crowd(self, number: int) -> None:
        """So many silent ones, who have been accepted."""
        for _ in range(number):
            await self.come()
        await asyncio.sleep(0.05)

    async def answered(self, address: str = HERE, context: ssl.SSLContext = CLIENT) -> bool:
        """Whether somebody who shakes hands and asks is answered."""
        try:
            async with asyncio.timeout(PATIENCE), self.talking(address, context) as (reader, writer):
                writer.write(REQUEST)
                return (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
        except (OSError, asyncio.IncompleteReadError):
            return False

    @asynccontextmanager
    async def talking(
        self, address: str = HERE, context: ssl.SSLContext = CLIENT
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that is through its handshake."""
        told: dict[str, Any] = {"ssl": context, "server_hostname": "h", "local_addr": (address, 0)}
        reader, writer = await asyncio.open_connection(HERE, self.port, **told)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@asynccontextmanager
async def open_place(**limits: Any) -> AsyncGenerator[Place]:
    """A door over TLS; what it knows of connections is empty when all have left."""
    bound = bind((HERE, 0))
    port: int = bound.getsockname()[1]
    tls = FrontendTLS(listening((None, LEAF)))
    door = await open_door(bound, hello, tls, ServerLimits(Limits(**limits)), drain=1)
    place = Place(door, port)
    try:
        yield place
    finally:
        for client in place.silent:
            client.close()
        assert await door.close()


async def eventually(holds: Callable[[], Any]) -> None:
    """Wait until something is so; it may be a coroutine function."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = holds()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.02)


async def is_cut(client: socket.socket) -> bool:
    """Whether the server has ended a connection without a word."""
    async with asyncio.timeout(PATIENCE):
        try:
            return await asyncio.get_running_loop().sock_recv(client, 100) == b""
        except ConnectionError:
            return True


async def test_the_silent_of_one_address_have_its_share_and_no_more() -> None:
    """Nobody has shaken hands: the limit holds, others come in, and there is room again when one has left."""
    async with open_place(connections_of_peer=3) as place:
        await place.crowd(3)
        assert await is_cut(await place.come())
        assert not await place.answered()
        assert await place.answered(ELSEWHERE)
        place.silent[0].close()
        await eventually(place.answered)


async def test_the_silent_count_in_all() -> None:
    """The limit on all connections is one on those that shake hands, too, wherever they are from."""
    async with open_place(connections=3) as place:
        await place.crowd(3)
        assert await is_cut(await place.come(ELSEWHERE))
        assert not await place.answered(ELSEWHERE)
        place.silent[0].close()
        await eventually(lambda: place.answered(ELSEWHERE))


async def test_a_handshake_that_never_ends_frees_its_place() -> None:
    """After the time that a head has; what came of it does not matter."""
    async with open_place(connections_of_peer=2, head_seconds=0.3) as place:
        await place.crowd(2)
        place.silent[0].send(b"\x16\x03\x01\x02")  # a part of a record
        assert not await place.answered()
        assert [await is_cut(each) for each in place.silent] == [True, True]
        await eventually(place.answered)


FAILURES = {
    "plain HTTP": REQUEST,
    "a record of nothing": b"\x16\x03\x01\x00\x02\x01\x00",
    "gone at once": b"",
}


async def test_a_handshake_that_fails_frees_its_place() -> None:
    """However often it fails, and nobody is told of it as of an error of ours."""
    async with open_place(connections_of_peer=1) as place:
        for said in (*FAILURES.values(),) * 3:
            client = await place.come()
            client.send(said)
            client.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(PATIENCE):
                while await asyncio.get_running_loop().sock_recv(client, 1000):
                    pass
            client.close()
        await eventually(place.answered)


FIRST_WORDS = {"http/1.1": REQUEST, "h2": PREFACE + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])}


@pytest.mark.parametrize("protocol", FIRST_WORDS)
async def test_who_is_through_counts_once(protocol: str) -> None:
    """With a share of one, one comes in, in either protocol, a second one does not, and again one when it has left."""
    context = trusting(CA)
    context.set_alpn_protocols([protocol])
    async with open_place(connections_of_peer=1) as place:
        async with place.talking(context=context) as (reader, writer):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == protocol
            writer.write(FIRST_WORDS[protocol])
            async with asyncio.timeout(PATIENCE):
                assert await reader.read(1)
            assert await is_cut(await place.come())
        await eventually(place.answered)


async def test_what_comes_with_the_end_of_a_handshake_is_not_lost() -> None:
    """The last flight of a handshake and the request in one packet, many times."""
    async with open_place() as place:
        for _ in range(20):
            client = await place.come()
            assert (await shaken_with_request(client)).startswith(b"HTTP/1.1 200 ")
            client.close()


async def shaken_with_request(client: socket.socket) -> bytes:
    """Shake hands and ask at once; gives what comes."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = CLIENT.wrap_bio(incoming, outgoing, server_hostname="h")
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                await loop.sock_sendall(client, outgoing.read())
                incoming.write(await loop.sock_recv(client, 65536))
        secured.write(REQUEST)
        await loop.sock_sendall(client, outgoing.read())
        while True:
            try:
                return secured.read(1000)
            except ssl.SSLWantReadError:
                incoming.write(await loop.sock_recv(client, 65536))


@pytest.mark.parametrize("moment", [0.0, 0.05], ids=["as they come", "when they have come"])
async def test_the_end_does_not_wait_for_the_silent(moment: float) -> None:
    """Nothing was asked, so nothing is owed."""
    async with open_place() as place:
        for _ in range(20):
            await place.come()
        await asyncio.sleep(moment)
        async with asyncio.timeout(PATIENCE):
            assert await place.door.close()
        assert all([await is_cut(each) for each in place.silent])


async def test_without_descriptors_nobody_is_accepted_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, whoever has come waits, and comes in when there is room."""
    attempts = 0
    real = socket.socket.accept

    def accept(bound: socket.socket) -> tuple[socket.socket, Any]:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError(24, "Too many open files")
        return real(bound)

    async with open_place() as place:
        monkeypatch.setattr(socket.socket, "accept", accept)
        assert await place.answered()
    assert attempts < 10
    assert caplog.text.count("Too many open files") == 1


async def test_small_answers_do_not_wait_for_one_another() -> None:
    """What a loop accepts at our sockets is sent as it is written (TCP_NODELAY), or answers take 40 ms more."""
    seen = asyncio.get_running_loop().create_future()

    def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        seen.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    bound = bind((HERE, 0))
    async with await asyncio.start_server(note, sock=bound):
        _, writer = await asyncio.open_connection(*bound.getsockname())
        assert await seen
        writer.close()
