"""upstream/dial: names, addresses, TLS, and sockets of this machine."""

# pyright: reportPrivateUsage=false

import asyncio
import errno
import os
import socket
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import OK, Peer, ask, client, closing, get, serving, soon, upstream, whole

from asgi_driver import Driver, http_scope
from gateway_filters import Clocks, Upstream
from gateway_filters.errors import ConfigurationError, ConnectTimeout, NotConnected, UpstreamAborted
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin

HEAD = b"HTTP/1.1 200 OK\r\n"


class Authority:
    """A CA with contexts for both sides."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def client(self) -> ssl.SSLContext:
        """Trusts it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
        return context

    def server(self, name: str) -> ssl.SSLContext:
        """Has a certificate of it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    """One CA for the module."""
    return Authority()


def to(port: int, *, hostname: str | None = None, scheme: str = "https") -> Origin:
    """The origin a.test, which resolves to that port here."""

    async def resolve(host: str, _: int) -> Sequence[tuple[str, int]]:
        assert host == "a.test"
        return (("127.0.0.1", port),)

    return Origin(scheme, "a.test", 443, hostname, resolve)


async def test_tls(authority: Authority) -> None:
    """One handshake serves many requests; the certificate is checked for the origin's host."""
    async with upstream(serving(OK), tls=authority.server("a.test")) as scripted:
        transport = NativeTransport(to(scripted.port), authority.client())
        assert [(await ask(transport, get())).body for _ in range(3)] == [b"ok"] * 3
        assert len(scripted.peers) == 1
        await transport.aclose()


async def test_another_name_in_tls(authority: Authority) -> None:
    """``server_hostname`` is the name that is asked for and verified instead."""
    async with upstream(serving(OK), tls=authority.server("b.test")) as scripted:
        transport = NativeTransport(to(scripted.port, hostname="b.test"), authority.client())
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()


async def test_a_certificate_that_does_not_hold(authority: Authority) -> None:
    """Another name or another CA: no connection, no request, and no word in plain text."""
    other = Authority()
    for server, context in ((authority.server("b.test"), authority.client()), (other.server("a.test"), None)):
        async with upstream(serving(OK), tls=server) as scripted:
            transport = NativeTransport(to(scripted.port), context or authority.client())
            with pytest.raises(NotConnected):
                await ask(transport, get())
            await transport.aclose()
            assert scripted.heads == []


async def test_a_certificate_that_changes(authority: Authority) -> None:
    """What was right before vouches for nobody: a session of then is no way in, and nothing is sent; nor for long."""
    async with (
        upstream(serving(OK), tls=authority.server("a.test")) as right,
        upstream(serving(OK), tls=Authority().server("a.test")) as wrong,
    ):
        port = right.port

        async def resolve(host: str, _: int) -> Sequence[tuple[str, int]]:
            return (("127.0.0.1", port),)

        transport = NativeTransport(Origin("https", "a.test", 443, None, resolve), authority.client())
        for _ in range(2):
            assert (await ask(transport, get())).body == b"ok"
            port = wrong.port
            with pytest.raises(NotConnected, match="certificate"):
                await ask(transport, get())
            port = right.port
        await transport.aclose()
        assert wrong.heads == []


async def test_plain_text_behind_https(authority: Authority) -> None:
    """A server without TLS gets a ClientHello and nothing more."""
    came = bytearray()

    async def script(peer: Peer) -> None:
        came.extend(await peer.reader.read(65536))
        await peer.send(OK)

    async with upstream(script) as scripted:
        transport = NativeTransport(to(scripted.port), authority.client())
        with pytest.raises(NotConnected):
            await ask(transport, get())
        await transport.aclose()
        assert came.startswith(b"\x16") and b"GET" not in came
        assert len(scripted.peers) == 1


async def test_a_handshake_that_stalls(authority: Authority) -> None:
    """The handshake counts as connecting."""

    async def script(peer: Peer) -> None:
        await peer.until_gone()

    async with upstream(script) as scripted:
        transport = NativeTransport(to(scripted.port), authority.client())
        with pytest.raises(ConnectTimeout):
            await ask(transport, get(), Clocks(connect=0.2))
        assert transport.pool.active == 0
        await transport.aclose()


async def test_a_client_that_leaves_while_its_connection_is_made(authority: Authority) -> None:
    """Nobody waits for it any more: it is given up at once, in the midst of its handshake, and nothing is ever sent."""
    gone = asyncio.Event()
    came = b""

    async def script(peer: Peer) -> None:
        nonlocal came
        came = await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted:
        app = Upstream(f"https://127.0.0.1:{scripted.port}", tls=authority.client())
        async with Driver(app, http_scope()) as driver:
            driver.feed()
            await soon(lambda: len(scripted.peers) == 1)
            driver.disconnect()
            async with asyncio.timeout(2):
                await gone.wait()
        assert came.startswith(b"\x16\x03")  # a hello (RFC 8446 5.1), and nothing after it
        assert b"HTTP" not in came
        await app.aclose()


def test_https_needs_a_context() -> None:
    """There is no https without TLS."""
    with pytest.raises(ConfigurationError, match=r"https://a\.test:443"):
        NativeTransport(Origin("https", "a.test", 443))


async def test_a_body_that_ends_with_close_notify(authority: Authority) -> None:
    """Over TLS a body without framing is whole after a close_notify."""
    async with upstream(closing(HEAD + b"\r\nall of it"), tls=authority.server("a.test")) as scripted:
        transport = NativeTransport(to(scripted.port), authority.client())
        assert (await ask(transport, get())).body == b"all of it"
        await transport.aclose()


async def test_a_body_that_ends_without_close_notify(authority: Authority) -> None:
    """Without one anybody on the way may have cut it (RFC 9112 9.8)."""
    cut = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(HEAD + b"\r\nhalf")
        await cut.wait()
        # The socket under TLS: a bare FIN.
        with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as bare:
            bare.shutdown(socket.SHUT_WR)

    async with upstream(script, tls=authority.server("a.test")) as scripted:
        transport = NativeTransport(to(scripted.port), authority.client())
        response = await transport.send(get(), Clocks())
        answer = aiter(response.chunks())
        assert await anext(answer) == b"half"
        cut.set()
        with pytest.raises(UpstreamAborted):
            await anext(answer)
        await transport.aclose()


async def test_large_bodies_over_tls(authority: Authority) -> None:
    """Pausing and reading on works through TLS as well."""
    size = 8 * 1024 * 1024

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(HEAD + b"content-length: %d\r\n\r\n" % size + bytes(size))

    async with upstream(script, tls=authority.server("a.test")) as scripted:
        transport = NativeTransport(to(scripted.port), authority.client())
        response = await transport.send(get(), Clocks())
        await asyncio.sleep(0.1)
        assert response._queued < 1024 * 1024
        assert len((await whole(response)).body) == size
        assert transport.pool.idle == 1
        await transport.aclose()


async def test_a_socket_of_this_machine(tmp_path: Path) -> None:
    """A path instead of host and port; the name is not looked up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()
        writer.close()

    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(serve, path)
    transport = NativeTransport(Origin("http", "nowhere.invalid", 80), unix=path)
    assert (await ask(transport, get())).body == b"ok"
    await transport.aclose()
    server.close()
    missing = NativeTransport(Origin("http", "nowhere.invalid", 80), unix=path + "-not")
    with pytest.raises(NotConnected):
        await ask(missing, get())
    await missing.aclose()


async def test_the_addresses_of_a_resolver_are_tried_in_order() -> None:
    """One that accepts no connection is passed over."""
    async with upstream(serving(OK)) as scripted:

        async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
            return (("127.0.0.1", 1), ("::1", 1), ("127.0.0.1", scripted.port))

        transport = NativeTransport(Origin("http", "a.test", 80, resolve=resolve))
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()


async def test_an_address_that_hangs_is_overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Happy eyeballs: after 250 ms the next address is tried as well, and the first that connects wins."""
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(hanging.getsockname())
        async with upstream(serving(OK)) as scripted:

            async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
                return (hanging.getsockname(), ("127.0.0.1", scripted.port))

            transport = NativeTransport(Origin("http", "a.test", 80, resolve=resolve))
            assert (await ask(transport, get(), Clocks(connect=2))).body == b"ok"
            await transport.aclose()
        for each in fillers:
            each.close()


async def test_a_resolver_that_moves() -> None:
    """When it names another place, the next request goes there; what is under way is not disturbed."""
    async with upstream(serving(OK)) as first, upstream(serving(OK)) as second:
        port = first.port

        async def resolve(host: str, _: int) -> Sequence[tuple[str, int]]:
            return (("127.0.0.1", port),)

        transport = NativeTransport(Origin("http", "a.test", 80, resolve=resolve))
        await ask(transport, get())
        port = second.port
        await ask(transport, get())
        assert (len(first.heads), len(second.heads)) == (1, 1)
        await transport.aclose()


@pytest.mark.parametrize("names", [(), OSError("no such name")])
async def test_a_resolver_that_names_nothing(names: tuple[()] | OSError) -> None:
    """No address, or an error: there is no connection, so another endpoint may be tried."""

    async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
        if isinstance(names, OSError):
            raise names
        return names

    transport = NativeTransport(Origin("http", "a.test", 80, resolve=resolve))
    with pytest.raises(NotConnected):
        await ask(transport, get())
    await transport.aclose()


async def test_a_name_that_does_not_resolve() -> None:
    """The system's resolution: RFC 6761 says that .invalid never does."""
    transport = NativeTransport(Origin("http", "name.invalid", 80))
    with pytest.raises(NotConnected, match=r"name\.invalid"):
        await ask(transport, get())
    await transport.aclose()


async def test_the_systems_names() -> None:
    """localhost may be ::1 first; the one that listens is found."""
    async with upstream(serving(OK)) as scripted:
        transport = NativeTransport(Origin("http", "localhost", scripted.port))
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()


async def test_without_a_local_port_it_is_told_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are taken (EADDRNOTAVAIL): there is no connection, no slot is lost, and the next one is made."""
    async with upstream(serving(OK)) as scripted, client(scripted.port) as transport:
        loop = asyncio.get_running_loop()

        async def full(sock: socket.socket, address: object) -> None:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

        with monkeypatch.context() as patch:
            patch.setattr(loop, "sock_connect", full)
            for _ in range(3):
                with pytest.raises(NotConnected):
                    await ask(transport, get())
        assert transport.pool.active == 0
        assert (await ask(transport, get())).body == b"ok"


async def test_a_slow_resolver_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes its time for one name: the loop goes on, and what needs no name is served."""
    free = threading.Event()
    sound = socket.getaddrinfo

    def slow(host: str, *rest: Any, **named: Any) -> list[Any]:
        if host != "slow.test":
            return sound(host, *rest, **named)
        free.wait(10)
        raise socket.gaierror("no such name")

    async with upstream(serving(OK)) as scripted, client(scripted.port) as transport:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        other = NativeTransport(Origin("http", "slow.test", 80))
        waiting = [asyncio.create_task(ask(other, get(), Clocks(connect=5))) for _ in range(50)]
        await asyncio.sleep(0.05)
        for _ in range(5):
            async with asyncio.timeout(2):
                assert (await ask(transport, get())).body == b"ok"
        free.set()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in ended} == {NotConnected}
        assert other.pool.active == 0
        await other.aclose()
