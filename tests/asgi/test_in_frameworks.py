"""Each piece alone in a Starlette and in a FastAPI app, in every form in which those take middleware."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Scope

from asgi_driver import Answer, Driver, Inner, exchange, http_scope
from gateway_filters import (
    CredentialInjection,
    MemorySecret,
    PathPrefix,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    ResponseHeaderModifier,
    Upstream,
    URLRewrite,
    gateway_lifespan,
)

Framework = Callable[..., Starlette]
Build = Callable[[Framework, Middleware, ASGIApp], Starlette]


def provider(request: httpx.Request) -> httpx.Response:
    """The upstream: says what it was asked for."""
    return httpx.Response(200, content=request.url.raw_path, headers={"x-provider": request.url.host})


def upstream() -> Upstream:
    """An upstream without a network."""
    return Upstream("https://provider.test", transport=httpx.MockTransport(provider))


@dataclass(frozen=True)
class Piece:
    """A recipe of a middleware and how one sees that it has run."""

    recipe: Middleware
    shows: Callable[[Inner, Answer], bool]


PIECES = {
    "PathPrefix": Piece(
        Middleware(PathPrefix, prefix="/v1", then=Inner(body=b"then")),
        lambda inner, answer: answer.body == b"then" and not inner.scopes,
    ),
    "URLRewrite with ReplacePrefixMatch": Piece(
        Middleware(URLRewrite(hostname="provider.test", path=ReplacePrefixMatch("/v1", "/compatible-mode/v1"))),
        lambda inner, _: (
            inner.scope["raw_path"].endswith(b"/compatible-mode/v1/models")
            and inner.scope["headers"][0] == (b"host", b"provider.test")
        ),
    ),
    "RequestHeaderModifier": Piece(
        Middleware(RequestHeaderModifier(set={"X-Tenant": "a"})),
        lambda inner, _: (b"x-tenant", b"a") in inner.scope["headers"],
    ),
    "ResponseHeaderModifier": Piece(
        Middleware(ResponseHeaderModifier(set={"X-Served-By": "gateway"})),
        lambda _, answer: answer.values(b"x-served-by") == [b"gateway"],
    ),
    "CredentialInjection": Piece(
        Middleware(CredentialInjection(MemorySecret("k", scheme="Bearer"), overwrite=True)),
        lambda inner, _: (b"authorization", b"Bearer k") in inner.scope["headers"],
    ),
    "Upstream": Piece(
        Middleware(PathPrefix, prefix="/v1", then=upstream()),
        lambda inner, answer: answer.body == b"/v1/models" and answer.values(b"x-provider") == [b"provider.test"],
    ),
}


def add_middleware(framework: Framework, recipe: Middleware, inner: ASGIApp) -> Starlette:
    """``app.add_middleware(piece)``."""
    app = framework()
    app.mount("/", inner)
    piece, args, kwargs = recipe
    app.add_middleware(piece, *args, **kwargs)
    return app


def middleware_list(framework: Framework, recipe: Middleware, inner: ASGIApp) -> Starlette:
    """``Starlette(middleware=[Middleware(piece)])``."""
    app = framework(middleware=[recipe])
    app.mount("/", inner)
    return app


def mount_with_middleware(framework: Framework, recipe: Middleware, inner: ASGIApp) -> Starlette:
    """``Mount("/gw", app=…, middleware=[Middleware(piece)])``."""
    return framework(routes=[Mount("/gw", app=inner, middleware=[recipe])])


def mount_of_the_piece(framework: Framework, recipe: Middleware, inner: ASGIApp) -> Starlette:
    """``Mount("/gw", app=piece(app))``."""
    piece, args, kwargs = recipe
    return framework(routes=[Mount("/gw", app=piece(inner, *args, **kwargs))])


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
@pytest.mark.parametrize(
    ("build", "target"),
    [
        pytest.param(add_middleware, "/v1/models", id="app.add_middleware"),
        pytest.param(middleware_list, "/v1/models", id="Middleware in the app's list"),
        pytest.param(mount_with_middleware, "/gw/v1/models", id="Middleware in a Mount"),
        pytest.param(mount_of_the_piece, "/gw/v1/models", id="the piece itself mounted"),
    ],
)
@pytest.mark.parametrize("name", PIECES)
async def test_alone(name: str, build: Build, target: str, framework: Framework) -> None:
    """Every piece works alone, in every form of middleware, without a lifespan."""
    inner = Inner()
    answer = await exchange(build(framework, PIECES[name].recipe, inner), http_scope(target))
    assert answer.status == 200
    assert PIECES[name].shows(inner, answer)


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_upstream_mounted(framework: Framework) -> None:
    """An Upstream is an app: mounted, it serves what is below its mount point, and that path is sent."""
    app = framework(routes=[Mount("/provider", app=upstream())])
    answer = await exchange(app, http_scope("/provider/v1/a%2Fb?q=1"))
    assert (answer.status, answer.body) == (200, b"/v1/a%2Fb?q=1")


async def test_routing_follows_the_rewritten_path() -> None:
    """Starlette's router sees the path that a rewriting middleware has made."""

    async def models(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.headers['host']} {request.query_params['q']}")

    app = Starlette(routes=[Route("/compatible-mode/v1/models", models)])
    app.add_middleware(URLRewrite(hostname="provider.test", path=ReplacePrefixMatch("/v1", "/compatible-mode/v1")))
    answer = await exchange(app, http_scope("/v1/models?q=1"))
    assert (answer.status, answer.body) == (200, b"provider.test 1")


async def test_a_fastapi_endpoint_behind_a_filter() -> None:
    """A FastAPI endpoint behind a filter works as it does without: path parameters, body, dependencies."""
    app = FastAPI()

    @app.post("/c/{item}")
    async def endpoint(item: str, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"item": item, "body": (await request.body()).decode()}

    app.add_middleware(URLRewrite(path=ReplacePrefixMatch("/v1", "/c")))
    answer = await exchange(app, http_scope("/v1/x", method="POST"), b"one ", b"two")
    assert answer.body == b'{"item":"x","body":"one two"}'


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes(name: str, kind: str) -> None:
    """Scopes that are no requests reach the app behind every piece as the very objects."""
    inner = Inner()
    piece, args, kwargs = PIECES[name].recipe
    given: Scope = {"type": kind, "path": "/v1", "headers": []}
    async with Driver(piece(inner, *args, **kwargs), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given


class Closable:
    """Counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_gateway_lifespan(framework: Framework) -> None:
    """``gateway_lifespan`` closes at shutdown what can be closed, once, and nothing before."""
    first, second = Closable(), Closable()
    app = framework(lifespan=gateway_lifespan(first, object(), second))
    async with Driver(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}) as driver:
        driver.feed_message({"type": "lifespan.startup"})
        assert (await driver.next())["type"] == "lifespan.startup.complete"
        assert (first.closed, second.closed) == (0, 0)
        driver.feed_message({"type": "lifespan.shutdown"})
        assert (await driver.next())["type"] == "lifespan.shutdown.complete"
        await driver.end()
    assert (first.closed, second.closed) == (1, 1)


async def test_gateway_lifespan_closes_after_a_failure() -> None:
    """What was made is closed even when the app inside the lifespan fails."""
    closable = Closable()
    with pytest.raises(ZeroDivisionError):
        async with gateway_lifespan(closable)(None):
            raise ZeroDivisionError
    assert closable.closed == 1


async def test_gateway_lifespan_closes_all() -> None:
    """An app whose closing fails keeps no other from being closed."""

    class Stubborn:
        async def aclose(self) -> None:
            raise ZeroDivisionError

    closable = Closable()
    with pytest.raises(ZeroDivisionError):
        async with gateway_lifespan(Stubborn(), closable)(None):
            pass
    assert closable.closed == 1
