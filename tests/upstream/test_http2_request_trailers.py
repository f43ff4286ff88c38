"""upstream/app over HTTP/2: the fields behind a request's body."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.errors import ErrorCodes
from http2_peer import Pairs, Peer, Request, Script, ok, serving, upstream2
from scripted import soon
from starlette.types import Scope

from asgi_driver import Driver, exchange, http_scope
from gateway_filters import CredentialInjection, MemorySecret, RequestHeaderModifier, Upstream, chain
from gateway_filters.message.trailers import REQUEST_TRAILERS

SUM = (b"x-sum", b"abc")


def scope2(trailers: list[tuple[bytes, bytes]], *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    """The scope of a request over HTTP/2 at a server that tells trailers."""
    scope = http_scope("/", method="POST", headers=((b"host", b"gateway.test"), *headers))
    return {**scope, "http_version": "2", "extensions": {REQUEST_TRAILERS: {"headers": trailers}}, **more}


@asynccontextmanager
async def upstream_of(script: Script) -> AsyncGenerator[tuple[Any, Upstream]]:
    """A scripted upstream, and the app in front of it."""
    async with upstream2(script) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}", http2=True)
        try:
            yield scripted, app
        finally:
            await app.aclose()


LENGTHS = [
    pytest.param(b"body", ((b"content-length", b"4"),), id="a short body of a known length"),
    pytest.param(b"body", (), id="a body of an unknown length"),
    pytest.param(b"x" * 300_000, ((b"content-length", b"300000"),), id="a body longer than the windows"),
    pytest.param(b"", ((b"content-length", b"0"),), id="no body, by its length"),
    pytest.param(b"", (), id="no body"),
]


@pytest.mark.parametrize(("body", "headers"), LENGTHS)
async def test_they_arrive(body: bytes, headers: Pairs) -> None:
    """Behind the body, and as trailers: the head does not hold them."""
    async with upstream_of(serving(ok)) as (scripted, app):
        answer = await exchange(app, scope2([SUM, SUM], *headers), body)
        assert answer.status == 200
        (request,) = scripted.requests
        assert (bytes(request.body), request.trailers) == (body, (SUM, SUM))
        assert request.value(b"x-sum") is None


async def test_a_get_may_have_some() -> None:
    """Though hardly anybody sends them."""
    async with upstream_of(serving(ok)) as (scripted, app):
        await exchange(app, scope2([SUM], method="GET"))
        assert scripted.requests[0].trailers == (SUM,)


async def test_they_come_when_the_body_has_ended() -> None:
    """Nobody knows of them before: the head and the pieces have long left."""
    coming: list[tuple[bytes, bytes]] = []

    async def script(peer: Peer) -> None:
        request = await peer.request()
        peer.head(request.stream, 200)
        peer.data(request.stream, b"welcome")
        await peer.until(lambda: bytes(request.body) == b"onetwo")
        assert not request.ended
        peer.data(request.stream, b"go on")
        await peer.until(lambda: request.ended)
        peer.data(request.stream, b"bye", ends=True)

    async with upstream_of(script) as (scripted, app), Driver(app, scope2(coming)) as driver:
        await driver.next()
        assert (await driver.next())["body"] == b"welcome"
        driver.feed(b"one", more=True)
        driver.feed(b"two", more=True)
        assert (await driver.next())["body"] == b"go on"
        coming.append(SUM)
        driver.feed()
        assert (await driver.next())["body"] == b"bye"
        await driver.next()
        await driver.end()
        assert scripted.requests[0].trailers == (SUM,)


async def test_they_are_sent_again_with_the_request() -> None:
    """A stream that was refused has not been looked at."""

    async def script(peer: Peer) -> None:
        request = await peer.whole_request()
        peer.h2.reset_stream(request.stream, ErrorCodes.REFUSED_STREAM)
        peer.flush()
        again = await peer.whole_request()
        ok(peer, again)

    async with upstream_of(script) as (scripted, app):
        assert (await exchange(app, scope2([SUM]), b"body")).status == 200
        assert [(bytes(each.body), each.trailers) for each in scripted.requests] == [(b"body", (SUM,))] * 2


async def test_an_answer_that_comes_first_wants_none() -> None:
    """The rest of a request is not needed once its answer is whole (RFC 9113 8.1)."""
    coming: list[tuple[bytes, bytes]] = []

    async def script(peer: Peer) -> None:
        ok(peer, await peer.request())

    async with upstream_of(script) as (scripted, app), Driver(app, scope2(coming)) as driver:
        await driver.next()
        await driver.next()
        coming.append(SUM)
        driver.feed()
        await driver.end()
        await scripted.peers[0].until(lambda: bool(scripted.peers[0].resets))
        assert scripted.requests[0].trailers == ()


STAY = [
    pytest.param((b"authorization", b"Bearer mine"), id="a credential"),
    pytest.param((b"content-length", b"9"), id="a length"),
    pytest.param((b"x-user", b"root"), id="a field that a filter has set"),
    pytest.param((b"host", b"elsewhere"), id="a host"),
]


@pytest.mark.parametrize("field", STAY)
async def test_some_stay(field: tuple[bytes, bytes]) -> None:
    """What is beside them passes."""
    async with upstream_of(serving(ok)) as (scripted, app):
        await exchange(chain(app, RequestHeaderModifier(set={"x-user": "me"})), scope2([field, SUM]), b"body")
        assert scripted.requests[0].trailers == (SUM,)
        assert scripted.requests[0].value(b"x-user") == b"me"


async def test_none_go_where_a_credential_is_injected() -> None:
    """The body is whole without them."""
    async with upstream_of(serving(ok)) as (scripted, app):
        credential = CredentialInjection(MemorySecret("sk-0123456789", scheme="Bearer"), overwrite=True)
        await exchange(chain(app, credential), scope2([SUM, (b"x-key", b"mine")]), b"body")
        (request,) = scripted.requests
        assert (bytes(request.body), request.ended, request.trailers) == (b"body", True, ())


async def test_a_field_that_cannot_be_sent() -> None:
    """A server that lets through what HTTP forbids does not have us send it (RFC 9113 10.3)."""
    async with upstream_of(serving(ok)) as (_, app):
        assert (await exchange(app, scope2([(b"x-sum", b"a\r\nb: c")]), b"body")).status == 400


OTHERS = [
    pytest.param({"http_version": "1.1"}, id="a client of HTTP/1.1"),
    pytest.param({"extensions": {}}, id="a server that tells none"),
    pytest.param({"extensions": None}, id="a server that knows no extension"),
]


@pytest.mark.parametrize("more", OTHERS)
async def test_where_there_are_none(more: dict[str, Any]) -> None:
    """As in Envoy, those of HTTP/1.1 are dropped."""
    async with upstream_of(serving(ok)) as (scripted, app):
        await exchange(app, scope2([SUM], **more), b"body")
        (request,) = scripted.requests
        assert (bytes(request.body), request.ended, request.trailers) == (b"body", True, ())


async def test_a_client_that_leaves_before_them() -> None:
    """The stream is reset, and never looks whole."""

    async def script(peer: Peer) -> None:
        request: Request = await peer.request()
        await peer.until(lambda: peer.gave_up(request))
        assert not request.ended

    async with upstream_of(script) as (scripted, app), Driver(app, scope2([])) as driver:
        driver.feed(b"one", more=True)
        await asyncio.sleep(0.05)
        driver.disconnect()
        await driver.end()
        await soon(lambda: scripted.peers[0].gave_up(scripted.requests[0]))
        assert scripted.requests[0].trailers == ()
