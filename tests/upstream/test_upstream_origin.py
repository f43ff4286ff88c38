"""upstream: what an origin is, how its addresses are tried, and whose connections are closed."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from upstream_doubles import Raising, Recording

from asgi_driver import exchange, http_scope
from gateway_filters import ConfigurationError, Upstream, client_context
from gateway_filters.upstream import default, tls
from gateway_filters.upstream.httpx_transport import HttpxTransport
from gateway_filters.upstream.origin import Origin


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("", id="nothing"),
        pytest.param("provider.test", id="no scheme"),
        pytest.param("//provider.test", id="no scheme but slashes"),
        pytest.param("ftp://provider.test", id="another scheme"),
        pytest.param("ws://provider.test", id="a WebSocket scheme"),
        pytest.param("http://", id="no host"),
        pytest.param("http://:80", id="a port without a host"),
        pytest.param("http://user@provider.test", id="a user"),
        pytest.param("http://user:password@provider.test", id="a password"),
        pytest.param("http://@provider.test", id="an empty user"),
        pytest.param("http://provider.test/v1", id="a path"),
        pytest.param("http://provider.test?q=1", id="a query"),
        pytest.param("http://provider.test#a", id="a fragment"),
        pytest.param("http://provider.test:x", id="a port that is no number"),
        pytest.param("http://provider.test:65536", id="a port that does not exist"),
        pytest.param("http://[::1", id="a broken address"),
    ],
)
def test_bad_origin(origin: str) -> None:
    """What is not exactly scheme, host and port is refused at construction, as a ``ValueError`` too."""
    with pytest.raises(ConfigurationError) as raised:
        Upstream(origin, transport=Recording())
    assert isinstance(raised.value, ValueError)


SECRETIVE = [
    pytest.param("http://user:password@provider.test", "'http://...@provider.test'", id="a password"),
    pytest.param("http://user:pass@word@provider.test", "'http://...@provider.test'", id="a password with an at"),
    pytest.param("https://provider.test?key=password", "'https://provider.test?...'", id="a key that is asked with"),
    pytest.param("http://user:password@[::1", "'http://...@[::1'", id="a password before a broken address"),
]


@pytest.mark.parametrize(("origin", "shown"), SECRETIVE)
def test_what_is_wrong_is_told_without_secrets(origin: str, shown: str) -> None:
    """The place, and three dots for what may be one; no cause shows it either."""
    with pytest.raises(ConfigurationError) as raised:
        Upstream(origin, transport=Recording())
    assert shown in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        pytest.param("http://provider.test", "http://provider.test/x", id="http is port 80"),
        pytest.param("https://provider.test/", "https://provider.test/x", id="https is port 443, a slash is no path"),
        pytest.param("https://provider.test:8443", "https://provider.test:8443/x", id="a port of its own"),
        pytest.param("http://[::1]:8080", "http://[::1]:8080/x", id="an IPv6 address"),
        pytest.param("HTTP://Provider.Test", "http://provider.test/x", id="case does not count"),
    ],
)
async def test_origin(origin: str, url: str) -> None:
    """Requests go to the origin, whatever Host they name."""
    transport = Recording()
    await exchange(Upstream(origin, transport=transport), http_scope("/x", headers=[(b"host", b"other.test:1")]))
    assert str(transport.request.url) == url


@pytest.mark.parametrize(
    ("origin", "name", "expected"),
    [
        pytest.param("http://provider.test", None, None, id="plain text asks for no name"),
        pytest.param("https://provider.test", None, "provider.test", id="the host is the name"),
        pytest.param("https://192.0.2.1", "provider.test", "provider.test", id="a name of its own"),
    ],
)
async def test_server_name(origin: str, name: str | None, expected: str | None) -> None:
    """In TLS the server's name is the host, or the one that is given."""
    transport = Recording()
    await exchange(Upstream(origin, transport=transport, server_hostname=name), http_scope())
    assert transport.request.extensions.get("sni_hostname") == expected


def test_repr() -> None:
    """An upstream shows where it leads."""
    assert repr(Upstream("http://provider.test", transport=Recording())) == "Upstream('http://provider.test:80')"


# Addresses


def resolver(*addresses: tuple[str, int]) -> "Resolving":
    """A resolver that gives these addresses."""
    return Resolving(addresses)


class Resolving:
    """A resolver that keeps what it was asked."""

    def __init__(self, addresses: Sequence[tuple[str, int]], error: OSError | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self._addresses = addresses
        self._error = error

    async def __call__(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        self.asked.append((host, port))
        if self._error is not None:
            raise self._error
        return self._addresses


ADDRESSES = (("192.0.2.1", 443), ("2001:db8::1", 443), ("192.0.2.3", 8443))


@pytest.mark.parametrize(
    ("errors", "status", "tried"),
    [
        pytest.param([], 200, 1, id="the first address, when it accepts"),
        pytest.param([httpx.ConnectError("1")], 200, 2, id="the second, when the first refuses"),
        pytest.param([httpx.ConnectError("1"), httpx.ConnectError("2")], 200, 3, id="the last, when all others refuse"),
        pytest.param([httpx.ConnectError(each) for each in "123"], 503, 3, id="503, when all refuse"),
        pytest.param([httpx.ConnectTimeout("1")], 200, 2, id="the second, when the first does not accept in time"),
        pytest.param([httpx.ConnectTimeout(each) for each in "123"], 504, 3, id="504, when none accepts in time"),
        pytest.param([httpx.ReadError("1")], 503, 1, id="no second one after bytes were sent"),
        pytest.param([httpx.ConnectError("1"), httpx.ReadTimeout("2")], 504, 2, id="the last failure counts"),
    ],
)
async def test_addresses(errors: list[Exception], status: int, tried: int) -> None:
    """Addresses are tried in order until one accepts a connection."""
    transport = Raising(*errors)
    resolve = resolver(*ADDRESSES)
    answer = await exchange(Upstream("https://provider.test", transport=transport, resolve=resolve), http_scope())
    assert answer.status == status
    # httpx leaves a scheme's default port out.
    assert transport.hosts == [(host, None if port == 443 else port) for host, port in ADDRESSES[:tried]]
    assert resolve.asked == [("provider.test", 443)]


async def test_the_upload_goes_to_the_address_that_accepts() -> None:
    """An address that refuses takes nothing of the upload with it."""
    transport = Raising(httpx.ConnectError("refused"))
    upstream = Upstream("https://provider.test", transport=transport, resolve=resolver(*ADDRESSES))
    headers = [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
    await exchange(upstream, http_scope(method="POST", headers=headers), b"1", b"2")
    assert transport.bodies == [[b"1", b"2"]]
    assert transport.request.extensions["sni_hostname"] == "provider.test"


@pytest.mark.parametrize(
    "resolve",
    [
        pytest.param(Resolving(()), id="no address"),
        pytest.param(Resolving((), OSError("no such name")), id="a name that does not resolve"),
    ],
)
async def test_no_address(resolve: Resolving) -> None:
    """An origin without any address is 503, and nothing is sent."""
    transport = Recording()
    answer = await exchange(Upstream("http://provider.test", transport=transport, resolve=resolve), http_scope())
    assert answer.status == 503
    assert transport.requests == []


# Whose connections


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """The transports that upstreams make for themselves, none of them with a network."""
    transports: list[Recording] = []

    def make(
        origin: Origin, tls: ssl.SSLContext | None, unix: str | None = None, connections: int | None = None
    ) -> HttpxTransport:
        transports.append(Recording())
        return HttpxTransport(origin, transports[-1])

    monkeypatch.setattr(default, "transport_to", make)
    return transports


async def test_a_given_transport_stays_open() -> None:
    """``aclose`` leaves a transport alone that was given, and the upstream goes on."""
    transport = Recording()
    upstream = Upstream("http://provider.test", transport=transport)
    await exchange(upstream, http_scope())
    await upstream.aclose()
    assert transport.closed == 0
    assert (await exchange(upstream, http_scope())).status == 200


async def test_its_own_transport(made: list[Recording]) -> None:
    """Its own transport is made at the first request, kept, closed once by ``aclose``, and made anew after."""
    upstream = Upstream("http://provider.test")
    await upstream.aclose()
    assert made == []
    for _ in range(2):
        assert (await exchange(upstream, http_scope())).status == 200
    assert [len(each.requests) for each in made] == [2]
    await upstream.aclose()
    await upstream.aclose()
    assert [each.closed for each in made] == [1]
    assert (await exchange(upstream, http_scope())).status == 200
    assert [len(each.requests) for each in made] == [2, 1]


def test_another_event_loop(made: list[Recording]) -> None:
    """Connections belong to a loop: on another one the same upstream works with new ones."""
    upstream = Upstream("http://provider.test")

    async def once() -> int:
        return (await exchange(upstream, http_scope())).status

    assert [asyncio.run(once()) for _ in range(3)] == [200, 200, 200]
    assert [len(each.requests) for each in made] == [1, 1, 1]


async def test_the_default_transport() -> None:
    """Without a network the default transport is made and closed without a warning; nobody listens on port 1."""
    upstream = Upstream("http://127.0.0.1:1")
    assert (await exchange(upstream, http_scope())).status == 503
    await upstream.aclose()


# TLS


def test_client_context() -> None:
    """A context verifies chain and name, from TLS 1.2 on."""
    context = client_context(tls.system_file())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_client_context_trusts_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment variable adds to what a context trusts, or writes down its keys."""
    trustme = pytest.importorskip("trustme")
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.system_file()))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    context = client_context(authority)
    assert len(context.get_ca_certs()) == 1
    assert context.keylog_filename is None
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_bad_cas(tmp_path: Path, content: bytes | None) -> None:
    """A file of CAs that is missing or holds none is refused, by name."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        client_context(file)


def test_no_system_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no CAs in a known place, an https upstream is refused at construction."""
    monkeypatch.setattr(tls, "_SYSTEM_FILES", ("/nowhere/ca.pem",))
    with pytest.raises(ConfigurationError, match="/nowhere"):
        Upstream("https://provider.test")
