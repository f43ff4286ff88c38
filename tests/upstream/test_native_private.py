"""Where private addresses are denied, no name leads to one, whoever answers for it (T39, F37)."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from scripted import OK, ask, get, serving, upstream

from gateway_filters import Clocks, ConfigurationError, Upstream
from gateway_filters.errors import NotConnected
from gateway_filters.upstream.http2 import Http2Transport
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin

METADATA = "169.254.169.254"
PUBLIC, OTHER = "8.8.8.8", "2606:4700:4700::1111"


class Network:
    """What the system says of names, answer by answer, and whom it was asked to connect to; all lead to ``here``."""

    def __init__(self) -> None:
        self.answers: list[Sequence[str]] = []
        self.connected: list[str] = []
        self.here = 0

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        """The next answer."""
        del host
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(families[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in self.answers.pop(0)]

    async def connect(self, sock: socket.socket, place: tuple[str, int]) -> None:
        """To the upstream that stands for the whole network; to IPv6 nobody gets."""
        self.connected.append(place[0])
        if sock.family == socket.AF_INET6:
            raise OSError("no way to IPv6")
        sock.setblocking(True)
        sock.connect(("127.0.0.1", self.here))
        sock.setblocking(False)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network of our own."""
    made = Network()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


def to(port: int, host: str = "a.test", resolve: Any = None) -> Origin:
    """An origin that may not be private."""
    return Origin("http", host, port, resolve=resolve, deny_private=True)


@pytest.mark.parametrize("made", [NativeTransport, Http2Transport], ids=["HTTP/1.1", "HTTP/2"])
async def test_a_name_that_leads_to_this_machine(
    network: Network, caplog: pytest.LogCaptureFixture, made: Callable[[Origin], Any]
) -> None:
    """There is no connection, whatever is asked, and the log says once why."""
    async with upstream(serving(OK)) as scripted:
        network.answers = [["127.0.0.1"]] * 3
        transport = made(to(scripted.port))
        for _ in range(3):
            with pytest.raises(NotConnected, match=r"127\.0\.0\.1 is private"):
                await transport.send(get(), Clocks())
        await transport.aclose()
        assert scripted.peers == []
    assert caplog.text.count("leads to 127.0.0.1, which is private") == 1


PRIVATE = [["10.0.0.1"], [METADATA], ["0.0.0.0"], ["::1"], ["::ffff:127.0.0.1"], [f"64:ff9b::{METADATA}"], ["fd00::1"]]


@pytest.mark.parametrize("answer", PRIVATE, ids=lambda answer: answer[0])
async def test_nothing_is_sent_to_a_private_address(
    network: Network, monkeypatch: pytest.MonkeyPatch, answer: list[str]
) -> None:
    """Not a packet: it is not even connected to."""
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", network.connect)
    network.answers = [answer]
    transport = NativeTransport(to(80))
    with pytest.raises(NotConnected):
        await ask(transport, get())
    assert network.connected == []
    await transport.aclose()


async def test_of_several_addresses_the_public_ones_are_taken(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers for a name may mix them."""
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", network.connect)
    async with upstream(serving(OK)) as scripted:
        network.here = scripted.port
        network.answers = [["10.0.0.1", OTHER, "::1", PUBLIC, METADATA]]
        transport = NativeTransport(to(scripted.port))
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()
    assert network.connected == [OTHER, PUBLIC]


async def test_what_was_looked_at_is_what_is_connected_to(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: each connection asks once; a name that was public and is private now gets no other one."""
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", network.connect)
    async with upstream(serving(OK + b"spoils it")) as scripted:
        network.here = scripted.port
        network.answers = [[PUBLIC], ["127.0.0.1"], [PUBLIC]]
        transport = NativeTransport(to(scripted.port))
        assert (await ask(transport, get())).body == b"ok"
        with pytest.raises(NotConnected):
            await ask(transport, get())
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()
    assert network.answers == []
    assert network.connected == [PUBLIC, PUBLIC]


async def test_an_address_is_an_operators_word(network: Network) -> None:
    """``ip`` of a Backend, and an origin that is written so: nothing is resolved, and it is reached."""
    async with upstream(serving(OK)) as scripted:
        transport = NativeTransport(to(scripted.port, "127.0.0.1"))
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()


@pytest.mark.parametrize("named", ["127.0.0.1", "a.test"], ids=["an address", "a name"])
async def test_a_resolver_of_ones_own_is_believed_no_more(network: Network, named: str) -> None:
    """What it names is looked at as what the system names."""

    async def resolve(_: str, port: int) -> Sequence[tuple[str, int]]:
        return ((named, port),)

    network.answers = [["127.0.0.1"]]
    async with upstream(serving(OK)) as scripted:
        transport = NativeTransport(to(scripted.port, resolve=resolve))
        with pytest.raises(NotConnected, match="is private"):
            await ask(transport, get())
        await transport.aclose()
        assert scripted.peers == []


def test_a_transport_of_ones_own_finds_its_addresses_itself() -> None:
    """It could not be kept, so it is not promised."""
    with pytest.raises(ConfigurationError, match="finds its addresses itself"):
        Upstream("http://a.test", transport=httpx.MockTransport(lambda _: httpx.Response(200)), deny_private=True)
