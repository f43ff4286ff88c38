"""DynamicUpstream: only allowed hosts are reached, each over a transport of its own."""

import pytest

from asgi_driver import exchange, http_scope
from gateway_filters import Backend, BackendTLS, BadRequest, Clocks
from gateway_filters.upstream import default
from gateway_filters.upstream.dynamic import DynamicUpstream
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.transport import IncomingResponse, OutgoingRequest, Transport

HOSTS = ("api.example.com", "*.models.test")


class Refusing(Transport):
    """Notes where it was to connect to, and refuses."""

    made: list[Origin] = []  # noqa: RUF012 - cleared by the fixture

    def __init__(self, origin: Origin, *_: object) -> None:
        self.made.append(origin)

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        del request, clocks
        raise BadRequest("enough seen")

    async def aclose(self) -> None:
        return


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Origin]:
    """The origins that transports were made for."""
    monkeypatch.setattr(default, "transport_to", Refusing)
    Refusing.made.clear()
    return Refusing.made


def dynamic(tls: BackendTLS | None = None) -> DynamicUpstream:
    """An upstream for the allowed hosts."""
    return DynamicUpstream(Backend("b", (), tls, hosts=HOSTS), tls=None, resolve=None, clocks=Clocks())


ALLOWED = [
    pytest.param(b"api.example.com", "http://api.example.com:80", id="an exact host"),
    pytest.param(b"API.example.com:8080", "http://api.example.com:8080", id="with a port, in any case"),
    pytest.param(b"a.b.models.test", "http://a.b.models.test:80", id="a host below a wildcard"),
]


@pytest.mark.parametrize(("host", "origin"), ALLOWED)
async def test_an_allowed_host_is_reached(host: bytes, origin: str, made: list[Origin]) -> None:
    """The request goes to the host and port that it names."""
    with pytest.raises(BadRequest, match="enough seen"):
        await exchange(dynamic(), http_scope(headers=[(b"host", host)]))
    assert [str(each) for each in made] == [origin]


async def test_over_tls_the_certificate_is_the_hosts(made: list[Origin]) -> None:
    """Port 443, and the host's own name is asked for and verified."""
    with pytest.raises(BadRequest, match="enough seen"):
        await exchange(dynamic(BackendTLS("")), http_scope(headers=[(b"host", b"api.example.com")]))
    assert [(str(each), each.server_hostname) for each in made] == [("https://api.example.com:443", "api.example.com")]


REFUSED = [
    pytest.param(b"other.example.com", id="another host"),
    pytest.param(b"models.test", id="the wildcard's own name"),
    pytest.param(b"api.example.com.evil.test", id="a longer name"),
    pytest.param(b"127.0.0.1", id="this machine"),
    pytest.param(b"[::1]:80", id="this machine by IPv6"),
    pytest.param(b"api.example.com@evil.test", id="userinfo"),
    pytest.param(b"", id="no host"),
    pytest.param(b"api.example.com:99999", id="a port that is none"),
    pytest.param(b"api.example.com:+80", id="a port with a sign"),
    pytest.param(b"evil/.models.test", id="a path before an allowed end"),
    pytest.param("caf\u00e9.models.test".encode(), id="a name that is not ASCII"),
]


@pytest.mark.parametrize("host", REFUSED)
async def test_any_other_host_is_refused(host: bytes, made: list[Origin]) -> None:
    """Nothing is connected to."""
    with pytest.raises(BadRequest, match="Host"):
        await exchange(dynamic(), http_scope(headers=[(b"host", host)]))
    assert made == []


PRIVATE = [
    pytest.param(("api.test",), None, False, id="a host that an operator wrote"),
    pytest.param(("*.test",), None, True, id="a host that a client chose under a wildcard"),
    pytest.param(("*.test", "api.test"), None, False, id="one that is written beside a wildcard"),
    pytest.param(("*.test",), False, False, id="under a wildcard where private addresses are meant"),
    pytest.param(("api.test",), True, True, id="any name where they are denied"),
]


@pytest.mark.parametrize(("hosts", "told", "denied"), PRIVATE)
async def test_whose_names_may_lead_to_private_addresses(
    hosts: tuple[str, ...], told: bool | None, denied: bool, made: list[Origin]
) -> None:
    """Names under a wildcard are those of whoever answers for them, so they may not unless somebody says so."""
    backend = Backend("b", (), hosts=hosts)
    upstream = DynamicUpstream(backend, tls=None, resolve=None, clocks=Clocks(), deny_private=told)
    with pytest.raises(BadRequest, match="enough seen"):
        await exchange(upstream, http_scope(headers=[(b"host", b"api.test")]))
    assert [each.deny_private for each in made] == [denied]


async def test_an_address_is_under_no_wildcard(made: list[Origin]) -> None:
    """Else it would pass for one that an operator wrote."""
    for hosts in (("*.0.0.1",), ("*.0.1",)):
        upstream = DynamicUpstream(Backend("b", (), hosts=hosts), tls=None, resolve=None, clocks=Clocks())
        with pytest.raises(BadRequest, match="Host"):
            await exchange(upstream, http_scope(headers=[(b"host", b"127.0.0.1")]))
    assert made == []


async def test_a_host_keeps_its_connections(made: list[Origin]) -> None:
    """One transport for each host, however many requests."""
    upstream = dynamic()
    for _ in range(3):
        with pytest.raises(BadRequest, match="enough seen"):
            await exchange(upstream, http_scope(headers=[(b"host", b"api.example.com")]))
    assert len(made) == 1
    await upstream.aclose()
