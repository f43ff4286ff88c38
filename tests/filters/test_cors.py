"""CORS: who is answered what, before and after, with and without credentials."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway_filters.asgi import chain
from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import CORS
from gateway_filters.message.head import Reply, RequestHead, ResponseHead
from gateway_filters.message.headers import Headers

ORIGIN = b"https://app.example"
VARY = (b"vary", b"Origin")


def _request(origin: bytes | None = ORIGIN) -> RequestHead:
    headers = () if origin is None else ((b"origin", origin),)
    return RequestHead(b"POST", b"/v1", authority=b"h", headers=headers)


def _preflight(origin: bytes = ORIGIN, *more: tuple[bytes, bytes], method: bytes = b"PUT") -> RequestHead:
    headers = ((b"origin", origin), (b"access-control-request-method", method), *more)
    return RequestHead(b"OPTIONS", b"/v1", authority=b"h", headers=headers)


def _answered(cors: CORS, preflight: RequestHead) -> dict[bytes, bytes]:
    """The CORS headers of the answer to a preflight, without their common prefix."""
    reply = cors.on_request(preflight)
    assert isinstance(reply, Reply) and reply.head.status == 204 and reply.body == b""
    assert reply.head.values(b"vary") == (b"Origin",)
    return _cors(reply.head.headers)


def _cors(headers: Headers) -> dict[bytes, bytes]:
    ours = [(name, value) for name, value in headers if name.startswith(b"access-control-")]
    assert len(dict(ours)) == len(ours)
    return {name.removeprefix(b"access-control-"): value for name, value in ours}


@pytest.mark.parametrize(
    ("allowed", "origin", "granted"),
    [
        pytest.param("*", b"https://any.example:81", True, id="a star alone is every origin"),
        pytest.param("*", b"null", True, id="a star alone is the null origin too"),
        pytest.param("*", b"chrome-extension://abc", True, id="a star alone is every scheme"),
        pytest.param("*", b"https://[::1]:8443", True, id="a star alone is every address"),
        pytest.param("*", b"any", False, id="a star alone is no word that is no origin"),
        pytest.param("https://*", b"null", False, id="the null origin has no scheme"),
        pytest.param("https://a.example", b"https://a.example", True, id="the same origin"),
        pytest.param("https://A.Example", b"https://a.example", True, id="letters' case does not count"),
        pytest.param("https://a.example", b"http://a.example", False, id="another scheme"),
        pytest.param("https://a.example", b"https://b.example", False, id="another host"),
        pytest.param("https://a.example", b"https://x.a.example", False, id="a host below"),
        pytest.param("https://a.example", b"https://a.example.evil", False, id="a host that only begins alike"),
        pytest.param("https://a.example", b"https://a.example:443", True, id="443 is the port of https"),
        pytest.param("https://a.example:443", b"https://a.example", True, id="443 need not be said"),
        pytest.param("http://a.example:80", b"http://a.example", True, id="80 need not be said"),
        pytest.param("http://a.example", b"http://a.example:80", True, id="80 is the port of http"),
        pytest.param("https://a.example", b"https://a.example:8443", False, id="another port"),
        pytest.param("https://a.example:8443", b"https://a.example:8443", True, id="the same port"),
        pytest.param("https://a.example:8443", b"https://a.example", False, id="the port left out"),
        pytest.param("https://*.bar.com", b"https://a.bar.com", True, id="one label left of the dot"),
        pytest.param("https://*.bar.com", b"https://a.b.bar.com", True, id="two labels left of the dot"),
        pytest.param("https://*.bar.com", b"https://bar.com", False, id="no label left of the dot"),
        pytest.param("https://*.bar.com", b"https://.bar.com", False, id="an empty label left of the dot"),
        pytest.param("https://*.bar.com", b"https://xbar.com", False, id="the wildcard ends at its dot"),
        pytest.param("https://*.bar.com", b"https://a.bar.com:81", False, id="a wildcard has a port too"),
        pytest.param("https://*.bar.com:81", b"https://a.bar.com:81", True, id="a wildcard and its port"),
        pytest.param("https://*", b"https://any.example", True, id="every host of a scheme"),
        pytest.param("https://*", b"http://any.example", False, id="every host of another scheme"),
        pytest.param("http://*:3000", b"http://localhost:3000", True, id="every host at a port"),
        pytest.param("https://*:*", b"https://any.example:8443", True, id="every host at every port"),
        pytest.param("https://*:*", b"https://any.example", True, id="every port is the scheme's own too"),
        pytest.param("https://*:*", b"http://any.example", False, id="every port of another scheme"),
        pytest.param("moz-extension://a-b", b"moz-extension://a-b", True, id="a scheme without a port"),
        pytest.param("moz-extension://a-b", b"moz-extension://a-b:1", False, id="a port where none belongs"),
        pytest.param("foo://*.a_b.c:80", b"foo://x.a_b.c:80", True, id="another scheme with a wildcard and a port"),
        pytest.param("https://a.example", b"https://a.example/", False, id="a path is no part of an origin"),
        pytest.param("https://a.example", b"https://a.example:99999999", False, id="a port that is none"),
        pytest.param("https://*", b"https://u@a.example", False, id="a user is no part of an origin"),
        pytest.param("https://*", b"", False, id="an empty origin"),
    ],
)
@pytest.mark.parametrize("credentials", [False, True])
def test_origins(allowed: str, origin: bytes, granted: bool, credentials: bool) -> None:
    """An allowed origin is echoed on preflights and answers; any other sees no CORS header, but an answer."""
    cors = CORS(allow_origins=(allowed,), allow_credentials=credentials)
    expected = origin if granted else None
    assert _answered(cors, _preflight(origin)).get(b"allow-origin") == expected
    answer = cors.on_response(ResponseHead(200), _request(origin))
    assert _cors(answer.headers).get(b"allow-origin") == expected
    if not granted:
        assert answer.headers == (VARY,)
        assert cors.on_request(_preflight(origin)) == Reply(204, (VARY,))


def test_any_of_several_origins() -> None:
    """Each origin of the list is allowed, and the answer names the one that asks."""
    cors = CORS(allow_origins=("https://a.example", "http://*.b.example:81"))
    for origin in (b"https://a.example", b"http://x.b.example:81"):
        assert _answered(cors, _preflight(origin))[b"allow-origin"] == origin
    assert _answered(CORS(), _preflight()) == {}


def test_two_origins_are_none() -> None:
    """A request has one origin; with two nobody could say which one asks."""
    request = RequestHead(b"GET", b"/", headers=((b"origin", ORIGIN), (b"origin", b"https://evil.example")))
    assert CORS(allow_origins=("*",)).on_response(ResponseHead(200), request).headers == (VARY,)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(_request(), id="a request with an origin"),
        pytest.param(_request(None), id="a request without one"),
        pytest.param(RequestHead(b"OPTIONS", b"/"), id="a plain OPTIONS"),
        pytest.param(
            RequestHead(b"OPTIONS", b"/", headers=((b"origin", ORIGIN),)), id="OPTIONS that asks for no method"
        ),
        pytest.param(
            RequestHead(b"OPTIONS", b"/", headers=((b"access-control-request-method", b"PUT"),)),
            id="OPTIONS that has no origin",
        ),
        pytest.param(
            RequestHead(b"GET", b"/", headers=((b"origin", ORIGIN), (b"access-control-request-method", b"PUT"))),
            id="a GET that asks for a method",
        ),
    ],
)
def test_only_preflights_are_answered(head: RequestHead) -> None:
    """Preflight means OPTIONS, Origin and Access-Control-Request-Method; all else goes on as it is."""
    assert CORS(allow_origins=("https://a.example",)).on_request(head) is head


@pytest.mark.parametrize(
    ("cors", "told"),
    [
        pytest.param(CORS(allow_origins=("*",)), {b"max-age": b"5"}, id="by default five seconds and nothing else"),
        pytest.param(CORS(allow_origins=("*",), max_age=600), {b"max-age": b"600"}, id="a max age"),
        pytest.param(CORS(allow_origins=("*",), max_age=0), {b"max-age": b"0"}, id="no time at all"),
        pytest.param(CORS(allow_origins=("*",), max_age=None), {}, id="nothing of the age"),
        pytest.param(
            CORS(allow_origins=("*",), allow_credentials=True),
            {b"allow-credentials": b"true", b"max-age": b"5"},
            id="credentials",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_methods=("GET", "PUT")),
            {b"allow-methods": b"GET, PUT", b"max-age": b"5"},
            id="methods as listed",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_methods=("*",)),
            {b"allow-methods": b"*", b"max-age": b"5"},
            id="every method",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_methods=("*",), allow_credentials=True),
            {b"allow-credentials": b"true", b"allow-methods": b"PUT", b"max-age": b"5"},
            id="every method with credentials is the one asked for",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_methods=("GET",), allow_credentials=True),
            {b"allow-credentials": b"true", b"allow-methods": b"GET", b"max-age": b"5"},
            id="methods as listed with credentials",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_headers=("X-A", "authorization")),
            {b"allow-headers": b"X-A, authorization", b"max-age": b"5"},
            id="headers as listed",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_headers=("*",)),
            {b"allow-headers": b"*", b"max-age": b"5"},
            id="every header",
        ),
        pytest.param(
            CORS(allow_origins=("*",), allow_headers=("*",), allow_credentials=True),
            {b"allow-credentials": b"true", b"allow-headers": b"x-a,x-b", b"max-age": b"5"},
            id="every header with credentials is those asked for",
        ),
        pytest.param(
            CORS(allow_origins=("*",), expose_headers=("X-Id", "X-Cost")),
            {b"expose-headers": b"X-Id, X-Cost", b"max-age": b"5"},
            id="exposed headers are told on preflights too",
        ),
        pytest.param(
            CORS(allow_origins=("*",), expose_headers=("*",)),
            {b"expose-headers": b"*", b"max-age": b"5"},
            id="every header exposed",
        ),
        pytest.param(
            CORS(allow_origins=("*",), expose_headers=("*", "X-Id"), allow_credentials=True),
            {b"allow-credentials": b"true", b"expose-headers": b"X-Id", b"max-age": b"5"},
            id="no star is exposed with credentials",
        ),
        pytest.param(
            CORS(allow_origins=("*",), expose_headers=("*",), allow_credentials=True),
            {b"allow-credentials": b"true", b"max-age": b"5"},
            id="a star alone exposes nothing with credentials",
        ),
    ],
)
def test_what_a_preflight_is_told(cors: CORS, told: dict[bytes, bytes]) -> None:
    """Gateway API's rules for each list; answers to other requests have only what concerns them."""
    preflight = _preflight(ORIGIN, (b"access-control-request-headers", b"x-a,x-b"))
    assert _answered(cors, preflight) == {b"allow-origin": ORIGIN, **told}
    actual = {b"allow-origin", b"allow-credentials", b"expose-headers"}
    answer = _cors(cors.on_response(ResponseHead(200), _request()).headers)
    assert answer == {b"allow-origin": ORIGIN} | {name: told[name] for name in actual & told.keys()}


@pytest.mark.parametrize(
    "asked",
    [(), (b"",), (b"x-a y",), (b"x-a\r\nset-cookie: a",), (b"*, (",), (b"x" + b"\xe9",)],
    ids=["nothing", "an empty list", "a blank", "a line end", "no name", "beyond ASCII"],
)
def test_only_names_are_echoed(asked: tuple[bytes, ...]) -> None:
    """With credentials and a star what was asked is echoed when it is names, and left out otherwise."""
    cors = CORS(allow_origins=("*",), allow_headers=("*",), allow_methods=("*",), allow_credentials=True)
    lines = tuple((b"access-control-request-headers", value) for value in asked)
    assert b"allow-headers" not in _answered(cors, _preflight(ORIGIN, *lines))
    assert b"allow-methods" not in _answered(cors, _preflight(method=b"PUT x"))
    two = ((b"access-control-request-headers", b"x-a"), (b"access-control-request-headers", b"x-b"))
    assert _answered(cors, _preflight(ORIGIN, *two))[b"allow-headers"] == b"x-a, x-b"


@pytest.mark.parametrize("origin", [ORIGIN, b"https://evil.example", None], ids=["allowed", "not allowed", "none"])
def test_the_backend_has_no_say(origin: bytes | None) -> None:
    """CORS headers of the backend never reach the client; its other headers do, in order."""
    backend = ResponseHead(
        200,
        (
            (b"access-control-allow-origin", b"*"),
            (b"set-cookie", b"a=1"),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-allow-methods", b"GET"),
            (b"access-control-allow-headers", b"*"),
            (b"access-control-expose-headers", b"*"),
            (b"access-control-max-age", b"86400"),
            (b"access-control-allow-private-network", b"true"),
            (b"set-cookie", b"b=2"),
        ),
    )
    cors = CORS(allow_origins=("https://app.example",))
    granted = ((b"access-control-allow-origin", ORIGIN),) if origin == ORIGIN else ()
    kept = ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
    assert cors.on_response(backend, _request(origin)) == ResponseHead(200, (*kept, *granted, VARY))


@pytest.mark.parametrize(
    ("vary", "after"),
    [
        pytest.param((), (b"Origin",), id="none becomes Origin"),
        pytest.param((b"Accept",), (b"Accept", b"Origin"), id="another one gets company"),
        pytest.param((b"Accept, origin",), (b"Accept, origin",), id="Origin among others is enough"),
        pytest.param((b"Accept", b"ORIGIN"), (b"Accept", b"ORIGIN"), id="Origin on a line of its own is enough"),
        pytest.param((b"*",), (b"*",), id="a star covers Origin"),
        pytest.param((b"X-Origin",), (b"X-Origin", b"Origin"), id="another name that ends alike does not"),
    ],
)
def test_answers_vary_with_origin(vary: tuple[bytes, ...], after: tuple[bytes, ...]) -> None:
    """Caches are told once that the answer depends on the origin, also where none was sent."""
    head = ResponseHead(200, tuple((b"vary", value) for value in vary))
    assert CORS(allow_origins=("*",)).on_response(head, _request(None)).values(b"vary") == after


async def test_a_preflight_in_the_shell_is_never_forwarded() -> None:
    """The shell passes the preflight's answer through ``on_response``: it comes out once, and complete."""
    cors, preflight = CORS(allow_origins=("https://app.example",), allow_methods=("PUT",)), _preflight()
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("forwarded")

    async def receive() -> Message:
        raise AssertionError("read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "OPTIONS", "path": "/v1", "headers": list(preflight.headers)}
    await chain(app, cors)(scope, receive, send)
    reply = cors.on_request(preflight)
    assert isinstance(reply, Reply)
    assert sent[0]["status"] == 204
    assert sorted(sent[0]["headers"]) == sorted(reply.head.headers)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"allow_origins": ("*", "https://a")}, "allowed origins", id="a star among origins"),
        pytest.param({"allow_methods": ("GET", "*")}, "allowed methods", id="a star among methods"),
        pytest.param({"allow_headers": ("*", "x")}, "allowed headers", id="a star among headers"),
        pytest.param({"allow_origins": ("1ftp://a",)}, "ftp", id="a scheme that is none"),
        pytest.param({"allow_origins": ("http://a:80:*",)}, "http", id="two ports"),
        pytest.param({"allow_origins": ("a.example",)}, "a.example", id="no scheme"),
        pytest.param({"allow_origins": ("https://a.*.b",)}, "https", id="a star inside"),
        pytest.param({"allow_origins": ("https://a*.b",)}, "https", id="a star in a label"),
        pytest.param({"allow_origins": ("https://a/",)}, "https", id="a path"),
        pytest.param({"allow_origins": ("https://a:0",)}, "https", id="port 0"),
        pytest.param({"allow_origins": ("https://a:65536",)}, "65536", id="a port beyond the last"),
        pytest.param({"allow_origins": ("null",)}, "null", id="the null origin"),
        pytest.param({"allow_methods": ("G T",)}, "allowed methods", id="a method that is none"),
        pytest.param({"allow_headers": ("x\r\ny",)}, "allowed headers", id="a header that is none"),
        pytest.param({"expose_headers": ("",)}, "exposed headers", id="an empty header"),
        pytest.param({"max_age": -1}, "max age -1", id="less than no time"),
        pytest.param({"max_age": 2**31}, "max age", id="more than the CRD's integer holds"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, tuple[str, ...]], named: str) -> None:
    """Arguments are checked when the filter is built."""
    with pytest.raises(ConfigurationError, match=named):
        CORS(**fields)  # pyright: ignore[reportArgumentType]


def test_cors_is_a_value() -> None:
    """Equal and hashed alike when built alike, also of lists; its text shows nothing derived."""
    one, other = CORS(allow_origins=("*",)), CORS(allow_origins=["*"])  # pyright: ignore[reportArgumentType]
    assert one == other and hash(one) == hash(other) and one != CORS()
    assert " _" not in repr(one)
