"""asgi/external_auth: someone else is asked first, and only a whole 200 lets a request pass."""

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from asgi_driver import Answer, Driver, Inner, Pairs, app_of, exchange, http_scope, json_error
from gateway_filters.asgi.external_auth import ExternallyAuthorized
from gateway_filters.errors import (
    BadRequest,
    ClientDisconnected,
    ConfigurationError,
    UpstreamAborted,
    UpstreamTimeout,
    UpstreamUnreachable,
)

pytestmark = pytest.mark.usefixtures("no_task_left")

HOST = (b"host", b"gateway.test")


class Service(Inner):
    """An authorisation service: reads the question and answers as told."""

    def __init__(self, status: int = 200, headers: Pairs | None = None, body: bytes = b"") -> None:
        super().__init__()
        self.questions: list[bytes] = []
        self._answer = (status, headers or [], body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message = await receive()
        assert not message["more_body"]
        self.questions.append(message["body"])
        status, headers, body = self._answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})


class Echo(Inner):
    """The app behind: keeps the body too."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        await super().__call__(scope, receive, send)


def authorized(app: Any, service: Any, **more: Any) -> ExternallyAuthorized:
    """``app`` behind ``service``."""
    return ExternallyAuthorized(app, service, **more)


CLIENT_HEADERS: Pairs = [
    HOST,
    (b"authorization", b"Bearer client"),
    (b"cookie", b"a=1"),
    (b"x-tenant", b"one"),
    (b"x-tenant", b"two"),
    (b"content-length", b"4"),
    (b"content-type", b"text/plain"),
]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param((), [], id="Authorization always goes along"),
        pytest.param((b"x-tenant",), [(b"x-tenant", b"one"), (b"x-tenant", b"two")], id="a listed one too"),
        pytest.param((b"content-length", b"host", b"connection"), [], id="the frame is the question's own"),
        pytest.param((b"x-absent",), [], id="an absent one is left out"),
    ],
)
async def test_what_the_service_is_asked(listed: tuple[bytes, ...], expected: Pairs) -> None:
    """The question has the method, Host, target and the chosen headers of the request, and a frame of its own."""
    service = Service()
    scope = http_scope(
        "/v1/a%2Fb?q=1", method="POST", headers=CLIENT_HEADERS, extensions={"http.response.pathsend": {}}
    )
    await exchange(authorized(Echo(), service, request_headers=listed), scope, b"body")
    asked = service.scope
    assert (asked["method"], asked["raw_path"], asked["query_string"]) == ("POST", b"/v1/a%2Fb", b"q=1")
    own = [(b"authorization", b"Bearer client"), *expected, (b"content-length", b"0")]
    assert asked["headers"] == [HOST, *own]
    assert asked["extensions"] == {}
    assert service.questions == [b""]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        pytest.param("", b"/v1/a", id="none"),
        pytest.param("/", b"/v1/a", id="a slash"),
        pytest.param("/auth", b"/auth/v1/a", id="a segment"),
        pytest.param("/auth/", b"/auth/v1/a", id="a segment and a slash"),
    ],
)
async def test_prefix(prefix: str, expected: bytes) -> None:
    """The service's path goes in front of the request's, whose own path stays."""
    service, app = Service(), Inner()
    await exchange(authorized(app, service, path=prefix), http_scope("/v1/a"))
    assert service.scope["raw_path"] == expected
    assert app.scope["raw_path"] == b"/v1/a"


async def test_another_path() -> None:
    """A whole path stands in place of the request's, and its query; the request goes on as it was."""
    service, app = Service(), Inner()
    await exchange(authorized(app, service, whole_path="/check"), http_scope("/v1/a?key=1"))
    assert (service.scope["raw_path"], service.scope["query_string"]) == (b"/check", b"")
    assert (app.scope["raw_path"], app.scope["query_string"]) == (b"/v1/a", b"key=1")


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_the_status_of_a_service_that_fails(status: int) -> None:
    """Constant words under a status that the route chooses; refusals of the service keep theirs."""
    for service in (Service(500), Service(200 + 3), app_of(_unreachable)):
        answer = await exchange(authorized(Inner(), service, status_on_error=status), http_scope())
        assert answer.status == status and json_error(answer.body)["type"] == "permission_denied"
    assert (await exchange(authorized(Inner(), Service(404), status_on_error=status), http_scope())).status == 404


async def _unreachable(scope: Scope, receive: Receive, send: Send) -> None:
    raise UpstreamUnreachable("refused")


async def test_fail_open_lets_pass_what_nobody_could_say_anything_about() -> None:
    """Not what the service refuses; and what only it may say is taken off all the same."""
    headers: Pairs = [HOST, (b"x-user", b"forged"), (b"x-a", b"1")]
    for service in (Service(500), app_of(_unreachable)):
        app = Inner()
        shell = authorized(app, service, fail_open=True, response_headers=(b"x-user",))
        assert (await exchange(shell, http_scope(headers=headers))).body == b"inner"
        assert app.scope["headers"] == [HOST, (b"x-a", b"1")]
    assert (await exchange(authorized(Inner(), Service(403), fail_open=True), http_scope())).status == 403
    long = authorized(Inner(), Service(), fail_open=True, max_body=1)
    assert (await exchange(long, http_scope(method="POST"), b"long")).status == 413


async def test_below_a_mount_point() -> None:
    """The path asked about is the one below the mount point, where the prefix goes too."""
    service = Service()
    await exchange(authorized(Inner(), service, path="/auth"), http_scope("/v1", root_path="/gw"))
    assert (service.scope["raw_path"], service.scope["root_path"]) == (b"/gw/auth/v1", "/gw")


@pytest.mark.parametrize("path", ["/../admin", "/a/..", "/a/%2e%2E/b", "/.", "/a\\..\\b", "/a/..%2fb", "*"])
async def test_paths_that_are_not_asked_about(path: str) -> None:
    """A path that someone could read as another one is refused before anybody is asked."""
    service, app = Service(), Inner()
    with pytest.raises(BadRequest):
        await exchange(authorized(app, service, path="/auth"), http_scope(path))
    assert service.scopes == [] and app.scopes == []


PERMISSION: Pairs = [
    (b"x-user", b"ann"),
    (b"x-role", b"admin"),
    (b"authorization", b"Bearer inside"),
    (b"host", b"elsewhere"),
    (b"content-length", b"2"),
    (b"content-type", b"text/html"),
    (b"set-cookie", b"s=1"),
    (b"date", b"today"),
    (b"transfer-encoding", b"chunked"),
    (b"connection", b"x-hop"),
    (b"x-hop", b"1"),
]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param(
            None,
            [HOST, (b"x-a", b"1"), (b"x-user", b"ann"), (b"x-role", b"admin"), (b"authorization", b"Bearer inside")],
            id="where nothing is said of them, all but those about the permission itself",
        ),
        pytest.param(
            (),
            [
                HOST,
                (b"authorization", b"Bearer client"),
                (b"x-user", b"forged"),
                (b"x-user", b"twice"),
                (b"x-a", b"1"),
                (b"x-role", b"forged"),
            ],
            id="where none is listed, none",
        ),
        pytest.param(
            (b"x-user",),
            [HOST, (b"authorization", b"Bearer client"), (b"x-a", b"1"), (b"x-role", b"forged"), (b"x-user", b"ann")],
            id="only the listed ones",
        ),
        pytest.param(
            (b"x-user", b"x-role", b"x-absent", b"host", b"content-length"),
            [HOST, (b"authorization", b"Bearer client"), (b"x-a", b"1"), (b"x-user", b"ann"), (b"x-role", b"admin")],
            id="a listed one that is not given is taken off, and the frame is nobody's to list",
        ),
    ],
)
async def test_what_a_permission_says(listed: tuple[bytes, ...] | None, expected: Pairs) -> None:
    """The permission's headers replace those of the request, so that a client cannot say them itself."""
    given: Pairs = [
        HOST,
        (b"authorization", b"Bearer client"),
        (b"x-user", b"forged"),
        (b"x-user", b"twice"),
        (b"x-a", b"1"),
        (b"x-role", b"forged"),
    ]
    if b"x-absent" in (listed or ()):
        given.append((b"x-absent", b"forged"))
    app = Inner()
    answer = await exchange(
        authorized(app, Service(headers=PERMISSION), response_headers=listed), http_scope(headers=given)
    )
    assert answer.body == b"inner"
    assert app.scope["headers"] == expected


async def test_a_permission_without_headers() -> None:
    """A request that is only permitted passes as it came, body and all."""
    app = Echo()
    await exchange(authorized(app, Service()), http_scope(headers=CLIENT_HEADERS), b"bo", b"dy")
    assert app.scope["headers"] == CLIENT_HEADERS
    assert app.bodies == [b"body"]


ANSWER_HEADERS: Pairs = [
    (b"content-type", b"text/plain"),
    (b"location", b"/login"),
    (b"www-authenticate", b"Basic"),
    (b"set-cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
    (b"server", b"inside/1.0"),
    (b"content-length", b"999"),
    (b"connection", b"close"),
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 403, 429])
async def test_refusals_that_are_handed_on(status: int) -> None:
    """A 4xx and a redirect reach the client, with the headers that explain them."""
    app = Inner()
    answer = await exchange(authorized(app, Service(status, ANSWER_HEADERS, b"who?")), http_scope())
    assert (answer.status, answer.body) == (status, b"who?")
    assert answer.headers == [*ANSWER_HEADERS[:5], (b"content-length", b"4")]
    assert app.scopes == []


def assert_forbidden(answer: Answer) -> None:
    """The constant refusal."""
    assert answer.status == 403
    assert json_error(answer.body)["type"] == "permission_denied"
    assert json.loads(answer.body)["error"]["message"] == "The request is not permitted."


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 500, 503])
async def test_refusals_that_are_not(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Any other status is a refusal in constant words."""
    app = Inner()
    answer = await exchange(authorized(app, Service(status, ANSWER_HEADERS, b"inside")), http_scope())
    assert_forbidden(answer)
    assert app.scopes == []
    assert f"answered {status}" in caplog.text


@pytest.mark.parametrize(
    "error", [UpstreamUnreachable("refused"), UpstreamTimeout("late"), UpstreamAborted("broke off"), BadRequest("bad")]
)
@pytest.mark.parametrize("begun", [False, True])
async def test_fail_closed(error: Exception, begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A service that fails refuses, also when it had begun to say yes."""
    app = Inner()

    @app_of
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200})
        raise error

    with caplog.at_level(logging.ERROR, "gateway_filters"):
        assert_forbidden(await exchange(authorized(app, failing), http_scope()))
    assert app.scopes == []
    assert str(error) in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="no answer"),
        pytest.param([{"type": "http.response.start", "status": 200}], id="a head alone"),
        pytest.param(
            [
                {"type": "http.response.start", "status": 200},
                {"type": "http.response.body", "body": b"ye", "more_body": True},
            ],
            id="half a body",
        ),
        pytest.param([{"type": "http.response.early_hint"}], id="a hint"),
    ],
)
async def test_half_an_answer_is_none(messages: list[Message]) -> None:
    """Only a whole 200 is a permission."""
    app = Inner()

    @app_of
    async def halting(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    assert_forbidden(await exchange(authorized(app, halting), http_scope()))
    assert app.scopes == []


@pytest.mark.parametrize("status", [200, 401])
async def test_a_long_answer(status: int) -> None:
    """An answer longer than 64 KiB is a failure, whatever it says."""
    app = Inner()
    assert_forbidden(await exchange(authorized(app, Service(status, body=b"x" * 65537)), http_scope()))
    assert app.scopes == []


async def test_defects_are_not_hidden() -> None:
    """An error that nobody foresaw is raised on, and the request does not pass."""
    app = Inner()

    @app_of
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("defect")

    with pytest.raises(ValueError, match="defect"):
        await exchange(authorized(app, broken), http_scope())
    assert app.scopes == []


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"",), id="an empty body"),
        pytest.param((b"1234567890",), id="a body at the limit"),
        pytest.param((b"123", b"", b"456"), id="a body in pieces"),
    ],
)
async def test_a_body_goes_along(pieces: tuple[bytes, ...]) -> None:
    """A body within the limit is sent along whole, with its length, and reaches the app all the same."""
    service, app = Service(), Echo()
    await exchange(authorized(app, service, max_body=10), http_scope(method="POST"), *pieces)
    body = b"".join(pieces)
    assert service.questions == [body] and app.bodies == [body]
    assert (b"content-length", str(len(body)).encode()) in service.scope["headers"]


async def test_a_body_that_is_too_long() -> None:
    """A body over the limit is 413, as soon as it is, and nobody is asked."""
    service, app = Service(), Echo()
    async with Driver(authorized(app, service, max_body=10), http_scope(method="POST")) as driver:
        driver.feed(b"12345678901", more=True)
        await driver.end()
    assert driver.sent[0]["status"] == 413
    assert json_error(driver.sent[1]["body"])["type"] == "request_too_large"
    assert service.scopes == [] and app.bodies == []


async def test_a_long_body_streams_to_the_app() -> None:
    """Without forwarding, a body of any length goes to the app piece by piece, after the permission."""
    pieces: list[Message] = []

    @app_of
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            pieces.append(await receive())

    async with Driver(authorized(app, Service()), http_scope(method="POST")) as driver:
        for number in range(3):
            driver.feed(b"x" * 70000, more=True)
            await driver.until(lambda number=number: driver.asked == number + 2)
    assert [len(each["body"]) for each in pieces] == [70000] * 3


@pytest.mark.parametrize("max_body", [0, 10])
async def test_a_client_that_leaves_while_the_service_thinks(max_body: int) -> None:
    """The service sees the client leave, and nobody is answered."""
    thinking = asyncio.Event()

    @app_of
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        thinking.set()
        assert (await receive())["type"] == "http.disconnect"
        raise ClientDisconnected("left")

    app = Inner()
    async with Driver(authorized(app, slow, max_body=max_body), http_scope(method="POST")) as driver:
        driver.feed(b"body")
        await thinking.wait()
        driver.disconnect()
        with pytest.raises(ClientDisconnected):
            await driver.end()
    assert driver.sent == [] and app.scopes == []


async def test_a_client_that_sends_while_the_service_thinks() -> None:
    """What is read on the way to the client's departure is not lost, and no more is read than may be kept."""
    may_answer = asyncio.Event()

    @app_of
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        watching = asyncio.ensure_future(receive())
        await may_answer.wait()
        watching.cancel()
        await Service()(scope, receive_nothing, send)

    app = Echo()
    async with Driver(authorized(app, slow), http_scope(method="POST")) as driver:
        driver.feed(b"a" * 40000, more=True)
        driver.feed(b"b" * 40000, more=True)
        await driver.until(lambda: driver.asked == 2)
        driver.feed(b"c" * 40000)
        may_answer.set()
        await driver.end()
    assert app.bodies == [b"a" * 40000 + b"b" * 40000 + b"c" * 40000]


async def receive_nothing() -> Message:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def test_a_client_that_leaves_within_the_body() -> None:
    """A body that breaks off is nobody's question."""
    service = Service()
    async with Driver(authorized(Inner(), service, max_body=10), http_scope(method="POST")) as driver:
        driver.feed(b"half", more=True)
        driver.disconnect()
        with pytest.raises(ClientDisconnected):
            await driver.end()
    assert service.scopes == []


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """Scopes of other types pass untouched, and nobody is asked."""
    inner, service, given = Inner(), Service(), {"type": kind}
    async with Driver(authorized(inner, service), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given
    assert service.scopes == []


@pytest.mark.parametrize("path", ["auth", "/a b", "/a?b"])
async def test_a_prefix_that_is_none_is_refused(path: str) -> None:
    """What cannot stand in a path is refused at construction."""
    with pytest.raises(ConfigurationError):
        authorized(Inner(), Service(), path=path)


async def test_closing() -> None:
    """Closing goes on to the app and to the service."""
    closed: list[str] = []

    class Closable(Inner):
        async def aclose(self) -> None:
            closed.append("app")

    await authorized(Closable(), Closable()).aclose()
    assert closed == ["app", "app"]
