"""asgi/handshake: a WebSocket passes every step as a request whose answer is 101."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_driver import Driver, Inner, app_of, exchange, http_scope, json_error, websocket_scope
from gateway_filters import (
    CORS,
    DirectResponse,
    FilteredApp,
    PathPrefix,
    Refusal,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHeaderModifier,
    RouteRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
    URLRewrite,
    chain,
)
from gateway_filters.asgi.deadline import Deadline
from gateway_filters.asgi.external_auth import ExternallyAuthorized
from gateway_filters.asgi.failures import Failures
from gateway_filters.asgi.fallback import FirstConnected
from gateway_filters.asgi.ingress import Ingress
from gateway_filters.asgi.mirror import Mirroring
from gateway_filters.asgi.retry import Retrying
from gateway_filters.asgi.session import StickyChoice
from gateway_filters.errors import NotConnected

ACCEPT: Message = {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-app", b"1")]}


class Echo:
    """An app of somebody else's: accepts, and sends back what comes until the client leaves."""

    def __init__(self, accept: Message = ACCEPT) -> None:
        self.scopes: list[Scope] = []
        self.received: list[Message] = []
        self._accept = accept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket."""
        self.scopes.append(scope)
        self.received.append(await receive())
        await send(self._accept)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        self.received.append(message)


def sequence(*apps: ASGIApp) -> ASGIApp:
    """Each call goes to the next one."""
    turns = iter(apps)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await next(turns)(scope, receive, send)

    return app_of(app)


def raising(error: Exception) -> ASGIApp:
    """An app that fails."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise error

    return app_of(app)


def answering(status: int) -> ASGIApp:
    """An app that refuses a WebSocket with a status."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": status, "headers": [(b"x-app", b"1")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    return app_of(app)


async def converse(app: ASGIApp, scope: Scope) -> list[Message]:
    """A word there and back, and a goodbye; gives all that was sent."""
    async with Driver(app, scope) as driver:
        driver.connect()
        await driver.next()
        driver.feed_message({"type": "websocket.receive", "text": "word"})
        await driver.next()
        driver.feed_message({"type": "websocket.disconnect", "code": 4000, "reason": "done"})
        await driver.end()
    return driver.sent


async def refused(app: ASGIApp, scope: Scope) -> list[Message]:
    """All that is sent to a client whose WebSocket is refused."""
    async with Driver(app, scope) as driver:
        driver.connect()
        await driver.end()
    return driver.sent


SHELLS: dict[str, Callable[[ASGIApp], ASGIApp]] = {
    "filters, none": chain,
    "a request filter": lambda app: chain(app, RequestHeaderModifier(add=(("x", "y"),))),
    "CORS": lambda app: chain(app, CORS(allow_origins=("*",))),
    "failures": Failures,
    "a deadline": lambda app: Deadline(app, 5),
    "retry": lambda app: Retrying(app, attempts=1, backoff=0.001),
    "fallbacks": lambda app: FirstConnected([[(app, 1)]]),
    "sessions": lambda app: StickyChoice([("a", app, 1)], name="s"),
    "mirrors": lambda app: Mirroring(app, [(Inner(), 1)]),
    "authorization": lambda app: ExternallyAuthorized(app, Inner()),
    "a prefix": lambda app: PathPrefix(Inner(), prefix="/", then=app),
    "ingress": Ingress,
    "many": lambda app: Failures(
        Deadline(Retrying(chain(app, URLRewrite(hostname="h.test")), attempts=2, backoff=1), 5)
    ),
}


@pytest.mark.parametrize("name", SHELLS)
async def test_every_step_lets_websockets_through(name: str) -> None:
    """The app behind it is spoken to as ASGI says, and so is the server before it."""
    echo = Echo()
    sent = await converse(SHELLS[name](echo), websocket_scope(subprotocols=["chat"]))
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.send"]
    assert (sent[0]["subprotocol"], sent[1]["text"]) == ("chat", "word")
    assert (b"x-app", b"1") in sent[0]["headers"]
    assert echo.received == [
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 4000, "reason": "done"},
    ]
    assert echo.scopes[0]["type"] == "websocket"


async def test_filters_rewrite_the_handshake() -> None:
    """Path, Host and headers of the scope say what the filters made of them; the rest stays."""
    echo = Echo()
    filters = (
        URLRewrite(hostname="provider.test", path=ReplacePrefixMatch("/v1", "/c/v1")),
        RequestHeaderModifier(set=(("x-mine", "yes"),)),
    )
    await converse(chain(echo, *filters), websocket_scope("/v1/r?m=1", subprotocols=["chat"]))
    scope = echo.scopes[0]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/c/v1/r", b"/c/v1/r", b"m=1")
    headers = dict(scope["headers"])
    assert (headers[b"host"], headers[b"x-mine"], headers[b"upgrade"]) == (b"provider.test", b"yes", b"websocket")
    assert scope["subprotocols"] == ["chat"]


async def test_filters_see_the_101_as_an_answer() -> None:
    """What they add comes with the accept; the handshake's own fields are the server's."""
    filters = ResponseHeaderModifier(set=(("x-gateway", "yes"), ("sec-websocket-protocol", "other")), remove=("x-app",))
    sent = await converse(chain(Echo(), filters), websocket_scope(subprotocols=["chat"]))
    assert sent[0] == {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-gateway", b"yes")]}


async def test_what_nothing_has_to_change_is_the_very_scope() -> None:
    """As for requests."""
    echo, scope = Echo(), websocket_scope()
    await converse(chain(echo, ResponseHeaderModifier(remove=("x",))), scope)
    assert echo.scopes[0] is scope


REFUSALS: list[Any] = [
    pytest.param(chain(Echo(), Refusal("no")), 500, id="a refusal"),
    pytest.param(chain(Echo(), DirectResponse(429, "slow", "text/plain")), 429, id="a direct response"),
    pytest.param(chain(Echo(), RequestRedirect(hostname="other.test")), 302, id="a redirect"),
    pytest.param(Failures(raising(UpstreamUnreachable("gone"))), 503, id="a failure"),
    pytest.param(Failures(raising(ValueError("a secret"))), 500, id="a failure of an app"),
    pytest.param(Ingress(Echo()), 400, id="a path that has no canonical form"),
    pytest.param(ExternallyAuthorized(Echo(), answering(200)), 403, id="no answer of the authorization"),
    pytest.param(chain(answering(401)), 401, id="the app's own refusal"),
]


@pytest.mark.parametrize(("app", "status"), REFUSALS)
@pytest.mark.parametrize("target", ["/a%2Fb"])
async def test_refusals_are_delivered(app: ASGIApp, status: int, target: str) -> None:
    """With the extension as they are, without as a close, which servers turn into 403."""
    sent = await refused(app, websocket_scope(target))
    assert [each["type"] for each in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == status
    if status in (400, 500, 503):
        assert json_error(sent[1]["body"])
    without = await refused(app, websocket_scope(target, denial=False))
    assert without == [{"type": "websocket.close", "code": 1000, "reason": ""}]


async def test_an_app_that_closes_before_it_accepts_has_refused() -> None:
    """403, which is what a server makes of it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4001})

    sent = await refused(chain(app_of(app), ResponseHeaderModifier(set=(("x", "y"),))), websocket_scope())
    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 403)
    assert (b"x", b"y") in sent[0]["headers"]


async def test_a_client_that_leaves_before_the_answer() -> None:
    """The app is told as ASGI says."""
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])

    async with Driver(chain(app_of(app)), websocket_scope()) as driver:
        driver.connect().feed_message({"type": "websocket.disconnect", "code": 1006})
        await driver.end()
    assert seen == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]


async def test_a_server_that_says_nothing_of_a_websocket() -> None:
    """A client that is gone before the server could say that it is there reaches nobody."""
    inner = Inner()
    async with Driver(chain(inner), websocket_scope()) as driver:
        driver.feed_message({"type": "websocket.disconnect", "code": 1006})
        await driver.end()
    assert (inner.scopes, driver.sent) == ([], [])


async def test_a_deadline_ends_with_the_handshake() -> None:
    """Late handshakes are 504; what was accepted in time lasts."""

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(5)

    sent = await refused(Failures(Deadline(app_of(late), 0.02)), websocket_scope())
    assert sent[0]["status"] == 504
    async with Driver(Failures(Deadline(Echo(), 0.05)), websocket_scope()) as driver:
        driver.connect()
        await driver.next()
        await asyncio.sleep(0.1)
        driver.feed_message({"type": "websocket.receive", "text": "word"})
        assert (await driver.next())["text"] == "word"


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(raising(UpstreamUnreachable("gone")), id="an upstream that is gone"),
        pytest.param(raising(UpstreamTimeout("slow")), id="an upstream that is slow"),
        pytest.param(answering(503), id="a status that is listed"),
    ],
)
@pytest.mark.parametrize("denial", [True, False])
async def test_a_handshake_is_tried_again(first: ASGIApp, denial: bool) -> None:
    """Until something has been answered to the client, whatever its server can deliver."""
    app = Retrying(sequence(first, Echo()), attempts=1, backoff=0.001, codes=frozenset((503,)))
    sent = await converse(app, websocket_scope(denial=denial))
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.send"]


async def test_an_accepted_websocket_is_not_tried_again() -> None:
    """Its failure is its end."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        raise UpstreamUnreachable("gone")

    with pytest.raises(UpstreamUnreachable):
        await refused(Retrying(sequence(app_of(app), Echo()), attempts=1, backoff=0.001), websocket_scope())


async def test_the_next_backend_has_what_the_first_one_did_not() -> None:
    """A fallback gets the whole handshake."""
    app = FirstConnected([[(raising(NotConnected("refused")), 1)], [(Echo(), 1)]])
    sent = await converse(app, websocket_scope())
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.send"]


async def test_a_session_begins_with_the_accept() -> None:
    """Its cookie comes with the 101 and leads the next WebSocket, and any request, to the same app."""
    first, second = Echo(), Echo()
    app = StickyChoice([("a", first, 1), ("b", second, 1)], name="s", draw=lambda: 0.9)
    sent = await converse(app, websocket_scope())
    cookie = dict(sent[0]["headers"])[b"set-cookie"].partition(b";")[0]
    drawn_otherwise = StickyChoice([("a", first, 1), ("b", second, 1)], name="s", draw=lambda: 0.0)
    again = await converse(drawn_otherwise, websocket_scope(headers=[(b"cookie", cookie)]))
    assert (len(first.scopes), len(second.scopes)) == (0, 2)
    assert b"set-cookie" not in dict(again[0]["headers"])
    assert b"cookie" not in dict(second.scopes[1]["headers"])


async def test_authorization_asks_over_http() -> None:
    """The question is a request without a body, whatever it is about; the permission changes the handshake."""
    service, echo = Inner(headers=[(b"x-user", b"ann")]), Echo()
    app = ExternallyAuthorized(echo, service, path="/check", request_headers=(b"x-key",), max_body=100)
    await converse(app, websocket_scope("/v1?a=1", headers=[(b"x-key", b"k"), (b"x-user", b"eve")]))
    asked = service.scope
    assert (asked["type"], asked["method"], asked["scheme"], asked["extensions"]) == ("http", "GET", "http", {})
    assert (asked["path"], asked["query_string"]) == ("/check/v1", b"a=1")
    assert dict(asked["headers"]) == {b"host": b"gateway.test", b"x-key": b"k", b"content-length": b"0"}
    assert dict(echo.scopes[0]["headers"])[b"x-user"] == b"ann"


async def test_a_websocket_is_not_mirrored() -> None:
    """Nobody could answer its messages."""
    mirror = Inner()
    await converse(Mirroring(Echo(), [(mirror, 1)]), websocket_scope())
    assert mirror.scopes == []


async def test_a_prefix_takes_websockets() -> None:
    """Below it they go there, canonical; others go to the app, untouched."""
    below, app = Echo(), Echo()
    dispatched = PathPrefix(app, prefix="/v1", then=below)
    await converse(dispatched, websocket_scope("/v1//x"))
    outside = websocket_scope("/v2")
    await converse(dispatched, outside)
    assert below.scopes[0]["raw_path"] == b"/v1/x"
    assert app.scopes[0] is outside


async def test_failures_after_the_accept_are_no_answers() -> None:
    """They are raised on, and the server cuts the connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        raise RouteRefused("too late")

    async with Driver(Failures(app_of(app)), websocket_scope()) as driver:
        driver.connect()
        with pytest.raises(RouteRefused):
            await driver.end()
    assert [each["type"] for each in driver.sent] == ["websocket.accept"]


async def test_requests_are_as_before() -> None:
    """The same app serves both."""
    app: Callable[[Scope, Receive, Send], Awaitable[None]] = FilteredApp(Inner(), (DirectResponse(200, "a", None),))
    assert (await exchange(app, http_scope())).body == b"a"
