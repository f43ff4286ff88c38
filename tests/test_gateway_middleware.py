"""GatewayMiddleware: manifests in front of an app; where no route takes a request, the app answers."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_driver import exchange, http_scope
from gateway_filters import Backend, Gateway, GatewayMiddleware, gateway_lifespan
from gateway_filters.gateway_api.secrets import ManifestSecrets

MANIFESTS = Path(__file__).parents[1] / "reference_app" / "manifests"


async def provider(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what arrived."""
    request = Request(scope, receive)
    await PlainTextResponse(f"provider {scope['raw_path'].decode()} {request.headers['host']}")(scope, receive, send)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """The reference route with a provider in the process."""
    secret = tmp_path / "secret.yaml"
    secret.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bailian-credential}\nstringData: {credential: Bearer k}\n"
    )
    assert ManifestSecrets.from_files(secret)

    def reach(backend: Backend) -> ASGIApp:
        assert backend.name == "default/bailian"
        return provider

    return Gateway.from_manifests(MANIFESTS, secret, upstreams=reach)


def test_in_front_of_fastapi(gateway: Gateway) -> None:
    """Requests under /v1 leave for the provider, the rest stays in the app, its 404 included."""
    app = FastAPI(lifespan=gateway_lifespan(gateway))
    app.add_middleware(GatewayMiddleware, gateway=gateway)

    @app.get("/health")
    async def health() -> str:  # pyright: ignore[reportUnusedFunction]
        return "ok"

    with TestClient(app) as client:
        assert client.get("/v1/models").text == "provider /compatible-mode/v1/models dashscope.aliyuncs.com"
        assert client.get("/health").json() == "ok"
        assert client.get("/v1beta").json() == {"detail": "Not Found"}


def test_in_a_starlette_stack(gateway: Gateway) -> None:
    """As ``Middleware(...)`` in a list, too."""
    app = Starlette(middleware=[Middleware(GatewayMiddleware, gateway=gateway)])
    with TestClient(app) as client:
        assert client.get("/v1").text == "provider /compatible-mode/v1 dashscope.aliyuncs.com"
        assert client.get("/other").status_code == 404


PASSED = [
    pytest.param(http_scope("/other"), id="a path that no route takes"),
    pytest.param(http_scope("/other/a%2Fb/../c"), id="a path that is not canonical"),
    pytest.param({**http_scope("/other"), "type": "websocket"}, id="a WebSocket"),
    pytest.param({"type": "lifespan"}, id="the lifespan"),
]


@pytest.mark.parametrize("scope", PASSED)
async def test_no_route_no_change(gateway: Gateway, scope: Scope) -> None:
    """What no route takes reaches the app with the very scope that came."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        if scope["type"] == "http":
            await PlainTextResponse("app")(scope, receive, send)

    before = dict(scope)
    middleware = GatewayMiddleware(app, gateway=gateway)
    if scope["type"] == "http":
        await exchange(middleware, scope)
    else:
        await middleware(scope, receive, send)
    assert seen == [before]
    assert seen[0] is scope


async def receive() -> Message:
    """Nothing comes."""
    return {}


async def send(message: Message) -> None:
    """Nothing goes."""
    del message


async def test_trace_is_the_apps_business(gateway: Gateway) -> None:
    """What the gateway would refuse goes to the app, which answers as it likes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("mine")(scope, receive, send)

    front = GatewayMiddleware(app, gateway=gateway)
    answer = await exchange(front, {**http_scope("/v1/models"), "method": "TRACE"})
    assert (answer.status, answer.body) == (200, b"mine")
