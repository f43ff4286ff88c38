"""assembly: the steps of a rule and of a backendRef, in their order: who is asked, filters, copies, credentials."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_driver import Answer, Inner, exchange, http_scope, settled
from gateway_filters import (
    CORS,
    Backend,
    CredentialInjection,
    DirectResponse,
    Endpoint,
    ExternalAuth,
    Filter,
    MemorySecret,
    Mirror,
    Refusal,
    RequestHeaderModifier,
    Retry,
    Route,
    SessionPersistence,
    Unusable,
    WeightedBackend,
)
from gateway_filters.asgi.dispatch import no_route
from gateway_filters.assembly import assemble, route_app
from gateway_filters.errors import NotConnected
from gateway_filters.routing import Listener, ListenerTable


def _backend(name: str) -> Backend:
    return Backend(name, (Endpoint(f"{name}.test", 80),))


MAIN, OTHER, COPY, AUTH = map(_backend, ("main", "other", "copy", "auth"))
TOLD = RequestHeaderModifier(add={"X-Step": "filter"})
KEYS = (
    CredentialInjection(MemorySecret("route-key"), overwrite=True),
    CredentialInjection(MemorySecret("own-key"), header="X-Api-Key", overwrite=True),
)


class Reading(Inner):
    """Reads the whole body before it answers, and keeps it."""

    def __init__(self, status: int = 200, *, echo: bool = True) -> None:
        super().__init__()
        self.bodies: list[bytes | None] = []
        self._status = status
        self._echo = echo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(None)
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": self._status, "headers": []})
        await send({"type": "http.response.body", "body": body if self._echo else b""})


class Failing(Reading):
    """Accepts no connection for the first few requests, once it has read one piece of each."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self.scopes) < self._times:
            self.scopes.append(scope)
            await receive()
            raise NotConnected("nobody is there")
        await super().__call__(scope, receive, send)


@dataclass
class World:
    """What is behind the gateway, by the names of backends."""

    apps: dict[str, Reading]

    def __getitem__(self, name: str) -> Reading:
        return self.apps[name]

    async def ask(self, route: Route, scope: Scope | None = None, *pieces: bytes) -> Answer:
        """Send one request by the route, and let its copies end."""
        table = ListenerTable([Listener("listener", 80, routes=(route,))])
        app = assemble(table, lambda each: route_app(each, self._reached), no_route, lambda head: head)
        answer = await exchange(app, scope or http_scope(), *pieces)
        await settled()
        return answer

    def _reached(self, backend: Backend) -> ASGIApp:
        return self.apps[backend.name]


@pytest.fixture
def world() -> World:
    """Backends that all answer."""
    return World({each.name: Reading() for each in (MAIN, OTHER, COPY, AUTH)})


def headers(scope: Scope, name: bytes) -> list[bytes]:
    """All values of a header."""
    return [value for key, value in scope["headers"] if key == name]


Steps = Callable[[tuple[Filter, ...], tuple[Mirror, ...], tuple[ExternalAuth, ...]], Route]


def on_rule(filters: tuple[Filter, ...], mirrors: tuple[Mirror, ...], auth: tuple[ExternalAuth, ...]) -> Route:
    """The steps stand on the rule."""
    return Route("r", filters=filters, mirrors=mirrors, auth=auth, backends=(WeightedBackend(MAIN),))


def on_backend(filters: tuple[Filter, ...], mirrors: tuple[Mirror, ...], auth: tuple[ExternalAuth, ...]) -> Route:
    """The steps stand on the only backendRef."""
    return Route("r", backends=(WeightedBackend(MAIN, 1, filters, mirrors, auth),))


def on_sticky_backend(
    filters: tuple[Filter, ...], mirrors: tuple[Mirror, ...], auth: tuple[ExternalAuth, ...]
) -> Route:
    """The steps stand on a backendRef of a rule that keeps sessions."""
    backends = (WeightedBackend(MAIN, 1, filters, mirrors, auth), WeightedBackend(OTHER, 0))
    return Route("r", backends=backends, session=SessionPersistence("s"))


LEVELS = [
    pytest.param(on_rule, id="on a rule"),
    pytest.param(on_backend, id="on a backendRef"),
    pytest.param(on_sticky_backend, id="on a backendRef with sessions"),
]


@pytest.mark.parametrize("level", LEVELS)
async def test_who_sees_what(level: Steps, world: World) -> None:
    """The service is asked about the request as it came, copies come after all filters, and no credential before."""
    route = level((KEYS[0], TOLD, KEYS[1]), (Mirror(COPY),), (ExternalAuth(AUTH, request_headers=(b"x-step",)),))
    answer = await world.ask(route, http_scope(method="POST", headers=[(b"host", b"h"), (b"x-step", b"client")]), b"bo")
    assert (answer.status, answer.body) == (200, b"bo")
    asked, copied, sent = world["auth"].scope, world["copy"].scope, world["main"].scope
    assert headers(asked, b"x-step") == [b"client"]
    assert headers(copied, b"x-step") == headers(sent, b"x-step") == [b"client", b"filter"]
    assert [headers(sent, name) for name in (b"authorization", b"x-api-key")] == [[b"route-key"], [b"own-key"]]
    for scope in (asked, copied):
        assert [headers(scope, name) for name in (b"authorization", b"x-api-key")] == [[], []]
    assert world["copy"].bodies == [b"bo"]


@pytest.mark.parametrize("level", LEVELS)
async def test_nobody_passes_without_permission(level: Steps, world: World) -> None:
    """A refusal is answered, and nothing of the rule or backend happens."""
    world.apps["auth"] = Reading(403)
    answer = await world.ask(level((TOLD,), (Mirror(COPY),), (ExternalAuth(AUTH),)))
    assert answer.status == 403
    assert world["main"].scopes == world["copy"].scopes == []


@pytest.mark.parametrize("level", LEVELS)
async def test_a_service_that_cannot_be_had(level: Steps, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody can be asked nobody passes: 500, and the log says why."""
    answer = await world.ask(level((), (Mirror(COPY),), (ExternalAuth(Unusable("s", "no such Service")),)))
    assert answer.status == 500
    assert world["main"].scopes == world["copy"].scopes == []
    assert "no such Service" in caplog.text


@pytest.mark.parametrize("level", LEVELS)
async def test_a_preflight_is_answered_before_anybody_is_asked(level: Steps, world: World) -> None:
    """A preflight carries no credentials, so nobody could permit it."""
    route = level((CORS(allow_origins=("https://app.test",)),), (Mirror(COPY),), (ExternalAuth(AUTH),))
    given = [(b"host", b"h"), (b"origin", b"https://app.test"), (b"access-control-request-method", b"POST")]
    answer = await world.ask(route, http_scope(method="OPTIONS", headers=given))
    assert (answer.status, answer.values(b"access-control-allow-origin")) == (204, [b"https://app.test"])
    assert all(not each.scopes for each in world.apps.values())


@pytest.mark.parametrize("level", LEVELS)
async def test_a_filter_that_answers_is_not_copied(level: Steps, world: World) -> None:
    """What a filter answers goes nowhere, to no mirror either."""
    answer = await world.ask(level((DirectResponse(410),), (Mirror(COPY),), ()))
    assert answer.status == 410
    assert world["main"].scopes == world["copy"].scopes == []


async def test_all_services_are_asked_in_their_order(world: World) -> None:
    """The first one that refuses ends it."""
    world.apps["auth"] = Reading(401)
    await world.ask(on_backend((), (), (ExternalAuth(COPY), ExternalAuth(AUTH))))
    assert [len(world[name].scopes) for name in ("copy", "auth", "main")] == [1, 1, 0]
    await world.ask(on_backend((), (), (ExternalAuth(AUTH), ExternalAuth(COPY))))
    assert [len(world[name].scopes) for name in ("copy", "auth", "main")] == [1, 2, 0]


async def test_steps_are_those_of_the_chosen_backend_alone(world: World) -> None:
    """Another backend's requests are neither copied nor asked about."""
    chosen = WeightedBackend(MAIN, 1, mirrors=(Mirror(COPY),), auth=(ExternalAuth(AUTH),))
    route = Route("r", backends=(chosen, WeightedBackend(OTHER, 1)))
    for _ in range(40):
        await world.ask(route)
    taken = len(world["main"].scopes)
    assert 0 < taken < 40
    assert len(world["other"].scopes) == 40 - taken
    assert len(world["copy"].scopes) == len(world["auth"].scopes) == taken


async def test_a_backend_whose_service_cannot_be_had_refuses_its_share_alone(world: World) -> None:
    """The others serve theirs."""
    refusing = WeightedBackend(MAIN, auth=(ExternalAuth(Unusable("s", "none")),))
    route = Route("r", backends=(refusing, WeightedBackend(OTHER)))
    statuses = [(await world.ask(route)).status for _ in range(40)]
    assert set(statuses) == {200, 500}
    assert len(world["other"].scopes) == statuses.count(200)
    assert world["main"].scopes == []


RETRY = Retry(attempts=2, backoff=0.001)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("pieces", "copies"),
    [
        pytest.param((b"",), [b""], id="without a body"),
        pytest.param((b"whole",), [b"whole"], id="with a body that the failed attempts have read"),
    ],
)
async def test_a_request_that_is_tried_again_is_copied_once(
    level: Steps, pieces: Sequence[bytes], copies: list[bytes], world: World
) -> None:
    """However many attempts there are, the mirror gets one request."""
    world.apps["main"] = Failing(2)
    route = level((), (Mirror(COPY),), ())
    tried = Route("r", mirrors=route.mirrors, backends=route.backends, session=route.session, retry=RETRY)
    assert (await world.ask(tried, http_scope(method="POST"), *pieces)).status == 200
    assert len(world["main"].scopes) == 3
    assert world["copy"].bodies == copies


async def test_a_copy_that_an_attempt_cuts_short_is_made_again(world: World) -> None:
    """The mirror of a backend gets one whole request, and one before it breaks off."""
    world.apps["main"] = Failing(2)
    route = Route("r", backends=(WeightedBackend(MAIN, mirrors=(Mirror(COPY),)),), retry=RETRY)
    scope = http_scope(method="POST", headers=[(b"host", b"h"), (b"content-length", b"6")])
    assert (await world.ask(route, scope, b"one", b"two")).status == 200
    # The second attempt finds all of the body read, so its copy is whole and the third makes none.
    assert world["copy"].bodies == [None, b"onetwo"]
    assert len(world["main"].scopes) == 3


# Fallbacks

RESERVE = Backend("other", (Endpoint("other.test", 80),), fallback=True)
OWN = CredentialInjection(MemorySecret("reserve-key"), header="X-Api-Key", overwrite=True)
SESSIONS = pytest.mark.parametrize(
    "session", [None, SessionPersistence("s")], ids=["without sessions", "with sessions"]
)


@SESSIONS
async def test_a_fallback_has_steps_and_credentials_of_its_own(
    session: SessionPersistence | None, world: World
) -> None:
    """It gets the request as it was before the steps and credentials of the backend that it stands behind."""
    world.apps["main"] = Failing(1)
    first = WeightedBackend(MAIN, 1, (RequestHeaderModifier(add={"X-Step": "main"}), KEYS[1]), (Mirror(COPY),))
    reserve = WeightedBackend(RESERVE, 1, (RequestHeaderModifier(add={"X-Step": "reserve"}), OWN))
    route = Route("r", filters=(TOLD, KEYS[0]), backends=(first, reserve), session=session)
    answer = await world.ask(
        route, http_scope(method="POST", headers=[(b"host", b"h"), (b"content-length", b"6")]), b"one", b"two"
    )
    assert (answer.status, answer.body) == (200, b"onetwo")
    (sent,) = world["other"].scopes
    assert headers(sent, b"x-step") == [b"filter", b"reserve"]
    assert [headers(sent, name) for name in (b"authorization", b"x-api-key")] == [[b"route-key"], [b"reserve-key"]]
    assert headers(world["main"].scope, b"x-api-key") == [b"own-key"]
    assert world["copy"].bodies == [None]


@SESSIONS
async def test_a_fallback_waits(session: SessionPersistence | None, world: World) -> None:
    """It takes nothing while another backend does, and one without an endpoint takes nothing."""
    route = Route("r", backends=(WeightedBackend(MAIN), WeightedBackend(RESERVE, 100)), session=session)
    for _ in range(10):
        assert (await world.ask(route)).status == 200
    assert [len(world[name].scopes) for name in ("main", "other")] == [10, 0]
    empty = Route("r", backends=(WeightedBackend(Backend("main", ())), WeightedBackend(RESERVE)), session=session)
    assert (await world.ask(empty)).status == 200
    assert [len(world[name].scopes) for name in ("main", "other")] == [10, 1]


async def test_without_a_fallback_a_share_is_a_share(world: World) -> None:
    """A backend that accepts no connection answers its share of the requests itself."""
    world.apps["main"] = Failing(1000)
    route = Route("r", backends=(WeightedBackend(MAIN), WeightedBackend(OTHER)))
    statuses = [(await world.ask(route)).status for _ in range(40)]
    assert set(statuses) == {200, 503}
    assert len(world["other"].scopes) == statuses.count(200)


async def test_what_a_service_is_asked_about_is_there_for_the_fallback(world: World) -> None:
    """However much of the body goes along with the question."""
    world.apps |= {"main": Failing(1), "auth": Reading(echo=False)}
    asking = WeightedBackend(MAIN, auth=(ExternalAuth(AUTH, max_body=300_000),))
    route = Route("r", backends=(asking, WeightedBackend(RESERVE)))
    pieces = [b"x" * 50_000] * 5
    answer = await world.ask(
        route, http_scope(method="POST", headers=[(b"host", b"h"), (b"content-length", b"250000")]), *pieces
    )
    assert (answer.status, len(answer.body)) == (200, 250_000)
    assert world["auth"].bodies == world["other"].bodies == [b"".join(pieces)]


async def test_a_session_comes_back_to_its_endpoint(world: World) -> None:
    """A client goes to the fallback while its endpoint accepts no connection, and only then."""
    two = Backend("main", (Endpoint("one.test", 80), Endpoint("two.test", 80)))
    reached: list[str] = []
    down: set[str] = set()

    def upstreams(backend: Backend) -> ASGIApp:
        name = " ".join(each.host for each in backend.endpoints)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if name in down:
                raise NotConnected("nobody is there")
            reached.append(name)
            await Inner()(scope, receive, send)

        return app

    route = Route("r", backends=(WeightedBackend(two), WeightedBackend(RESERVE)), session=SessionPersistence("s"))
    table = ListenerTable([Listener("listener", 80, routes=(route,))])
    app = assemble(table, lambda each: route_app(each, upstreams), no_route, lambda head: head)
    cookie = (await exchange(app, http_scope())).values(b"set-cookie")[0].partition(b";")[0]
    own = reached[0]
    down |= {"one.test", "two.test"}
    assert (await exchange(app, http_scope(headers=[(b"host", b"h"), (b"cookie", cookie)]))).status == 200
    down.clear()
    for _ in range(5):
        await exchange(app, http_scope(headers=[(b"host", b"h"), (b"cookie", cookie)]))
    assert reached == [own, "other.test"] + [own] * 5


async def test_a_refused_rule_asks_nobody(world: World) -> None:
    """A filter that refuses on a backendRef stands before its mirrors."""
    answer = await world.ask(on_backend((Refusal("no"),), (Mirror(COPY),), ()))
    assert answer.status == 500
    assert world["copy"].scopes == []
