"""assembly: the order of steps, whatever the order of the manifest."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from starlette.types import ASGIApp

from asgi_driver import Inner, exchange, http_scope, json_error
from gateway_filters import (
    CORS,
    Backend,
    CredentialInjection,
    DirectResponse,
    Endpoint,
    ExactMatch,
    Filter,
    HeaderMatch,
    Match,
    MemorySecret,
    PrefixMatch,
    Refusal,
    ReplaceFullPath,
    RequestHead,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHead,
    Route,
    URLRewrite,
    WeightedBackend,
)
from gateway_filters.asgi.dispatch import no_route
from gateway_filters.assembly import Upstreams, assemble, route_app
from gateway_filters.routing import BackendTLS, Listener, ListenerTable, Unusable

A = Backend("a", (Endpoint("a.test", 80),))
B = Backend("b", (Endpoint("b.test", 80),))
INJECTION = CredentialInjection(MemorySecret("route-key"), overwrite=True)


@dataclass(frozen=True, slots=True)
class Step(Filter):
    """Notes its name, and whether it saw a credential, in both directions."""

    name: str
    saw: list[bytes | None] = field(default_factory=list[bytes | None], compare=False)

    def on_request(self, head: RequestHead) -> RequestHead:
        self.saw.append(head.first(b"authorization"))
        return head.with_headers((*head.headers, (b"x-step", self.name.encode())))

    def on_response(self, head: ResponseHead, request: RequestHead) -> ResponseHead:
        return head.with_headers((*head.headers, (b"x-step", self.name.encode())))


PREFLIGHT = http_scope(
    "/",
    method="OPTIONS",
    headers=[(b"host", b"h"), (b"origin", b"https://page.test"), (b"access-control-request-method", b"POST")],
)


def assembled(routes: list[Route], upstreams: Upstreams, otherwise: ASGIApp) -> ASGIApp:
    """The app for one listener with these routes."""
    table = ListenerTable([Listener("listener", 80, routes=tuple(routes))])
    return assemble(table, lambda route: route_app(route, upstreams), otherwise, lambda head: head)


class Backends:
    """An inner app for each backend."""

    def __init__(self, *more: Backend) -> None:
        self.apps: dict[Backend, Inner] = {each: Inner() for each in (A, B, *more)}

    def __call__(self, backend: Backend) -> ASGIApp:
        return self.apps[backend]


def steps(pairs: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The steps that headers tell of."""
    return [value for name, value in pairs if name == b"x-step"]


def one(*filters: Filter) -> tuple[WeightedBackend, ...]:
    """One backend with filters of its own."""
    return (WeightedBackend(A, filters=filters),)


def two(*filters: Filter) -> tuple[WeightedBackend, ...]:
    """Two backends, of which weight zero is never taken, and one more that makes it a choice."""
    return (WeightedBackend(A, 1, filters), WeightedBackend(A, 1, filters), WeightedBackend(B, 0, (Refusal("no"),)))


BACKENDS = [pytest.param(one, id="one backend"), pytest.param(two, id="a choice of backends")]
Make = Callable[..., tuple[WeightedBackend, ...]]


@pytest.mark.parametrize("backends", BACKENDS)
async def test_order(backends: Make) -> None:
    """Rule filters as listed, then those of the backend, then the upstream; answers go the other way round."""
    upstreams = Backends()
    route = Route(
        "r", filters=(Step("rule 1"), Step("rule 2")), backends=backends(Step("backend 1"), Step("backend 2"))
    )
    answer = await exchange(assembled([route], upstreams, no_route), http_scope())
    order = [b"rule 1", b"rule 2", b"backend 1", b"backend 2"]
    assert steps(upstreams.apps[A].scope["headers"]) == order
    assert steps(answer.headers) == order[::-1]
    assert upstreams.apps[B].scopes == []


@pytest.mark.parametrize("backends", BACKENDS)
@pytest.mark.parametrize("listed_first", [True, False])
async def test_credentials_come_last(backends: Make, listed_first: bool) -> None:
    """Whatever the list says, credentials are injected last: no other filter sees, copies or changes them."""
    upstreams = Backends()
    rule, own = Step("rule"), Step("backend")
    tampering = RequestHeaderModifier(set={"Authorization": "of a filter"})
    filters = (INJECTION, rule) if listed_first else (rule, INJECTION)
    route = Route("r", filters=filters, backends=backends(own, tampering))
    scope = http_scope(headers=[(b"host", b"a"), (b"authorization", b"client")])
    await exchange(assembled([route], upstreams, no_route), scope)
    assert rule.saw == own.saw == [b"client"]
    headers = upstreams.apps[A].scope["headers"]
    assert [value for name, value in headers if name == b"authorization"] == [b"route-key"]


@pytest.mark.parametrize("backends", BACKENDS)
async def test_the_backends_credential_wins(backends: Make) -> None:
    """A backend's own credential comes after the rule's, so it is the one that is sent."""
    upstreams = Backends()
    own = CredentialInjection(MemorySecret("backend-key"), overwrite=True)
    route = Route("r", filters=(INJECTION,), backends=backends(own))
    await exchange(assembled([route], upstreams, no_route), http_scope())
    headers = upstreams.apps[A].scope["headers"]
    assert [value for name, value in headers if name == b"authorization"] == [b"backend-key"]


@pytest.mark.parametrize("backends", BACKENDS)
async def test_a_clients_connection_header_never_removes_a_credential(backends: Make) -> None:
    """``Connection: authorization`` does nothing to what the gateway injects."""
    upstreams = Backends()
    given = [(b"host", b"h"), (b"connection", b"authorization, x-step"), (b"authorization", b"client")]
    scope = http_scope(headers=given)
    route = Route("r", filters=(INJECTION, Step("rule")), backends=backends(Step("backend")))
    await exchange(assembled([route], upstreams, no_route), scope)
    assert upstreams.apps[A].scope["headers"] == [
        (b"host", b"h"),
        (b"x-step", b"rule"),
        (b"x-step", b"backend"),
        (b"authorization", b"route-key"),
    ]


@pytest.mark.parametrize(
    "backends",
    [
        pytest.param((), id="no backend"),
        pytest.param((WeightedBackend(A, 0),), id="one backend of weight zero"),
        pytest.param((WeightedBackend(A, 0), WeightedBackend(B, 0)), id="backends of weight zero"),
    ],
)
async def test_a_route_without_a_backend(backends: tuple[WeightedBackend, ...]) -> None:
    """A route that leads nowhere answers 500 (Gateway API, HTTPRouteRule backendRefs)."""
    upstreams = Backends()
    answer = await exchange(assembled([Route("r", backends=backends)], upstreams, no_route), http_scope())
    assert (answer.status, json_error(answer.body)["type"]) == (500, "gateway_error")
    assert upstreams.apps[A].scopes == upstreams.apps[B].scopes == []


@pytest.mark.parametrize("more", [(), (WeightedBackend(A, 0),)])
@pytest.mark.parametrize(
    ("backend", "status"),
    [
        pytest.param(Unusable("c", "no such Backend"), 500, id="one that cannot be used is 500"),
        pytest.param(Backend("c", ()), 503, id="one without an endpoint is 503"),
    ],
)
async def test_a_backend_that_cannot_be_had(
    backend: Backend | Unusable, status: int, more: tuple[WeightedBackend, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """A backend that cannot be had answers its share of the requests itself; the log says which and why."""
    route = Route("r", backends=(WeightedBackend(backend), *more))
    answer = await exchange(assembled([route], Backends(), no_route), http_scope())
    assert answer.status == status
    assert ("no such Backend" if status == 500 else "backend c") in caplog.text


@pytest.mark.parametrize("verified", [True, False])
async def test_a_credential_goes_to_nobody_who_is_not_verified(
    *, verified: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A route that injects does not send requests over TLS that is not verified; one that does not, may."""
    backend = Backend("c", (Endpoint("c", 443),), tls=BackendTLS("c", verified=verified))
    upstreams = Backends(backend)
    bare = Route("r", backends=(WeightedBackend(backend),))
    assert (await exchange(assembled([bare], upstreams, no_route), http_scope())).status == 200
    injecting = replace(bare, filters=(CredentialInjection(MemorySecret("key-of-ours")),))
    answer = await exchange(assembled([injecting], upstreams, no_route), http_scope())
    assert answer.status == (200 if verified else 500)
    assert ("not verified" in caplog.text) is not verified


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        pytest.param(("a.test",), 200, id="one host"),
        pytest.param(("a.test", "b.test"), 500, id="one of two"),
        pytest.param(("*.a.test",), 500, id="any below a name"),
    ],
)
async def test_a_credential_goes_to_no_host_that_the_request_names(
    hosts: tuple[str, ...], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is for one destination, and clients could choose among several; without a credential they may."""
    backend = Backend("c", (), hosts=hosts)
    upstreams = Backends(backend)
    bare = Route("r", backends=(WeightedBackend(backend),))
    assert (await exchange(assembled([bare], upstreams, no_route), http_scope())).status == 200
    injecting = replace(bare, filters=(CredentialInjection(MemorySecret("key-of-ours")),))
    assert (await exchange(assembled([injecting], upstreams, no_route), http_scope())).status == status
    assert ("whatever host a request names" in caplog.text) is (status == 500)


async def test_a_route_that_answers_itself() -> None:
    """A route without a backend whose filter answers is a whole route."""
    route = Route("r", filters=(DirectResponse(418, "tea"),))
    answer = await exchange(assembled([route], Backends(), no_route), http_scope())
    assert (answer.status, answer.body) == (418, b"tea")


@pytest.mark.parametrize(
    "answering", [RequestRedirect(hostname="elsewhere.test"), DirectResponse(200), Refusal("none")]
)
async def test_a_preflight_is_answered_before_any_other_filter_answers(answering: Filter) -> None:
    """Wherever CORS is listed: a browser takes a redirected or refused preflight for a no."""
    route = Route("cors", filters=(answering, CORS(allow_origins=("*",))), backends=one())
    answer = await exchange(assembled([route], Backends(), no_route), PREFLIGHT)
    assert (answer.status, answer.values(b"access-control-allow-origin")) == (204, [b"https://page.test"])


async def test_a_preflight_reaches_the_rule_of_the_method_that_it_asks_for() -> None:
    """The match names POST, which OPTIONS is not; the backend behind everything never sees the preflight."""
    backends = Backends()
    posts = Route("posts", Match(method="POST"), filters=(CORS(allow_origins=("*",)),), backends=one())
    everything = Route("everything", backends=(WeightedBackend(B),))
    answer = await exchange(assembled([posts, everything], backends, no_route), PREFLIGHT)
    assert (answer.status, [app.scopes for app in backends.apps.values()]) == (204, [[], []])


async def test_a_refusal_does_not_reach_the_backend() -> None:
    """A filter that refuses stands before every backend."""
    upstreams = Backends()
    app = assembled([Route("r", filters=(Refusal("no"),), backends=one())], upstreams, no_route)
    assert (await exchange(app, http_scope())).status == 500
    assert upstreams.apps[A].scopes == []


async def test_a_backend_that_refuses() -> None:
    """A backend whose filter refuses takes its share of the requests and answers 500 (Gateway API: weights)."""
    upstreams = Backends()
    backends = (WeightedBackend(A, 1), WeightedBackend(B, 1, (Refusal("no"),)))
    app = assembled([Route("r", backends=backends)], upstreams, no_route)
    statuses = [(await exchange(app, http_scope())).status for _ in range(60)]
    assert set(statuses) == {200, 500}
    assert len(upstreams.apps[A].scopes) == statuses.count(200)
    assert upstreams.apps[B].scopes == []


async def test_filters_do_not_influence_the_choice_of_a_route() -> None:
    """Routes are chosen by the request as it came: what filters make of it is never matched again."""
    upstreams = Backends()
    routes = [
        Route(
            "first",
            Match(PrefixMatch("/a")),
            filters=(
                URLRewrite(hostname="b.test", path=ReplaceFullPath("/b")),
                RequestHeaderModifier(set={"X-B": "1"}),
            ),
            backends=one(),
        ),
        Route("by path", Match(ExactMatch("/b")), backends=(WeightedBackend(B),)),
        Route("by header", Match(headers=(HeaderMatch("X-B", "1"),)), backends=(WeightedBackend(B),)),
        Route("by host", hostname="b.test", backends=(WeightedBackend(B),)),
    ]
    await exchange(assembled(routes, upstreams, no_route), http_scope("/a"))
    assert upstreams.apps[A].scope["raw_path"] == b"/b"
    assert upstreams.apps[B].scopes == []


async def test_the_winning_route() -> None:
    """The route that wins serves the request, wherever it stands in the list."""
    upstreams = Backends()
    routes = [
        Route("any", backends=(WeightedBackend(B),)),
        Route("longer", Match(PrefixMatch("/v1")), backends=one()),
    ]
    await exchange(assembled(routes, upstreams, no_route), http_scope("/v1/models"))
    assert len(upstreams.apps[A].scopes) == 1
    assert upstreams.apps[B].scopes == []


async def test_equal_routes_keep_their_own_filters() -> None:
    """Of two equal routes the first serves, with its own filters and none of the other's."""
    upstreams = Backends()
    routes = [Route("first", filters=(Step("1"),), backends=one()), Route("second", backends=(WeightedBackend(B),))]
    await exchange(assembled(routes, upstreams, no_route), http_scope())
    assert steps(upstreams.apps[A].scope["headers"]) == [b"1"]


async def test_otherwise() -> None:
    """What no route takes goes to ``otherwise`` with its scope untouched."""
    otherwise = Inner()
    given = http_scope("/b", headers=[(b"connection", b"a"), (b"a", b"1")])
    app = assembled([Route("r", Match(PrefixMatch("/a")), backends=one())], Backends(), otherwise)
    await exchange(app, given)
    assert otherwise.scopes[0] is given


@pytest.mark.parametrize("unexpected", [ValueError("tail"), KeyError("tail")])
async def test_failures_are_outermost(unexpected: Exception) -> None:
    """Whatever breaks inside is answered with 500 and constant words."""

    class Broken(Filter):
        def on_request(self, head: RequestHead) -> RequestHead:
            raise unexpected

    app = assembled([Route("r", filters=(Broken(),), backends=one())], Backends(), no_route)
    answer = await exchange(app, http_scope())
    assert answer.status == 500
    assert b"tail" not in answer.body


async def test_a_broken_response_filter() -> None:
    """A response filter that breaks is a 500 as well: the answer had not begun."""

    class Broken(Filter):
        def on_response(self, head: ResponseHead, request: RequestHead) -> ResponseHead:
            raise ValueError("tail")

    app = assembled([Route("r", filters=(Broken(),), backends=one())], Backends(), no_route)
    answer = await exchange(app, http_scope())
    assert answer.status == 500
    assert b"tail" not in answer.body


def test_each_backend_is_asked_for_at_construction() -> None:
    """Everything is wired at construction; weight zero reaches nothing and is not asked for."""
    asked: list[Backend] = []

    def make(backend: Backend) -> ASGIApp:
        asked.append(backend)
        return Inner()

    upstreams: Upstreams = make
    assembled([Route("r", backends=(WeightedBackend(A), WeightedBackend(B, 0)))], upstreams, no_route)
    assert asked == [A]
