"""lenient_tls: clients are asked for a certificate and come in with any, with none, over both event loops."""

# pyright: reportUnknownMemberType=false, reportPrivateUsage=false

import asyncio
import gc
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import trustme

from gateway_filters.errors import ConfigurationError
from gateway_filters.frontend_tls import CHOSEN, FrontendTLS
from gateway_filters.lenient_tls import LenientConnection
from tls_peers import Ends, listening, trusting

CA, OTHER_CA = trustme.CA(), trustme.CA()
A, WILD = CA.issue_cert("a.test"), CA.issue_cert("*.b.test")
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
SIZE = 4 * 1024 * 1024


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loops that people use."""
    return "asyncio", {"use_uvloop": request.param}


def lenient(**given: Any) -> FrontendTLS:
    """A socket's TLS with two listeners."""
    return FrontendTLS(listening(("a.test", A), ("*.b.test", WILD), cas=CA, required=False, **given))


CLIENTS = [
    pytest.param(None, id="no certificate"),
    pytest.param(CA.issue_cert("us@x.test"), id="one of the CA"),
    pytest.param(OTHER_CA.issue_cert("them@x.test"), id="one of another CA"),
    pytest.param(CA.issue_cert("us@x.test", not_before=FIRST, not_after=LAST), id="one that has expired"),
]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("certificate", CLIENTS)
def test_anybody_comes_in(certificate: trustme.LeafCert | None, version: ssl.TLSVersion) -> None:
    """The client is asked, shows what it has, and is let in."""
    ends = Ends(trusting(CA, certificate, maximum_version=version), lenient().context, "a.test").shake_hands()
    server = cast("LenientConnection", ends.server)
    shown = server._connection.get_peer_certificate()
    assert (shown is not None) is (certificate is not None)
    assert server.version() == ("TLSv1.2" if version is ssl.TLSVersion.TLSv1_2 else "TLSv1.3")


NAMES = [("a.test", "a.test"), ("x.b.test", "*.b.test"), ("X.B.test", "*.b.test")]


@pytest.mark.parametrize(("asked", "chosen"), NAMES)
def test_the_name_chooses(asked: str, chosen: str) -> None:
    """Certificates by name, longest match first, as everywhere."""
    ends = Ends(trusting(CA), lenient().context, asked).shake_hands()
    assert getattr(ends.server, CHOSEN) == chosen


@pytest.mark.parametrize("name", ["other.test", None])
def test_a_name_that_nobody_has(name: str | None) -> None:
    """Without a listener the handshake ends."""
    client = trusting(CA, check_hostname=False)
    with pytest.raises(ssl.SSLError):
        Ends(client, lenient().context, name).shake_hands()


def test_versions_of_old() -> None:
    """TLS 1.2 is the least."""
    client = trusting(CA)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        Ends(client, lenient().context, "a.test").shake_hands()


@pytest.mark.parametrize(("offered", "agreed"), [(["h3", "http/1.1"], "http/1.1"), (["h3"], None), ([], None)])
def test_protocols(offered: list[str], agreed: str | None) -> None:
    """ALPN as with certificates that are judged."""
    client = trusting(CA)
    if offered:
        client.set_alpn_protocols(offered)
    ends = Ends(client, lenient().context, "a.test").shake_hands()
    assert (ends.client.selected_alpn_protocol(), ends.server.selected_alpn_protocol()) == (agreed, agreed)


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_resumed(version: ssl.TLSVersion) -> None:
    """OpenSSL resumes nobody whom it asked for a certificate, unless sessions have a context's name."""
    tls = lenient()
    client = trusting(CA, CA.issue_cert("us@x.test"), maximum_version=version)
    first = Ends(client, tls.context, "a.test").shake_hands()
    again = Ends(client, tls.context, "a.test", first.client.session).shake_hands()
    assert (first.client.session_reused, again.client.session_reused) == (False, True)


def test_what_a_connection_is_told() -> None:
    """Nobody vouches for the client; the rest is as ever."""
    server = Ends(trusting(CA), lenient().context, "a.test").shake_hands().server
    assert (server.getpeercert(), server.compression()) == ({}, None)
    cipher = server.cipher()
    assert cipher is not None and cipher[0].startswith("TLS_") and cipher[2] >= 128


def test_garbage_and_goodbyes() -> None:
    """Errors are those of ``ssl``, which event loops know."""
    ends = Ends(trusting(CA), lenient().context, "a.test").shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        ends.server.read(1)
    assert ends.server.write(b"") == 0
    with pytest.raises(ssl.SSLWantReadError):
        ends.server.unwrap()
    ends.client.unwrap()
    assert ends.server.read(10) == b""
    ends.server.unwrap()
    broken = ssl.MemoryBIO()
    server = lenient().context.wrap_bio(broken, ssl.MemoryBIO(), server_side=True)
    broken.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError, match=r"http request|wrong version"):
        server.do_handshake()


def test_a_certificate_that_is_none() -> None:
    """It is refused where it is shown."""
    broken = trustme.LeafCert(A.private_key_pem.bytes(), b"none", [])
    with pytest.raises(ConfigurationError, match="cannot be used"):
        FrontendTLS(listening((None, broken), cas=CA, required=False))


def test_nothing_is_left_to_the_collector() -> None:
    """A connection and its callback make no circle."""
    tls, client = lenient(), trusting(CA)
    Ends(client, tls.context, "a.test").shake_hands()
    gc.collect()
    gc.disable()
    before = _connections()
    try:
        for _ in range(20):
            Ends(client, tls.context, "a.test").shake_hands()
        assert _connections() == before
    finally:
        gc.enable()


def _connections() -> int:
    return sum(isinstance(each, LenientConnection) for each in gc.get_objects())


# Over sockets


@asynccontextmanager
async def echoing() -> AsyncGenerator[int]:
    """A server on an event loop that sends back what it gets until the client's end; gives its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=lenient().context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("version", VERSIONS)
async def test_large_bodies_both_ways(version: ssl.TLSVersion) -> None:
    """All of it arrives, in order, with pauses on both sides."""
    client = trusting(CA, OTHER_CA.issue_cert("them@x.test"), maximum_version=version)
    data = bytes(range(256)) * (SIZE // 256)
    async with echoing() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="a.test")
        writer.write(data)
        await asyncio.sleep(0.2)
        assert await reader.readexactly(SIZE) == data
        writer.close()
        await writer.wait_closed()


async def test_clients_that_leave() -> None:
    """With a goodbye, without one, and in the middle of a handshake: the next one is served."""
    client = trusting(CA)
    async with echoing() as port:
        for leave in ("close", "abort"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="a.test")
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            getattr(writer.transport, leave)()
        _, bare = await asyncio.open_connection("127.0.0.1", port)
        bare.write(b"\x16\x03\x01")
        bare.close()
        _, bare = await asyncio.open_connection("127.0.0.1", port)
        bare.write(b"GET / HTTP/1.1\r\n\r\n")
        bare.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="x.b.test")
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        writer.close()


class _Counting(asyncio.BufferedProtocol):
    """Reads into a buffer of its own and answers with the number of bytes, once they are all there."""

    def __init__(self) -> None:
        self._buffer = bytearray(1000)
        self._count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._count += nbytes
        if self._count == 100_000:
            self._transport.write(b"all")


async def test_a_protocol_with_a_buffer_of_its_own() -> None:
    """Bytes go straight into it, however small it is."""
    server = await asyncio.get_running_loop().create_server(_Counting, "127.0.0.1", 0, ssl=lenient().context)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(CA), server_hostname="a.test")
    writer.write(bytes(100_000))
    assert await reader.readexactly(3) == b"all"
    writer.close()
    await writer.wait_closed()
    server.close()
    await asyncio.sleep(0.05)
