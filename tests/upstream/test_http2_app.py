"""upstream/app over HTTP/2: what clients see, who speak it too or do not; by hand, by value and by manifest."""

import asyncio
import logging
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from h2.errors import ErrorCodes
from http2_peer import Peer, Request, Script, ok, serving, upstream2
from scripted import OK, soon
from scripted import serving as serving1
from scripted import upstream as upstream1
from starlette.types import ASGIApp, Scope

from asgi_driver import Driver, exchange, http_scope, json_error
from gateway_filters import (
    Backend,
    BackendTLS,
    Clocks,
    ConfigurationError,
    CredentialInjection,
    Endpoint,
    Gateway,
    Match,
    MemorySecret,
    PrefixMatch,
    ResponseHeaderModifier,
    Route,
    TLSParameters,
    Upstream,
    UpstreamAborted,
    WeightedBackend,
    chain,
)
from gateway_filters.routing import HTTP2, NEGOTIATED
from gateway_filters.upstream.tls import client_context

TE = (b"te", b"trailers")
GRPC = ((b"content-type", b"application/grpc"),)
STATUS = ((b"grpc-status", b"0"), (b"grpc-message", b"fine"))
EXTENSION: dict[str, dict[str, object]] = {"http.response.trailers": {}}


def scope2(target: str = "/", *headers: tuple[bytes, bytes], method: str = "POST", **more: Any) -> Scope:
    """The scope of a request over HTTP/2 at a server that takes trailers."""
    scope = http_scope(target, method=method, headers=((b"host", b"gateway.test"), *headers))
    return {**scope, "http_version": "2", "extensions": EXTENSION, **more}


@asynccontextmanager
async def upstream_of(script: Script, **options: Any) -> AsyncGenerator[tuple[Any, Upstream]]:
    """A scripted upstream, and the app in front of it."""
    async with upstream2(script) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}", http2=True, **options)
        try:
            yield scripted, app
        finally:
            await app.aclose()


def grpc(peer: Peer, request: Request) -> None:
    """An answer as gRPC has it."""
    peer.answer(request, b"\0\0\0\0\2ok", headers=GRPC, trailers=STATUS)


# Trailers


async def test_trailers_pass() -> None:
    """Announced with the head, sent behind the body; and the client's word for them goes along."""
    async with upstream_of(serving(grpc)) as (scripted, app):
        messages = (await exchange(chain(app), scope2("/", TE), b"ping")).messages
        assert messages[0] == {
            "type": "http.response.start",
            "status": 200,
            "headers": list(GRPC),
            "trailers": True,
        }
        assert b"".join(each["body"] for each in messages[1:-1]) == b"\0\0\0\0\2ok"
        assert messages[-1] == {"type": "http.response.trailers", "headers": list(STATUS), "more_trailers": False}
        (request,) = scripted.requests
        assert request.value(b"te") == b"trailers"
        assert bytes(request.body) == b"ping"
        assert request.value(b"content-length") is None


async def test_filters_of_answers_let_trailers_pass() -> None:
    """They see the head; the announcement stays."""
    async with upstream_of(serving(grpc)) as (_, app):
        filtered = chain(app, ResponseHeaderModifier(set={"X-Seen": "yes"}))
        messages = (await exchange(filtered, scope2("/", TE))).messages
        assert messages[0]["trailers"] is True
        assert (b"x-seen", b"yes") in messages[0]["headers"]
        assert messages[-1]["headers"] == list(STATUS)


NO_TRAILERS: list[object] = [
    pytest.param({"http_version": "1.1"}, None, id="a client of HTTP/1.1, though the server knows them"),
    pytest.param({"extensions": {}}, b"trailers", id="a server that does not know them"),
    pytest.param({"extensions": None}, b"trailers", id="a server that knows no extension"),
]


@pytest.mark.parametrize(("more", "te"), NO_TRAILERS)
async def test_trailers_are_dropped(more: dict[str, Any], te: bytes | None) -> None:
    """The answer is whole without them."""
    async with upstream_of(serving(grpc)) as (scripted, app):
        answer = await exchange(app, scope2("/", TE, **more))
        assert answer.body == b"\0\0\0\0\2ok"
        assert [each["type"] for each in answer.messages][-1] == "http.response.body"
        assert "trailers" not in answer.messages[0]
        assert scripted.requests[0].value(b"te") == te


WITHOUT: list[object] = [
    pytest.param("HEAD", 200, b"", id="an answer to HEAD"),
    pytest.param("GET", 204, b"", id="204"),
    pytest.param("GET", 304, b"", id="304"),
    pytest.param("POST", 200, b"", id="gRPC's answer that is trailers alone"),
    pytest.param("GET", 200, b"ok", id="one that is whole"),
]


@pytest.mark.parametrize(("method", "status", "body"), WITHOUT)
async def test_none_are_announced_where_there_are_none(method: str, status: int, body: bytes) -> None:
    """Which is known when the answer is whole."""

    def answers(peer: Peer, request: Request) -> None:
        peer.answer(request, body, status=status, headers=STATUS)

    async with upstream_of(serving(answers)) as (_, app):
        answer = await exchange(app, scope2(method=method))
        assert (answer.status, answer.body) == (status, body)
        assert answer.values(b"grpc-status") == [b"0"]
        assert not answer.messages[0].get("trailers")
        assert answer.messages[-1]["type"] == "http.response.body"


async def test_announced_and_not_come() -> None:
    """A server that waits for trailers gets none."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        await asyncio.sleep(0.01)
        peer.data(request.stream, b"late", ends=True)

    async with upstream_of(script) as (_, app):
        messages = (await exchange(app, scope2(method="GET"))).messages
        assert messages[0]["trailers"] is True
        assert messages[-1] == {"type": "http.response.trailers", "headers": [], "more_trailers": False}


async def test_trailers_that_carry_the_credential() -> None:
    """They are withheld, and the answer breaks off."""

    def answers(peer: Peer, request: Request) -> None:
        peer.answer(request, b"x", trailers=((b"x-debug", b"Bearer sk-0123456789"),))

    async with upstream_of(serving(answers)) as (_, app):
        credential = CredentialInjection(MemorySecret("sk-0123456789", scheme="Bearer"), overwrite=True)
        async with Driver(chain(app, credential), scope2()) as driver:
            driver.feed()
            with pytest.raises(Exception, match="credential"):
                await driver.end()
            assert "sk-0123456789" not in repr(driver.sent)


# Conversations


async def test_either_side_may_begin() -> None:
    """The request leaves before its client has said anything, and the answer comes before it has ended."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200, GRPC)
        peer.data(request.stream, b"welcome")
        await peer.until(lambda: bytes(request.body) == b"hello")
        peer.data(request.stream, b"hello to you")
        await peer.until(lambda: request.ended)
        peer.h2.send_headers(request.stream, STATUS, end_stream=True)
        peer.flush()

    async with upstream_of(script) as (_, app), Driver(app, scope2("/", TE)) as driver:
        assert (await driver.next())["trailers"] is True
        assert (await driver.next())["body"] == b"welcome"
        driver.feed(b"hello", more=True)
        assert (await driver.next())["body"] == b"hello to you"
        driver.feed()
        assert (await driver.next())["body"] == b""
        assert (await driver.next())["headers"] == list(STATUS)
        await driver.end()


LEAVING = ["before the answer", "in its body", "in the request's body"]


@pytest.mark.parametrize("moment", LEAVING)
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_client_that_leaves(moment: str, version: str) -> None:
    """Its stream is reset at once; the connection is there for the next one (F16)."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if moment == "in its body":
            peer.head(request.stream, 200)
            peer.data(request.stream, b"x")
        await peer.until(lambda: peer.gave_up(request))
        ok(peer, await peer.request())

    async with upstream_of(script) as (scripted, app):
        length = (b"content-length", b"100000")
        scope = scope2("/", *((length,) if moment == "in the request's body" else ()), http_version=version)
        async with Driver(app, scope) as driver:
            driver.feed(b"x", more=moment == "in the request's body")
            await soon(lambda: bool(scripted.requests))
            if moment == "in its body":
                await driver.next()
            driver.disconnect()
            await driver.end()
        assert (await exchange(app, scope2(method="GET"))).body == b"ok"
        assert len(scripted.peers) == 1
        assert scripted.peers[0].resets == [(1, ErrorCodes.CANCEL)]


# Failures


async def _refuse(peer: Peer) -> None:
    while True:
        request = await peer.request()
        peer.h2.reset_stream(request.stream, ErrorCodes.REFUSED_STREAM)
        peer.flush()


async def _reset(peer: Peer) -> None:
    peer.h2.reset_stream((await peer.request()).stream, ErrorCodes.INTERNAL_ERROR)
    peer.flush()


async def _garbage(peer: Peer) -> None:
    await peer.request()
    peer.raw(b"garbage" * 10)


async def _bad_head(peer: Peer) -> None:
    peer.head((await peer.request()).stream, 200, ((b"content-length", b"x"),))


async def _close(peer: Peer) -> None:
    await peer.request()
    peer.writer.close()


async def _silence(peer: Peer) -> None:
    await peer.request()
    await peer.until(lambda: peer.gone)


FAILURES: list[object] = [
    pytest.param(_refuse, 503, "upstream_unreachable", id="refused twice"),
    pytest.param(_reset, 503, "upstream_unreachable", id="reset"),
    pytest.param(_close, 503, "upstream_unreachable", id="closed"),
    pytest.param(_garbage, 502, "upstream_malformed", id="garbage"),
    pytest.param(_bad_head, 502, "upstream_malformed", id="a bad head"),
    pytest.param(_silence, 504, "upstream_timeout", id="silence"),
]


@pytest.mark.parametrize(("script", "status", "kind"), FAILURES)
async def test_failures(script: Script, status: int, kind: str) -> None:
    """Before an answer they have the same status as over HTTP/1.1, in constant words."""
    async with upstream_of(script, clocks=Clocks(first_byte=0.2)) as (_, app):
        answer = await exchange(app, scope2("/?key=secret-in-query"))
        assert (answer.status, json_error(answer.body)["type"]) == (status, kind)


async def test_an_answer_that_breaks_off() -> None:
    """The client must see that it does, in either protocol."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        peer.data(request.stream, b"half")
        await asyncio.sleep(0.02)
        peer.h2.reset_stream(request.stream, ErrorCodes.INTERNAL_ERROR)
        peer.flush()

    async with upstream_of(script) as (_, app), Driver(app, scope2(method="GET")) as driver:
        driver.feed()
        with pytest.raises(UpstreamAborted):
            await driver.end()
        assert [each["type"] for each in driver.sent] == ["http.response.start", "http.response.body"]


async def test_no_header_is_written_to_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """At any level, by any library: they may hold the credential."""
    with caplog.at_level(logging.DEBUG):
        async with upstream_of(serving(ok)) as (scripted, app):
            credential = CredentialInjection(MemorySecret("CANARY-9f3c", scheme="Bearer"), overwrite=True)
            assert (await exchange(chain(app, credential), scope2())).status == 200
            assert scripted.requests[0].value(b"authorization") == b"Bearer CANARY-9f3c"
    assert "CANARY" not in caplog.text
    assert b"CANARY".hex() not in caplog.text


# By hand


def test_a_transport_decides_for_itself() -> None:
    """HTTP/2 and a transport that was given cannot both be."""
    import httpx

    with pytest.raises(ConfigurationError, match="transport of its own"):
        Upstream("http://a.test", transport=httpx.MockTransport(lambda _: httpx.Response(200)), http2=True)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is named: at construction, and as a condition where a manifest asks for it."""
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(ConfigurationError, match=r"gateway-filters\[http2\]"):
        Upstream("http://a.test", http2=True)
    with pytest.raises(ConfigurationError, match=r"gateway-filters\[http2\]"):
        Gateway([_route(Backend("b", (Endpoint("a.test", 80),), protocol=HTTP2))])
    (tmp_path / "all.yaml").write_text(MANIFESTS % ("127.0.0.1", 1))
    gateway = Gateway.from_manifests(tmp_path)
    assert "gateway-filters[http2]" in caplog.text
    assert asyncio.run(_status(gateway)) == 500


async def _status(app: ASGIApp) -> int:
    return (await exchange(app, http_scope())).status


# By value and by manifest

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec: {parentRefs: [{name: gateway}], rules: [{backendRefs: [{name: grpc, port: 50051}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: grpc}
spec: {ports: [{port: 50051, appProtocol: kubernetes.io/h2c}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: grpc-1, labels: {kubernetes.io/service-name: grpc}}
addressType: IPv4
endpoints: [{addresses: [%s]}]
ports: [{name: "", port: %d}]
"""


def _route(backend: Backend) -> Route:
    return Route("r", Match(PrefixMatch("/")), backends=(WeightedBackend(backend),))


async def test_by_manifest(tmp_path: Path) -> None:
    """A Service whose port asks for h2c."""
    async with upstream2(serving(grpc)) as scripted:
        (tmp_path / "all.yaml").write_text(MANIFESTS % ("127.0.0.1", scripted.port))
        gateway = Gateway.from_manifests(tmp_path)
        answer = await exchange(gateway, scope2("/a.B/C?d=%2F", TE), b"x")
        assert answer.messages[-1]["headers"] == list(STATUS)
        assert dict(scripted.requests[0].fields)[b":path"] == b"/a.B/C?d=%2F"
        assert dict(scripted.requests[0].fields)[b":authority"] == b"gateway.test"
        await gateway.aclose()


AUTHORITY = trustme.CA()
CAS = AUTHORITY.cert_pem.bytes().decode()


def _serving_tls(*protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("provider.test").configure_cert(context)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


async def test_by_hand_over_tls() -> None:
    """With a context that offers h2; the scheme is that of the connection, whatever the client's is."""
    context = client_context(pem=CAS)
    context.set_alpn_protocols(["h2"])
    async with upstream2(serving(ok), tls=_serving_tls("h2", "http/1.1")) as scripted:
        origin = f"https://127.0.0.1:{scripted.port}"
        app = Upstream(origin, tls=context, server_hostname="provider.test", http2=True)
        assert (await exchange(app, scope2(method="GET"))).body == b"ok"
        assert scripted.requests[0].value(b":scheme") == b"https"
        assert scripted.requests[0].value(b":authority") == b"gateway.test"
        await app.aclose()


def _backend(port: int, protocol: str, alpn: tuple[str, ...] | None = None) -> Backend:
    tls = BackendTLS("provider.test", CAS, parameters=TLSParameters(alpn=alpn))
    return Backend("b", (Endpoint("127.0.0.1", port),), tls, protocol=protocol)


OFFERS: list[object] = [
    pytest.param(HTTP2, None, ("h2", "http/1.1"), "2", id="HTTP/2 only, and it is spoken"),
    pytest.param(HTTP2, None, ("http/1.1",), None, id="HTTP/2 only, and it is not"),
    pytest.param(HTTP2, None, (), None, id="HTTP/2 only, and nobody says anything"),
    pytest.param(NEGOTIATED, None, ("h2", "http/1.1"), "2", id="either, and HTTP/2 is spoken"),
    pytest.param(NEGOTIATED, None, ("http/1.1",), "1.1", id="either, and it is not"),
    pytest.param(NEGOTIATED, None, (), "1.1", id="either, and nobody says anything"),
    pytest.param(NEGOTIATED, ("http/1.1", "h2"), ("h2",), "2", id="either, the other one first"),
    pytest.param("http", None, ("h2", "http/1.1"), "1.1", id="nothing is said, so HTTP/1.1"),
    pytest.param("http", ("h2", "http/1.1"), ("h2", "http/1.1"), "1.1", id="HTTP/1.1, whatever is named beside it"),
    pytest.param("ws", ("h2", "http/1.1"), ("h2", "http/1.1"), "1.1", id="WebSocket needs HTTP/1.1"),
]


@pytest.mark.parametrize(("protocol", "alpn", "offered", "spoken"), OFFERS)
async def test_by_alpn(
    protocol: str, alpn: tuple[str, ...] | None, offered: tuple[str, ...], spoken: str | None
) -> None:
    """What is agreed in TLS is spoken, and nothing else; no request goes out before."""
    two, one = serving(ok), serving1(OK)

    async def script(peer: Any) -> None:
        chosen = peer.writer.get_extra_info("ssl_object").selected_alpn_protocol()
        if chosen != "h2":
            await one(peer)
            return
        speaking = Peer(0, peer.reader, peer.writer)
        speaking.greet()
        reading = asyncio.create_task(speaking.read())
        try:
            await two(speaking)
        finally:
            reading.cancel()

    async with upstream1(script, tls=_serving_tls(*offered)) as scripted:
        gateway = Gateway([_route(_backend(scripted.port, protocol, alpn))])
        for _ in range(2):
            answer = await exchange(gateway, scope2("/", TE, method="GET"))
            assert answer.status == (503 if spoken is None else 200)
        heads = [head for peer in scripted.peers for head in peer.heads]
        assert len(heads) == (2 if spoken == "1.1" else 0)
        assert not any(b"te:" in head.lower() for head in heads)
        await gateway.aclose()
