"""asgi/filtered: the one shell that runs filters."""

import asyncio
import logging
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_driver import Driver, Inner, answer_of, app_of, exchange, http_scope, json_error, settled
from gateway_filters import (
    APIKeyAuth,
    BadRequest,
    BasicAuth,
    Client,
    CredentialInjection,
    DirectResponse,
    Filter,
    FilteredApp,
    GatewayFiltersError,
    InQuery,
    MissingSecret,
    Refusal,
    Reply,
    RequestHead,
    RequestHeaderModifier,
    ResponseHead,
    ResponseHeaderModifier,
    SecretUnavailable,
    chain,
)
from gateway_filters.errors import UpstreamBusy


@dataclass(frozen=True, slots=True)
class Noted(Filter):
    """Writes its name into a header, in both directions."""

    name: str
    seen: list[RequestHead] = field(default_factory=list[RequestHead], compare=False)

    def on_request(self, head: RequestHead) -> RequestHead:
        return head.with_headers((*head.headers, (b"x-request", self.name.encode())))

    def on_response(self, head: ResponseHead, request: RequestHead) -> ResponseHead:
        self.seen.append(request)
        return head.with_headers((*head.headers, (b"x-response", self.name.encode())))


@dataclass(frozen=True, slots=True)
class Refusing(Filter):
    """Raises what it is given."""

    error: Exception

    def on_request(self, head: RequestHead) -> RequestHead:
        raise self.error


async def test_order() -> None:
    """Requests pass the filters first to last, responses last to first."""
    inner = Inner()
    answer = await exchange(chain(inner, Noted("a"), Noted("b"), Noted("c")), http_scope())
    assert [value for name, value in inner.scope["headers"] if name == b"x-request"] == [b"a", b"b", b"c"]
    assert answer.values(b"x-response") == [b"c", b"b", b"a"]


async def test_a_response_filter_sees_the_request_as_it_came() -> None:
    """``on_response`` gets the head that the shell received, not what filters made of it."""
    noted = Noted("a")
    await exchange(chain(Inner(), noted, RequestHeaderModifier(set={"X": "1"})), http_scope("/v1?q"))
    assert noted.seen == [RequestHead(b"GET", b"/v1", authority=b"gateway.test", query=b"q")]


async def test_send_is_handed_on() -> None:
    """A shell without response filters hands ``send`` on as it is."""
    inner = Inner()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    await chain(inner, RequestHeaderModifier(set={"X": "1"}))(http_scope(), receive, send)
    assert inner.sends == [send]


async def test_an_unchanged_head_leaves_the_scope() -> None:
    """Filters that change nothing let the very scope pass."""
    inner = Inner()
    given = http_scope(headers=[(b"connection", b"close"), (b"host", b"a")])
    await exchange(chain(inner, ResponseHeaderModifier(set={"X": "1"})), given)
    assert inner.scopes[0] is given


@pytest.mark.parametrize(
    "filters",
    [
        pytest.param((), id="no filters"),
        pytest.param((RequestHeaderModifier(set={"X": "1"}),), id="a request filter"),
        pytest.param((ResponseHeaderModifier(set={"X": "1"}),), id="a response filter"),
    ],
)
async def test_streaming(filters: tuple[Filter, ...]) -> None:
    """Each piece of an answer goes out before the next one is made."""
    next_piece = asyncio.Event()

    @app_of
    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"data: 1\n\n", b"data: 2\n\n"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await next_piece.wait()
            next_piece.clear()
        await send({"type": "http.response.body", "body": b""})

    async with Driver(FilteredApp(streaming, filters), http_scope()) as driver:
        assert (await driver.next())["type"] == "http.response.start"
        assert (await driver.next())["body"] == b"data: 1\n\n"
        await settled()
        assert len(driver.sent) == 2
        next_piece.set()
        assert (await driver.next())["body"] == b"data: 2\n\n"
        next_piece.set()
        await driver.end()
    assert answer_of(driver.sent).body == b"data: 1\n\ndata: 2\n\n"


async def test_back_pressure() -> None:
    """While the client does not read, the app waits in ``send``, response filters or not."""
    made: list[int] = []

    @app_of
    async def eager(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for number in range(3):
            made.append(number)
            await send({"type": "http.response.body", "body": b"x", "more_body": number < 2})

    async with Driver(chain(eager, Noted("a")), http_scope()) as driver:
        driver.hold()
        await driver.next()
        await settled()
        assert made == []
        driver.release()
        await driver.end()
    assert made == [0, 1, 2]


async def test_duplicate_headers() -> None:
    """Two Set-Cookie headers survive response filters (RFC 9110 5.3: they cannot be joined)."""
    cookies = [(b"set-cookie", b"a=1"), (b"x", b"1"), (b"set-cookie", b"b=2")]
    answer = await exchange(chain(Inner(cookies), ResponseHeaderModifier(add={"X": "2"})), http_scope())
    assert answer.headers == [*cookies, (b"x", b"2")]


async def test_unknown_messages_pass() -> None:
    """Message types of ASGI extensions pass a response filter untouched, as does what a start carries more."""
    messages: list[Message] = [
        {"type": "http.response.early_hint", "links": [b"</a>"]},
        {"type": "http.response.start", "status": 200, "trailers": True},
        {"type": "http.response.pathsend", "path": "/a"},
        {"type": "http.response.trailers", "headers": [(b"a", b"b")]},
    ]

    @app_of
    async def extended(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async with Driver(chain(extended, Noted("a")), http_scope()) as driver:
        await driver.end()
    assert driver.sent == [
        messages[0],
        {"type": "http.response.start", "status": 200, "trailers": True, "headers": [(b"x-response", b"a")]},
        messages[2],
        messages[3],
    ]
    assert "headers" not in messages[1], "the app's own message was changed"


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_pass(kind: str) -> None:
    """Scopes that are no requests reach the app as the very objects, whatever the filters."""
    inner = Inner()
    given: Scope = {"type": kind, "path": "/", "headers": []}
    async with Driver(chain(inner, Noted("a"), Refusal("no")), given) as driver:
        await driver.end()
    assert inner.scopes[0] is given
    assert driver.sent == []


@pytest.mark.parametrize(
    ("reply", "status", "headers", "body"),
    [
        pytest.param(
            DirectResponse(200, "hello", "text/plain"),
            200,
            [(b"content-type", b"text/plain"), (b"content-length", b"5")],
            b"hello",
            id="a reply gets its length",
        ),
        pytest.param(DirectResponse(204), 204, [], b"", id="204 has no length (RFC 9110 8.6)"),
        pytest.param(DirectResponse(304), 304, [], b"", id="304 has no length of ours"),
        pytest.param(DirectResponse(503), 503, [(b"content-length", b"0")], b"", id="an empty body has length 0"),
    ],
)
async def test_reply(reply: Filter, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """A filter's reply is the answer; later filters and the app are not reached."""
    inner = Inner()
    answer = await exchange(chain(inner, reply, Refusal("never asked")), http_scope())
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)
    assert inner.scopes == []


async def test_a_length_of_the_replys_own() -> None:
    """A reply that says its length keeps it."""

    class Answering(Filter):
        def on_request(self, head: RequestHead) -> Reply:
            return Reply(200, ((b"content-length", b"2"),), b"ok")

    assert (await exchange(chain(Inner(), Answering()), http_scope())).values(b"content-length") == [b"2"]


async def test_a_reply_passes_the_response_filters() -> None:
    """Answers of the gateway itself pass the response filters too, as they do in Envoy."""
    answer = await exchange(chain(Inner(), Noted("a"), DirectResponse(200)), http_scope())
    assert answer.values(b"x-response") == [b"a"]


@pytest.mark.parametrize(
    ("error", "status", "kind", "level"),
    [
        pytest.param(BadRequest("tail"), 400, "invalid_request_error", logging.INFO, id="the client's fault"),
        pytest.param(SecretUnavailable("tail"), 503, "credential_unavailable", logging.ERROR, id="no credential"),
        pytest.param(UpstreamBusy("tail"), 503, "upstream_busy", logging.ERROR, id="the upstream's fault"),
        pytest.param(GatewayFiltersError("tail"), 500, "gateway_error", logging.ERROR, id="an error without a row"),
    ],
)
async def test_refusal(error: Exception, status: int, kind: str, level: int, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is answered as the table says, in the OpenAI error shape; its reason is for the log alone."""
    inner = Inner()
    with caplog.at_level(logging.INFO, "gateway_filters"):
        answer = await exchange(chain(inner, Refusing(error)), http_scope())
    problem = json_error(answer.body)
    assert (answer.status, problem["type"]) == (status, kind)
    assert problem.keys() == {"message", "type", "param", "code", "request_id"}
    assert (problem["param"], problem["code"]) == (None, None)
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"content-length") == [str(len(answer.body)).encode()]
    assert b"tail" not in answer.body
    (record,) = caplog.records
    assert record.levelno == level
    assert "tail" in record.getMessage()
    assert str(problem["request_id"]) in record.getMessage()
    assert inner.scopes == []


async def test_refusals_differ_in_their_id_only() -> None:
    """The words of a refusal are constant; a new request id tells one from another."""
    app = chain(Inner(), Refusal("a"))
    first, second = [json_error((await exchange(app, http_scope())).body) for _ in range(2)]
    assert first.pop("request_id") != second.pop("request_id")
    assert first == second


async def test_a_missing_secret_stops_the_request() -> None:
    """Without a credential no request goes on, and the client's own value does not either."""
    inner = Inner()
    app = chain(inner, CredentialInjection(MissingSecret("no secret a/b"), overwrite=True))
    answer = await exchange(app, http_scope(headers=[(b"authorization", b"client")]))
    assert answer.status == 503
    assert inner.scopes == []


async def test_an_unexpected_error_goes_on() -> None:
    """What no filter should raise is raised on: whoever is outside answers 500."""
    with pytest.raises(ZeroDivisionError):
        await exchange(chain(Inner(), Refusing(ZeroDivisionError())), http_scope())


async def test_prepare_comes_first() -> None:
    """All filters are prepared before the first one sees the request."""
    order: list[str] = []

    class Preparing(Filter):
        def __init__(self, name: str) -> None:
            self.name = name

        async def prepare(self, head: RequestHead) -> None:
            await asyncio.sleep(0)
            order.append(f"prepare {self.name} for {head.path.decode()}")

        def on_request(self, head: RequestHead) -> RequestHead:
            order.append(f"request {self.name}")
            return head

    await exchange(chain(Inner(), Preparing("a"), Preparing("b")), http_scope("/x"))
    assert order == ["prepare a for /x", "prepare b for /x", "request a", "request b"]


async def test_only_what_is_overridden_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods that a filter's class leaves as they are cost nothing: they are never called."""

    def refuse(*_: object) -> None:
        raise AssertionError("an identity method was called")

    app = chain(Inner(), RequestHeaderModifier(set={"X": "1"}), ResponseHeaderModifier(set={"X": "1"}))
    for method in ("prepare", "on_request", "on_response"):
        monkeypatch.setattr(Filter, method, refuse)
    assert (await exchange(app, http_scope())).status == 200


class Seeing(Filter):
    """Keeps the clients that it sees."""

    def __init__(self, sees_client: bool) -> None:
        self._sees_client = sees_client
        self.seen: list[Client | None] = []

    @property
    def sees_client(self) -> bool:
        return self._sees_client

    def on_request(self, head: RequestHead) -> RequestHead:
        self.seen.append(head.client)
        return head


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        pytest.param(("192.0.2.1", 5000), "192.0.2.1", id="IPv4"),
        pytest.param(("2001:db8::1", 5000), "2001:db8::1", id="IPv6"),
        pytest.param(("::ffff:192.0.2.1", 5000), "192.0.2.1", id="IPv4 at a socket for both"),
        pytest.param(("/run/socket", 0), None, id="a socket of this machine"),
        pytest.param(("testclient", 50000), None, id="a test client"),
        pytest.param(None, None, id="a server that does not say"),
    ],
)
async def test_a_filter_that_asks_sees_the_client(peer: tuple[str, int] | None, address: str | None) -> None:
    """The peer's address comes from the connection and never from a header."""
    seeing = Seeing(sees_client=True)
    headers = [(b"x-forwarded-for", b"10.0.0.1"), (b"forwarded", b"for=10.0.0.1")]
    await exchange(
        chain(Inner(), RequestHeaderModifier(set={"a": "b"}), seeing), http_scope(client=peer, headers=headers)
    )
    assert seeing.seen == [Client(None if address is None else ip_address(address))]


async def test_who_does_not_ask_sees_none() -> None:
    """To know the client costs, so it is not looked up for nobody."""
    seeing = Seeing(sees_client=False)
    await exchange(chain(Inner(), seeing), http_scope())
    assert seeing.seen == [None]


async def test_what_is_known_of_a_client_goes_on_to_shells_further_in() -> None:
    """A name that one shell has found out is known to the next one."""
    seeing = Seeing(sees_client=True)
    app = chain(chain(Inner(), seeing), APIKeyAuth({"alice": "k"}, (InQuery("key"),)))
    answer = await exchange(app, http_scope("/?key=k&a=1"))
    assert answer.status == 200
    assert seeing.seen[0] is not None and seeing.seen[0].name == "alice"


async def test_a_query_that_a_filter_changes_is_that_of_the_scope() -> None:
    """What is taken out of the query is gone from ``query_string`` too, and the outer scope keeps it."""
    inner = Inner()
    scope = http_scope("/?key=k&a=1")
    await exchange(chain(inner, APIKeyAuth({"alice": "k"}, (InQuery("key"),))), scope)
    assert inner.scope["query_string"] == b"a=1" and scope["query_string"] == b"key=k&a=1"


async def test_a_refusal_of_a_client_has_its_challenge() -> None:
    """401 in constant words, with the header that RFC 9110 15.5.2 asks for."""
    answers = [
        await exchange(chain(Inner(), BasicAuth({"a": "b"})), http_scope(headers=headers))
        for headers in ([], [(b"authorization", b"Basic eDp5")])
    ]
    for answer in answers:
        error = json_error(answer.body)
        assert (answer.status, error["type"]) == (401, "authentication_error")
        assert error["message"] == "The request is not authenticated."
        assert answer.values(b"www-authenticate") == [b'Basic realm="gateway", charset="UTF-8"']


def test_a_filter_called_with_an_app() -> None:
    """Calling a filter on an app gives the shell with that one filter."""
    inner: ASGIApp = Inner()
    a_filter = RequestHeaderModifier(set={"X": "1"})
    shell = a_filter(inner)
    assert isinstance(shell, FilteredApp)
    assert (shell.app, shell.filters) == (inner, (a_filter,))


async def test_the_upload_passes() -> None:
    """``receive`` is handed on: the app asks for the body piece by piece."""
    pieces: list[bytes] = []

    @app_of
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            pieces.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    await exchange(chain(reading, Noted("a")), http_scope(method="POST"), b"one", b"two")
    assert pieces == [b"one", b"two"]
