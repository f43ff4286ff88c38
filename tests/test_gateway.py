"""gateway: the front door."""

import asyncio
import gc
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_driver import Driver, Inner, app_of, exchange, http_scope, json_error, settled
from gateway_filters import (
    Backend,
    BackendTLS,
    Clocks,
    ConfigurationError,
    CredentialInjection,
    Endpoint,
    Gateway,
    ManifestError,
    Match,
    MemorySecret,
    MemorySecrets,
    PrefixMatch,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    ResponseHeaderModifier,
    Route,
    Upstream,
    URLRewrite,
    WeightedBackend,
    gateway_lifespan,
    routes_of,
)
from gateway_filters.upstream import default, departures
from gateway_filters.upstream.httpx_transport import HttpxTransport
from gateway_filters.upstream.origin import Origin

PROVIDER = Backend("provider", (Endpoint("provider.test", 80),))
SPREAD = Backend("spread", (Endpoint("a.test", 80), Endpoint("b.test", 8080)))


def route(prefix: str = "/v1", backend: Backend = PROVIDER) -> Route:
    """A route of the kind that the product is for."""
    return Route(
        f"route of {prefix}",
        Match(PrefixMatch(prefix)),
        filters=(
            URLRewrite(hostname="provider.test", path=ReplacePrefixMatch(prefix, "/compatible-mode/v1")),
            RequestHeaderModifier(set={"X-Tenant": "a"}),
            ResponseHeaderModifier(remove=("Server",)),
            CredentialInjection(MemorySecret("key", scheme="Bearer"), overwrite=True),
        ),
        backends=(WeightedBackend(backend),),
    )


class Provider(httpx.AsyncBaseTransport):
    """A provider that reads the upload and streams an answer."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.requests: list[tuple[bytes, list[tuple[bytes, bytes]]]] = []
        self._failure = failure

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for _ in request.stream:
            pass
        self.requests.append((request.extensions["target"], list(request.headers.raw)))
        return httpx.Response(200, headers=[("server", "x")], stream=Events())


class Events(httpx.AsyncByteStream):
    """Two events."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"


def through(transport: httpx.AsyncBaseTransport) -> Callable[[Backend], ASGIApp]:
    """Backends reached through ``transport``."""
    return lambda backend: Upstream("http://provider.test", transport=transport)


async def test_a_request() -> None:
    """A request goes out rewritten and with the credential, and its answer comes back streamed."""
    provider = Provider()
    gateway = Gateway([route()], upstreams=through(provider))
    answer = await exchange(gateway, http_scope("/v1/models?q=%20"))
    assert provider.requests == [
        (
            b"/compatible-mode/v1/models?q=%20",
            [(b"host", b"provider.test"), (b"x-tenant", b"a"), (b"authorization", b"Bearer key")],
        )
    ]
    assert (answer.status, answer.headers, answer.body) == (200, [], b"data: 1\n\ndata: 2\n\n")


async def test_no_route() -> None:
    """Without ``otherwise``, what no route takes is 404."""
    answer = await exchange(Gateway([route()]), http_scope("/other"))
    assert (answer.status, json_error(answer.body)["type"]) == (404, "not_found")


@pytest.mark.parametrize(("version", "status"), [("0.9", 426), ("1.0", 426), ("2.0", 426), ("1.1", 200), ("2", 200)])
async def test_versions(version: str, status: int) -> None:
    """Old versions are asked to upgrade on the routes, as by Envoy; an app beside them may serve them.

    So is a line of HTTP/1 that claims to be of HTTP/2.0, which uvicorn's parser takes.
    """
    gateway = Gateway([route()], upstreams=through(Provider()))
    answer = await exchange(gateway, {**http_scope("/v1/models"), "http_version": version})
    assert answer.status == status
    assert ((b"upgrade", b"HTTP/1.1") in answer.headers) == (status == 426)
    assert (await exchange(gateway, {**http_scope("/other"), "http_version": version})).status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param([], 400, id="none, as uvicorn hands it on"),
        pytest.param([(b"x-host", b"h")], 400, id="one of another name"),
        pytest.param([(b"host", b"")], 200, id="an empty one, as in Envoy"),
    ],
)
async def test_a_request_has_a_host(headers: list[tuple[bytes, bytes]], status: int) -> None:
    """RFC 9112 3.2: without one it is 400 on the routes."""
    gateway = Gateway([route()], upstreams=through(Provider()))
    assert (await exchange(gateway, http_scope("/v1/models", headers=headers))).status == status


async def test_no_routes() -> None:
    """A gateway without routes is a gateway: it answers 404."""
    assert (await exchange(Gateway([]), http_scope())).status == 404


async def test_otherwise() -> None:
    """``otherwise`` gets what no route takes, WebSockets included, with the scope untouched."""
    otherwise = Inner()
    gateway = Gateway([route()], otherwise=otherwise)
    given: list[Scope] = [http_scope("/other"), {"type": "websocket", "path": "/other", "headers": []}]
    for scope in given:
        async with Driver(gateway, scope) as driver:
            driver.feed_message({"type": "websocket.connect" if scope is given[1] else "http.request"})
            await driver.end()
    assert [seen is scope for seen, scope in zip(otherwise.scopes, given, strict=True)] == [True, True]


async def test_a_websocket_without_otherwise() -> None:
    """A WebSocket is refused before it is accepted."""
    async with Driver(Gateway([route()]), {"type": "websocket", "path": "/other", "headers": []}) as driver:
        driver.feed_message({"type": "websocket.connect"})
        await driver.end()
    assert [each["type"] for each in driver.sent] == ["websocket.close"]


class Closable:
    """An app that counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async def aclose(self) -> None:
        self.closed += 1


async def test_lifespan() -> None:
    """The gateway serves the server's lifespan, and at shutdown closes each upstream once."""
    made: dict[Backend, Closable] = {}

    def make(backend: Backend) -> ASGIApp:
        assert backend not in made, "two apps for one backend"
        made[backend] = Closable()
        return made[backend]

    gateway = Gateway([route("/v1"), route("/v2"), route("/v3", SPREAD)], upstreams=make)
    async with Driver(gateway, {"type": "lifespan"}) as driver:
        driver.feed_message({"type": "lifespan.startup"})
        assert await driver.next() == {"type": "lifespan.startup.complete"}
        assert [each.closed for each in made.values()] == [0, 0]
        driver.feed_message({"type": "lifespan.shutdown"})
        assert await driver.next() == {"type": "lifespan.shutdown.complete"}
        await driver.end()
    assert [each.closed for each in made.values()] == [1, 1]


async def test_without_a_lifespan() -> None:
    """Mounted, a gateway gets no lifespan and works all the same; ``gateway_lifespan`` closes it."""
    closable = Closable()
    gateway = Gateway([route()], upstreams=lambda _: closable)
    app = Starlette(routes=[Mount("/gw", app=gateway)], lifespan=gateway_lifespan(gateway))
    assert (await exchange(app, http_scope("/gw/v1/models"))).status == 200
    async with app.router.lifespan_context(app):
        pass
    assert closable.closed == 1


async def test_works_after_aclose() -> None:
    """After ``aclose`` a gateway goes on."""
    gateway = Gateway([route()], upstreams=through(Provider()))
    await gateway.aclose()
    assert (await exchange(gateway, http_scope("/v1"))).status == 200


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> "Network":
    """Stands for the network of the default upstreams."""
    fake = Network()

    def transport_to(
        origin: Origin, tls: ssl.SSLContext | None, unix: str | None = None, connections: int | None = None
    ) -> HttpxTransport:
        return HttpxTransport(origin, fake)

    monkeypatch.setattr(default, "transport_to", transport_to)
    return fake


class Network(httpx.AsyncBaseTransport):
    """Answers for every host but those that are down."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.down: set[str] = set()
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in self.down:
            raise httpx.ConnectError("down")
        self.requests.append(request)
        return httpx.Response(200)

    async def aclose(self) -> None:
        self.closed += 1

    def shares(self) -> Counter[str]:
        """How many requests each host and port got."""
        return Counter(f"{each.url.host}:{each.url.port or 80}" for each in self.requests)


async def test_several_endpoints(network: Network) -> None:
    """A backend's endpoints share its requests equally, and all of them are closed."""
    gateway = Gateway([route("/v1", SPREAD)])
    for _ in range(100):
        await exchange(gateway, http_scope("/v1"))
    assert network.shares() == {"a.test:80": 50, "b.test:8080": 50}
    await gateway.aclose()
    assert network.closed == 2


@pytest.mark.parametrize(
    ("down", "status", "shares"),
    [
        pytest.param({"a.test"}, 200, {"b.test:8080": 10}, id="the others take over"),
        pytest.param({"a.test", "b.test"}, 503, {}, id="with none left it is 503"),
    ],
)
async def test_an_endpoint_that_is_down(network: Network, down: set[str], status: int, shares: dict[str, int]) -> None:
    """An endpoint that accepts no connection is passed over: nothing was sent to it."""
    network.down = down
    gateway = Gateway([route("/v1", SPREAD)])
    assert {(await exchange(gateway, http_scope("/v1"))).status for _ in range(10)} == {status}
    assert network.shares() == shares


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        pytest.param({"a.test"}, "b.test:8080", id="unused while one other accepts"),
        pytest.param({"a.test", "b.test"}, "c.test:80", id="used when no other accepts"),
    ],
)
async def test_fallback(network: Network, down: set[str], expected: str) -> None:
    """A fallback gets requests only when no endpoint of any other backend accepts a connection."""
    network.down = down
    backends = (SPREAD, Backend("c", (Endpoint("c.test", 80),), fallback=True))
    gateway = Gateway([replace(route("/v1"), backends=tuple(map(WeightedBackend, backends)))])
    for _ in range(4):
        await exchange(gateway, http_scope("/v1"))
    assert network.shares() == {expected: 4}


async def test_how_a_backend_is_reached(network: Network) -> None:
    """TLS, the verified name, resolution and clocks reach the upstream."""

    async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
        return [("192.0.2.7", port)]

    backend = Backend("b", (Endpoint("provider.test", 443),), BackendTLS("name.test"))
    gateway = Gateway([route("/v1", backend)], resolve=resolve, clocks=Clocks(connect=1, first_byte=2, idle=3))
    await exchange(gateway, http_scope("/v1"))
    (request,) = network.requests
    assert str(request.url) == "https://192.0.2.7/compatible-mode/v1"
    assert request.extensions["sni_hostname"] == "name.test"
    assert request.extensions["timeout"] == {"connect": 1, "read": 3, "write": 3, "pool": 1}


def test_bad_cas(tmp_path: Path) -> None:
    """CAs that cannot be used are refused at construction."""
    backend = Backend("b", (Endpoint("provider.test", 443),), BackendTLS("provider.test"))
    with pytest.raises(ConfigurationError):
        Gateway([route("/v1", backend)], system_cas=tmp_path / "missing.pem")


# From manifests

MANIFESTS = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: any
  listeners: [{name: http, protocol: HTTP, port: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /v1}}]
    filters:
    - type: URLRewrite
      urlRewrite:
        hostname: provider.test
        path: {type: ReplacePrefixMatch, replacePrefixMatch: /compatible-mode/v1}
    - type: ExtensionRef
      extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: injection}
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: provider}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: injection}
spec:
  credentialInjection: {overwrite: true, credential: {valueRef: {name: credential}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: provider}
spec:
  endpoints: [{fqdn: {hostname: provider.test, port: 80}}]
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A folder with the manifests above."""
    (tmp_path / "gateway.yaml").write_text(MANIFESTS)
    return tmp_path


async def test_from_manifests(manifests: Path) -> None:
    """Manifests make the same gateway as code does."""
    provider = Provider()
    gateway = Gateway.from_manifests(
        manifests, secrets=MemorySecrets({"credential": "Bearer key"}), upstreams=through(provider)
    )
    assert (await exchange(gateway, http_scope("/v1/models"))).status == 200
    assert provider.requests == [
        (b"/compatible-mode/v1/models", [(b"host", b"provider.test"), (b"authorization", b"Bearer key")])
    ]
    assert (await exchange(gateway, http_scope("/other"))).status == 404


def test_routes_of(manifests: Path) -> None:
    """``routes_of`` gives the routes of that gateway, as values that compare."""
    secrets = MemorySecrets({"credential": "Bearer key"})
    routes = routes_of(manifests, secrets=secrets)
    assert [each.match for each in routes] == [Match(PrefixMatch("/v1"))]
    assert routes == Gateway.from_manifests(manifests, secrets=secrets).routes


async def test_a_missing_secret_is_told_and_stops_its_route(manifests: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A Secret that nobody has is logged at construction, and its route answers 503 without sending anything."""
    provider = Provider()
    with caplog.at_level(logging.WARNING, "gateway_filters"):
        gateway = Gateway.from_manifests(manifests, upstreams=through(provider))
    assert "credential" in caplog.text
    assert (await exchange(gateway, http_scope("/v1/models"))).status == 503
    assert provider.requests == []


def test_broken_manifests(tmp_path: Path) -> None:
    """A file that cannot be read is refused at construction."""
    with pytest.raises(ManifestError):
        Gateway.from_manifests(tmp_path / "missing.yaml")


# Garbage


@pytest.fixture
def garbage_kept() -> Iterator[None]:
    """The collector is off and keeps what it finds."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def garbage() -> Counter[str]:
    """What only the collector can free, by type."""
    gc.collect()
    found = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    gc.garbage.clear()
    return found


class Refusing(Provider):
    """A provider that refuses every connection, with an error of its own each time."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")


class Silent(Provider):
    """A provider that never answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError


GET: list[Message] = [{"type": "http.request"}]
POST: list[Message] = [
    {"type": "http.request", "body": b"{", "more_body": True},
    {"type": "http.request", "body": b"}"},
]


@pytest.mark.parametrize(
    ("provider", "target", "messages"),
    [
        pytest.param(Provider(), "/v1/models", GET, id="a GET"),
        pytest.param(Provider(), "/v1/models", POST, id="a POST"),
        pytest.param(Refusing(), "/v1/models", GET, id="a refused connection"),
        pytest.param(Silent(), "/v1/models", [*GET, {"type": "http.disconnect"}], id="a client that leaves"),
        pytest.param(Provider(), "/other", GET, id="no route"),
    ],
)
async def test_no_cycles(
    provider: Provider,
    target: str,
    messages: list[Message],
    garbage_kept: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request leaves nothing behind that only the garbage collector could free.

    A few single objects may be those of the loop or of pytest; what counts is what grows with the requests.
    """
    monkeypatch.setattr(departures, "_MOMENT", 0.001)
    logging.getLogger("gateway_filters").disabled = True  # pytest would keep the records, with their tracebacks
    gateway = Gateway([route()], upstreams=through(provider))

    async def once() -> None:
        left = list(messages)

        async def receive() -> Message:
            await asyncio.sleep(0)
            return left.pop(0) if left else await asyncio.Future[Message]()

        async def send(message: Message) -> None:
            await asyncio.sleep(0)

        await gateway(http_scope(target, method="POST"), receive, send)

    try:
        await once()
        await settled()
        garbage()
        for _ in range(200):
            await once()
        await settled()
        found = garbage()
    finally:
        logging.getLogger("gateway_filters").disabled = False
    leaking = {kind: count for kind, count in found.items() if count >= 20}
    assert not leaking, f"cycles after 200 requests: {leaking}"


async def test_one_gateway_in_another() -> None:
    """A gateway is an app, so it can stand behind another one."""
    provider = Provider()
    inside = Gateway([route("/compatible-mode/v1")], upstreams=through(provider))

    @app_of
    async def reached(scope: Scope, receive: Receive, send: Send) -> None:
        await inside(scope, receive, send)

    outside = Gateway([route("/v1")], upstreams=lambda _: reached)
    assert (await exchange(outside, http_scope("/v1/models"))).status == 200
    assert [target for target, _ in provider.requests] == [b"/compatible-mode/v1/models"]
