"""TLS to upstreams over real sockets, on both event loops: who is believed, what is sent, what is resumed."""

# pyright: reportUnknownMemberType=false

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme
from scripted import OK, Peer, Scripted, ask, get, serving, upstream

from gateway_filters.errors import ConfigurationError, NotConnected
from gateway_filters.routing import Backend, BackendTLS, CertificatePair, SubjectAltName, TLSParameters
from gateway_filters.upstream import resumption
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.tls import Contexts
from issued import issue

SPIFFE = "spiffe://cluster.test/ns/a/sa/b"
CA, OTHER_CA = trustme.CA(), trustme.CA()
CAS = CA.cert_pem.bytes().decode()
GOOD = issue(CA, "a.test", SPIFFE)


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loops that people use."""
    return "asyncio", {"use_uvloop": request.param}


def serving_tls(certificate: trustme.LeafCert, **given: Any) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in given.items():
        setattr(context, name, value)
    return context


@asynccontextmanager
async def reached(tls: BackendTLS, scripted: Scripted, contexts: Contexts | None = None) -> AsyncGenerator[Any]:
    """A transport to the upstream."""
    context = (contexts or Contexts()).context(tls)
    transport = NativeTransport(Origin("https", "127.0.0.1", scripted.port, tls.hostname), context)
    try:
        yield transport
    finally:
        await transport.aclose()


def named(*names: str) -> tuple[SubjectAltName, ...]:
    """Names that are expected."""
    return tuple(SubjectAltName("URI" if "://" in each else "Hostname", each) for each in names)


BELIEVED = [
    pytest.param(BackendTLS("a.test", CAS), id="the host name, without other names"),
    pytest.param(BackendTLS("x.test", CAS, named("a.test")), id="a name that is not the one asked for"),
    pytest.param(BackendTLS("x.test", CAS, named(SPIFFE)), id="a URI"),
    pytest.param(BackendTLS("x.test", CAS, named("b.test", SPIFFE)), id="one of several names"),
    pytest.param(BackendTLS("x.test", CAS, verified=False), id="anything, where nothing is verified"),
]


@pytest.mark.parametrize("tls", BELIEVED)
async def test_believed(tls: BackendTLS) -> None:
    """The request leaves, and the name that was asked for is the hostname (SNI) in any case."""
    asked: list[str | None] = []

    def hear(_: object, name: str | None, __: object) -> None:
        asked.append(name)

    server = serving_tls(GOOD, sni_callback=hear)
    async with upstream(serving(OK), tls=server) as scripted, reached(tls, scripted) as transport:
        assert (await ask(transport, get())).body == b"ok"
        assert asked == [tls.hostname]


FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
BETWEEN = CA.create_child_ca()


def without_intermediate() -> ssl.SSLContext:
    """A server that forgets the CA between its own certificate and the root."""
    leaf = BETWEEN.issue_cert("a.test")
    pair = CertificatePair(leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair.load_into(context)
    return context


def asking_for_certificates() -> ssl.SSLContext:
    """A server that wants to know who we are."""
    context = serving_tls(GOOD, verify_mode=ssl.CERT_REQUIRED, maximum_version=ssl.TLSVersion.TLSv1_2)
    CA.configure_trust(context)
    return context


def of_old() -> ssl.SSLContext:
    """A server that speaks TLS 1.1 at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    GOOD.configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


HOST = BackendTLS("a.test", CAS)
REFUSED = [
    pytest.param(HOST, serving_tls(CA.issue_cert("b.test")), id="another name"),
    pytest.param(HOST, serving_tls(OTHER_CA.issue_cert("a.test")), id="another CA"),
    pytest.param(HOST, serving_tls(CA.issue_cert("a.test", not_before=FIRST, not_after=LAST)), id="an expired one"),
    pytest.param(HOST, without_intermediate(), id="a chain with a gap"),
    pytest.param(HOST, of_old(), id="TLS of old"),
    pytest.param(HOST, asking_for_certificates(), id="one that wants a certificate which we do not have"),
    pytest.param(
        replace(HOST, parameters=TLSParameters(least="1.3")),
        serving_tls(GOOD, maximum_version=ssl.TLSVersion.TLSv1_2),
        id="a version below the least",
    ),
    pytest.param(
        replace(HOST, parameters=TLSParameters(most="1.2")),
        serving_tls(GOOD, minimum_version=ssl.TLSVersion.TLSv1_3),
        id="a version above the most",
    ),
    pytest.param(BackendTLS("a.test", CAS, named("b.test")), serving_tls(GOOD), id="the host name is not among those"),
    pytest.param(BackendTLS("a.test", CAS, named(f"{SPIFFE}/x")), serving_tls(GOOD), id="another URI"),
    pytest.param(
        BackendTLS("a.test", CAS, named("a.test")),
        serving_tls(OTHER_CA.issue_cert("a.test")),
        id="the right name of another CA",
    ),
    pytest.param(
        BackendTLS("a.test", CAS, named(SPIFFE)),
        serving_tls(issue(CA, SPIFFE, not_before=FIRST, not_after=LAST)),
        id="the right URI on an expired certificate",
    ),
]


@pytest.mark.parametrize(("tls", "server"), REFUSED)
async def test_refused(tls: BackendTLS, server: ssl.SSLContext) -> None:
    """There is no connection, and the server never sees a request."""
    async with upstream(serving(OK), tls=server) as scripted, reached(tls, scripted) as transport:
        with pytest.raises(NotConnected):
            await ask(transport, get())
        assert scripted.heads == []


async def test_the_certificate_that_we_show() -> None:
    """A server that asks for one gets it and serves us."""
    ours = CA.issue_cert("gateway.test")
    chain = b"".join(each.bytes() for each in ours.cert_chain_pems)
    tls = replace(HOST, certificate=CertificatePair(chain.decode(), ours.private_key_pem.bytes().decode()))
    shown: list[object] = []

    async def script(peer: Peer) -> None:
        shown.append(peer.writer.get_extra_info("peercert")["subjectAltName"])
        await serving(OK)(peer)

    async with upstream(script, tls=asking_for_certificates()) as scripted, reached(tls, scripted) as transport:
        assert (await ask(transport, get())).body == b"ok"
        assert shown == [(("DNS", "gateway.test"),)]


CIPHERS = [
    pytest.param("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", id="by OpenSSL's name"),
    pytest.param("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", id="by the RFC's name"),
]


@pytest.mark.parametrize(("written", "used"), CIPHERS)
async def test_ciphers(written: str, used: str) -> None:
    """The one that is named is the one that is used."""
    tls = replace(HOST, parameters=TLSParameters(most="1.2", ciphers=(written,)))
    seen: list[str] = []

    async def script(peer: Peer) -> None:
        seen.append(peer.writer.get_extra_info("cipher")[0])
        await serving(OK)(peer)

    async with upstream(script, tls=serving_tls(GOOD)) as scripted, reached(tls, scripted) as transport:
        await ask(transport, get())
        assert seen == [used]


@pytest.mark.parametrize("word", ["eNULL", "aNULL", "ALL", "@SECLEVEL=0", "ECDHE-ECDSA-AES256-GCM-SHA384:eNULL", ""])
def test_no_other_words_for_ciphers(word: str) -> None:
    """OpenSSL's language for ciphers knows such as encrypt nothing and such as verify nobody."""
    with pytest.raises(ConfigurationError, match="is no cipher"):
        Contexts().context(replace(HOST, parameters=TLSParameters(ciphers=(word,))))


async def test_an_answer_with_a_goodbye_right_behind_it() -> None:
    """In the same bytes: the answer is whole, and the connection is closed."""

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        peer.end()

    async with upstream(script, tls=serving_tls(GOOD)) as scripted, reached(HOST, scripted) as transport:
        for _ in range(5):
            assert (await ask(transport, get())).body == b"ok"
        assert len(scripted.peers) == 5


@pytest.mark.parametrize(("alpn", "offered"), [(None, None), (("http/1.1",), "http/1.1"), (("h2",), None)])
async def test_alpn(alpn: tuple[str, ...] | None, offered: str | None) -> None:
    """Nothing is offered that is not spoken here."""
    server = serving_tls(GOOD)
    server.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[str | None] = []

    async def script(peer: Peer) -> None:
        chosen.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await serving(OK)(peer)

    tls = Backend("b", (), replace(HOST, parameters=TLSParameters(alpn=alpn))).offering
    assert tls is not None
    async with upstream(script, tls=server) as scripted, reached(tls, scripted) as transport:
        await ask(transport, get())
        assert chosen == [offered]


async def test_an_address_of_ipv6() -> None:
    """An endpoint has its address in brackets; TLS and sockets have it without."""
    server = serving_tls(CA.issue_cert("::1"))
    async with upstream(serving(OK), tls=server, host="::1") as scripted:
        context = Contexts().context(BackendTLS(None, CAS))
        transport = NativeTransport(Origin("https", "[::1]", scripted.port), context)
        assert (await ask(transport, get())).body == b"ok"
        await transport.aclose()


# Contexts


def test_one_context_for_all_who_do_the_same() -> None:
    """Hostnames are the connections' own; everything else makes another context. What nobody uses goes."""
    contexts = Contexts()
    one = contexts.context(HOST)
    assert contexts.context(BackendTLS("b.test", CAS)) is one
    assert contexts.context(BackendTLS(None, CAS)) is one
    for other in (replace(HOST, names=named("a.test")), replace(HOST, verified=False), replace(HOST, cas=None)):
        assert contexts.context(other) is not one
    del one
    assert len(contexts._made) == 0  # pyright: ignore[reportPrivateUsage]


# Sessions


@asynccontextmanager
async def resuming(**given: Any) -> AsyncGenerator[tuple[list[bool], Any]]:
    """An upstream that closes each connection after its answer; whether each of them was resumed."""
    resumed: list[bool] = []

    async def script(peer: Peer) -> None:
        resumed.append(peer.writer.get_extra_info("ssl_object").session_reused)
        await peer.head()
        await peer.send(OK)
        peer.end()

    async with (
        upstream(script, tls=serving_tls(GOOD, **given)) as scripted,
        reached(replace(HOST, names=named(SPIFFE)), scripted) as transport,
    ):
        yield resumed, transport


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
async def test_sessions_are_resumed(version: ssl.TLSVersion) -> None:
    """Every connection but the first one resumes, with the names verified all the same."""
    async with resuming(minimum_version=version, maximum_version=version) as (resumed, transport):
        for _ in range(4):
            assert (await ask(transport, get())).body == b"ok"
        assert resumed == [False, True, True, True]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_ends(version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after a whole handshake there is another one, however often it was resumed: certificates expire."""
    now = 1000.0
    monkeypatch.setattr(resumption, "_now", lambda: now)
    async with resuming(minimum_version=version, maximum_version=version) as (resumed, transport):
        for step in (0, 3000, 3000, 1, 1):
            now += step
            await ask(transport, get())
        assert resumed == [False, True, False, True, True]


async def test_a_server_that_forgets_sessions() -> None:
    """A ticket of another server is a whole handshake and no failure."""
    async with resuming() as (resumed, transport):
        await ask(transport, get())
    async with resuming() as (again, other):
        other._dialler._tls = transport._dialler._tls
        assert (await ask(other, get())).body == b"ok"
    assert (resumed, again) == ([False], [False])
