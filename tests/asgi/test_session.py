"""asgi/session: a client stays with the choice of its first answer."""

from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from asgi_driver import Answer, Driver, Inner, Pairs, app_of, exchange, http_scope
from gateway_filters.asgi.session import StickyChoice
from gateway_filters.errors import ConfigurationError, RouteRefused

KEY = b"k" * 32
HOST = (b"host", b"gateway.test")


class Choice(Inner):
    """One of the apps to choose from; answers with its name."""

    def __init__(self, name: str) -> None:
        super().__init__(headers=[(b"set-cookie", b"own=1")], body=name.encode())


class Clock:
    """Tells the time it is set to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sticky(
    weights: Iterable[tuple[str, int]] = (("a", 1), ("b", 1)), *, ticket: float = 0.0, name: str = "sid", **more: Any
) -> StickyChoice:
    """A choice between apps of these names and weights, drawn by ``ticket``."""
    more.setdefault("key", KEY)
    choices = [(each, Choice(each), weight) for each, weight in weights]
    return StickyChoice(choices, name=name, draw=lambda: ticket, **more)


def cookie_of(answer: Answer) -> bytes:
    """The cookie that the choice set, as a client would send it back; the app's own one comes first."""
    own, ours = answer.values(b"set-cookie")
    assert own == b"own=1"
    return ours.partition(b";")[0]


async def first_cookie(app: StickyChoice) -> bytes:
    """The cookie of a client's first answer."""
    return cookie_of(await exchange(app, http_scope()))


async def ask(app: StickyChoice, *cookies: bytes) -> Answer:
    """A request with these Cookie headers."""
    return await exchange(app, http_scope(headers=[HOST, *((b"cookie", each) for each in cookies)]))


@pytest.mark.parametrize(
    ("weights", "ticket", "expected"),
    [
        pytest.param((("a", 1), ("b", 1)), 0.0, b"a", id="the first half is the first one's"),
        pytest.param((("a", 1), ("b", 1)), 0.5, b"b", id="the second half is the second one's"),
        pytest.param((("a", 3), ("b", 1)), 0.74, b"a", id="a weight is a share"),
        pytest.param((("a", 0), ("b", 1)), 0.0, b"b", id="a weight of 0 is never drawn"),
        pytest.param((("a", 1), ("b", 0)), 0.999, b"a", id="a weight of 0 at the end neither"),
    ],
)
async def test_drawing(weights: tuple[tuple[str, int], ...], ticket: float, expected: bytes) -> None:
    """Without a token the weights decide."""
    assert (await exchange(sticky(weights, ticket=ticket), http_scope())).body == expected


@pytest.mark.parametrize(
    ("scheme", "more", "attributes"),
    [
        pytest.param("http", {}, b"Path=/; HttpOnly; SameSite=Strict", id="a session cookie"),
        pytest.param("https", {}, b"Path=/; HttpOnly; SameSite=Strict; Secure", id="over TLS it is for TLS only"),
        pytest.param("http", {"path": "/v1"}, b"Path=/v1; HttpOnly; SameSite=Strict", id="for a path"),
        pytest.param(
            "http", {"lifetime": 60.0}, b"Path=/; HttpOnly; SameSite=Strict", id="a lifetime is the token's own affair"
        ),
        pytest.param(
            "http",
            {"lifetime": 0.5, "permanent": True},
            b"Path=/; Max-Age=1; HttpOnly; SameSite=Strict",
            id="a permanent one tells its lifetime, and never 0",
        ),
    ],
)
async def test_the_cookie(scheme: str, more: dict[str, Any], attributes: bytes) -> None:
    """The first answer sets a cookie beside those of the app; it tells nothing of the choice's id."""
    answer = await exchange(sticky([("10.0.0.7:80", 1)], **more), http_scope(scheme=scheme))
    name, _, rest = answer.values(b"set-cookie")[1].partition(b"=")
    token, _, given = rest.partition(b"; ")
    assert (name, given) == (b"sid", attributes)
    assert b"10.0.0.7" not in token


async def test_coming_back() -> None:
    """A token leads to its choice whatever is drawn, and is not set again."""
    app = sticky(ticket=0.9)
    cookie = await first_cookie(sticky(ticket=0.0))
    answer = await ask(app, cookie)
    assert answer.body == b"a"
    assert answer.values(b"set-cookie") == [b"own=1"]


async def test_a_weight_of_0_keeps_its_sessions() -> None:
    """A choice that is drawn no more keeps the clients it has."""
    cookie = await first_cookie(sticky(ticket=0.0))
    assert (await ask(sticky((("b", 1), ("a", 0))), cookie)).body == b"a"
    assert (await ask(sticky((("a", 0),)), cookie)).body == b"a"


@pytest.mark.parametrize("weights", [(), (("a", 0),)])
async def test_nothing_to_draw(weights: tuple[tuple[str, int], ...]) -> None:
    """Without a token and without a weight a request is refused."""
    with pytest.raises(RouteRefused):
        await exchange(sticky(weights), http_scope())


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(b"sid=", id="an empty one"),
        pytest.param(b"sid", id="one without a value"),
        pytest.param(b"sid=..", id="one that is only dots"),
        pytest.param(b"sid=\xff.1.\xff", id="one that is no ASCII"),
        pytest.param(b"other=1", id="another one"),
        pytest.param(b"SID=%s", id="one with its name in capitals"),
        pytest.param(b"sid=x%s", id="one with a byte more in front"),
        pytest.param(b"sid=%s0", id="one with a byte more behind"),
    ],
)
async def test_tokens_that_do_not_count(cookie: bytes) -> None:
    """A token that is not ours is as if it were absent: the weights decide, and a new one is set."""
    app = sticky(ticket=0.9)
    valid = (await first_cookie(sticky(ticket=0.0))).removeprefix(b"sid=")
    answer = await ask(app, cookie.replace(b"%s", valid))
    assert answer.body == b"b"
    assert cookie_of(answer) == await first_cookie(app)


async def test_no_byte_of_a_token_can_be_changed() -> None:
    """Whatever is changed in a token voids it."""
    app = sticky(ticket=0.9)
    token = (await first_cookie(sticky(ticket=0.0, lifetime=60.0, clock=Clock()))).removeprefix(b"sid=")
    changed = {
        token[:at] + (b"0" if token[at : at + 1] != b"0" else b"1") + token[at + 1 :] for at in range(len(token))
    }
    assert {(await ask(app, b"sid=" + each)).body for each in changed} == {b"b"}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"key": b"another key"}, id="another key"),
        pytest.param({"key": None}, id="the key of the process"),
        pytest.param({"name": "other"}, id="another name"),
        pytest.param({"weights": (("c", 1),)}, id="a choice that is gone"),
    ],
)
async def test_tokens_of_others_do_not_count(other: dict[str, Any]) -> None:
    """A token counts only where its key, its name and its choice are known."""
    token = (await first_cookie(sticky(**other))).partition(b"=")[2]
    assert (await ask(sticky(ticket=0.9), b"sid=" + token)).body == b"b"


async def test_the_key_of_the_process() -> None:
    """Without a key, choices of one process know each other's tokens: those made anew keep their sessions."""
    cookie = await first_cookie(sticky(ticket=0.0, key=None))
    assert (await ask(sticky(ticket=0.9, key=None), cookie)).body == b"a"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(0.0, b"a", id="at once"),
        pytest.param(59.9, b"a", id="just within its lifetime"),
        pytest.param(60.0, b"b", id="at its end"),
        pytest.param(-5.0, b"a", id="when the clock was set back"),
    ],
)
async def test_lifetime(age: float, expected: bytes) -> None:
    """A token is void when its lifetime is over."""
    clock = Clock()
    cookie = await first_cookie(sticky(ticket=0.0, lifetime=60.0, clock=clock))
    clock.now += age
    assert (await ask(sticky(ticket=0.9, lifetime=60.0, clock=clock), cookie)).body == expected


async def test_a_token_without_a_time() -> None:
    """A token from before there was a lifetime is void; one with a time counts where there is none."""
    timeless = await first_cookie(sticky(ticket=0.0))
    timed = await first_cookie(sticky(ticket=0.0, lifetime=60.0))
    assert (await ask(sticky(ticket=0.9, lifetime=60.0), timeless)).body == b"b"
    assert (await ask(sticky(ticket=0.9), timed)).body == b"a"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        pytest.param(["sid=%"], [], id="alone"),
        pytest.param(["sid=%; a=1"], ["a=1"], id="first"),
        pytest.param(["a=1; sid=%"], ["a=1"], id="last"),
        pytest.param(["a=1; sid=%; b=2"], ["a=1; b=2"], id="in the middle"),
        pytest.param(['a=1;sid=%;  b="x y";;c'], ['a=1;  b="x y";;c'], id="the rest stays byte for byte"),
        pytest.param(["a=1; sid=%", "sid=old", "b=2"], ["a=1", "b=2"], id="in several headers"),
        pytest.param(["sid=old; sid=%"], [], id="among several of its name"),
        pytest.param(["sid = %; xsid=1"], ["xsid=1"], id="with blanks round it"),
    ],
)
async def test_the_cookie_stays_here(given: list[str], left: list[str]) -> None:
    """The token does not go upstream; other cookies do, unchanged and in their place."""
    inner = Choice("b")
    app = StickyChoice([("b", inner, 1)], name="sid", key=KEY)
    token = (await first_cookie(app)).partition(b"=")[2]
    inner.scopes.clear()
    headers: Pairs = [HOST, *((b"cookie", each.encode().replace(b"%", token)) for each in given), (b"x", b"1")]
    answer = await exchange(app, http_scope(headers=headers))
    assert answer.values(b"set-cookie") == [b"own=1"]
    assert inner.scope["headers"] == [HOST, *((b"cookie", each.encode()) for each in left), (b"x", b"1")]


async def test_a_request_without_a_token_passes_as_it_is() -> None:
    """Where there is nothing to take off, the very scope passes; where there is, it is a copy that changes."""
    inner = Choice("a")
    given = http_scope(headers=[HOST, (b"cookie", b"a=1")])
    await exchange(StickyChoice([("a", inner, 1)], name="sid"), given)
    assert inner.scopes[0] is given


async def test_a_header() -> None:
    """With ``header`` the token travels in a header, which is taken off and set as the cookie is."""
    inner = Inner(headers=[(b"x-session", b"the app's own")])
    tickets = iter((0.0,))  # one draw: the second request is not drawn for
    choices = [("a", inner, 1), ("b", Choice("b"), 1)]
    app = StickyChoice(choices, name="X-Session", header=True, draw=lambda: next(tickets))
    (token,) = (await exchange(app, http_scope())).values(b"x-session")
    assert token != b"the app's own"
    inner.scopes.clear()
    answer = await exchange(app, http_scope(headers=[HOST, (b"x-session", token)]))
    assert answer.values(b"x-session") == [b"the app's own"]
    assert inner.scope["headers"] == [HOST]


async def test_other_messages_pass() -> None:
    """Only the head of the answer is changed, and none of its other parts."""

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": []})
        await send({"type": "http.response.start", "status": 200, "trailers": True})
        await send({"type": "http.response.body"})

    async with Driver(StickyChoice([("a", app, 1)], name="sid"), http_scope()) as driver:
        await driver.end()
    hint, start, body = driver.sent
    assert hint == {"type": "http.response.early_hint", "links": []}
    assert start["trailers"] and len(start["headers"]) == 1
    assert body == {"type": "http.response.body"}


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """A scope of another type goes to an app drawn by weight, untouched."""
    inner, given = Inner(), {"type": kind}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": kind}

    async def send(message: Message) -> None:
        sent.append(message)

    await StickyChoice([("a", Inner(), 1), ("b", inner, 1)], name="sid", draw=lambda: 0.5)(given, receive, send)
    assert inner.scopes[0] is given
    assert inner.sends == [send]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"name": "a b"}, id="a cookie's name is a token"),
        pytest.param({"name": "a:", "header": True}, id="a header's name is a token"),
        pytest.param({"path": "v1"}, id="a path begins with a slash"),
        pytest.param({"path": "/;Domain=x"}, id="a path does not end its attribute"),
        pytest.param({"lifetime": 0.0}, id="a lifetime is above 0"),
        pytest.param({"permanent": True}, id="a permanent session has a lifetime"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, Any]) -> None:
    """What a client could not use is refused at construction."""
    with pytest.raises(ConfigurationError):
        sticky(**arguments)


async def test_closing() -> None:
    """Closing goes on to all apps."""
    closed: list[str] = []

    class Closable(Inner):
        async def aclose(self) -> None:
            closed.append("app")

    await StickyChoice([("a", Closable(), 1), ("b", Closable(), 0), ("c", Inner(), 1)], name="sid").aclose()
    assert closed == ["app", "app"]
