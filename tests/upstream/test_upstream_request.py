"""upstream: what leaves for the provider, byte for byte."""

from typing import Any

import httpx
import pytest
import respx
from upstream_doubles import Recording, Wire, WireTransport

from asgi_driver import Driver, Pairs, exchange, http_scope, json_error
from gateway_filters import CredentialInjection, MemorySecret, ReplacePrefixMatch, Upstream, URLRewrite, chain

HOST = (b"host", b"gateway.test")
CHUNKED = (b"transfer-encoding", b"chunked")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def leaving(target: str = "/", *pieces: bytes, method: str = "GET", headers: Any = (HOST,)) -> Recording:
    """What a transport is given for a request."""
    transport = Recording()
    await exchange(
        Upstream("http://provider.test:8080", transport=transport),
        http_scope(target, method=method, headers=headers),
        *pieces,
    )
    return transport


TARGETS = [
    pytest.param("/%7Euser/%zz", id="escapes stay, needless and broken ones too"),
    pytest.param("/a/../b/./c//d", id="dot segments and double slashes stay"),
    pytest.param("/x?a=b&a=c%20&a", id="the query stays, duplicates and all"),
    pytest.param("/x?q=a+b;c=[d]&e=%2f%2F", id="the query is not re-quoted"),
    pytest.param("/a%2Fb%2f", id="an encoded slash stays, in its case"),
    pytest.param('/a"b|c', id="what httpx would quote stays"),
    pytest.param("//other.test/x", id="two slashes at the front name no host"),
    pytest.param("/:@!$&'()*+,;=", id="reserved characters stay"),
]


@pytest.mark.parametrize("target", TARGETS)
async def test_target(target: str) -> None:
    """The request target that a transport is given is the client's, byte for byte."""
    assert (await leaving(target)).target == target.encode()


@pytest.mark.parametrize("target", TARGETS)
async def test_target_on_the_wire(target: str) -> None:
    """httpx's own transport writes that target as it is."""
    wire = Wire(OK)
    await exchange(Upstream("http://provider.test", transport=WireTransport(wire)), http_scope(target))
    assert wire.written == f"GET {target} HTTP/1.1\r\nhost: gateway.test\r\n\r\n".encode()
    assert wire.connected == [("provider.test", 80)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            [(b"b", b"1"), HOST, (b"a", b"2"), (b"b", b"3")],
            [HOST, (b"b", b"1"), (b"a", b"2"), (b"b", b"3")],
            id="Host comes first, the others keep order and duplicates",
        ),
        pytest.param([HOST, (b"x", b"\xff\xe9 \t;,")], [HOST, (b"x", b"\xff\xe9 \t;,")], id="bytes of values stay"),
        pytest.param([HOST, (b"x", b"")], [HOST, (b"x", b"")], id="an empty value stays"),
        pytest.param([HOST], [HOST], id="nothing is invented: no User-Agent, Accept, Accept-Encoding, Connection"),
        pytest.param(
            [HOST, (b"cookie", b"a=1; b=2"), (b"cookie", b"c=3")],
            [HOST, (b"cookie", b"a=1; b=2"), (b"cookie", b"c=3")],
            id="cookies of the client's own pass",
        ),
        pytest.param(
            [
                HOST,
                (b"keep-alive", b"timeout=5"),
                (b"proxy-connection", b"keep-alive"),
                (b"te", b"trailers"),
                (b"trailer", b"x"),
                (b"upgrade", b"h2c"),
                (b"x", b"1"),
            ],
            [HOST, (b"x", b"1")],
            id="hop-by-hop headers stay here (RFC 9110 7.6.1)",
        ),
        pytest.param(
            [HOST, (b"connection", b"close, X-Here"), (b"x-here", b"1"), (b"x", b"1")],
            [HOST, (b"x", b"1")],
            id="what Connection names stays here",
        ),
        pytest.param([HOST, (b"x-unknown", b"x")], [HOST, (b"x-unknown", b"x")], id="an unknown header passes"),
    ],
)
async def test_headers(given: Pairs, expected: Pairs) -> None:
    """Headers leave as they came, without what concerns the client's connection alone."""
    assert (await leaving(headers=given)).headers == expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND", "get", "M-SEARCH"])
async def test_method(method: str) -> None:
    """The method is the client's, in its case (RFC 9110 9.1: methods are case-sensitive)."""
    assert (await leaving(method=method)).request.method == method


async def test_method_on_the_wire() -> None:
    """httpx's own transport writes the method as it is."""
    wire = Wire(OK)
    upstream = Upstream("http://provider.test", transport=WireTransport(wire))
    await exchange(upstream, http_scope(method="mErge"))
    assert wire.written.startswith(b"mErge / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("given", "pieces", "framing", "body"),
    [
        pytest.param([], [], [], [], id="no body, no framing"),
        pytest.param(
            [(b"content-length", b"5")],
            [b"he", b"llo"],
            [(b"content-length", b"5")],
            [b"he", b"llo"],
            id="a length stays",
        ),
        pytest.param([(b"content-length", b"0")], [], [(b"content-length", b"0")], [], id="the length 0 stays"),
        pytest.param([CHUNKED], [b"he", b"llo"], [CHUNKED], [b"he", b"llo"], id="chunked stays chunked"),
        pytest.param([(b"transfer-encoding", b"Chunked")], [b"a"], [CHUNKED], [b"a"], id="chunked in any case"),
        pytest.param([CHUNKED], [], [CHUNKED], [], id="an empty chunked body stays chunked"),
        pytest.param([], [b"a", b"b"], [CHUNKED], [b"a", b"b"], id="a body without framing (HTTP/2) is chunked"),
        pytest.param([], [b"", b"", b"b"], [CHUNKED], [b"b"], id="a body that begins with empty pieces is seen"),
        pytest.param([], [b"", b"", b""], [], [], id="empty pieces alone are no body"),
        pytest.param(
            [CHUNKED, (b"connection", b"transfer-encoding")],
            [b"a"],
            [CHUNKED],
            [b"a"],
            id="naming the framing in Connection does not remove the body",
        ),
    ],
)
async def test_framing(given: Pairs, pieces: list[bytes], framing: Pairs, body: list[bytes]) -> None:
    """A body leaves framed as the client had it, and no framing is invented for none."""
    transport = await leaving("/", *pieces, method="POST", headers=[HOST, *given])
    assert transport.headers == [HOST, *framing]
    assert transport.bodies == [body]


@pytest.mark.parametrize(
    ("framing", "pieces", "written"),
    [
        pytest.param([], [], b"\r\n\r\n", id="nothing after a head without a body"),
        pytest.param(
            [(b"content-length", b"5")], [b"he", b"llo"], b"\r\ncontent-length: 5\r\n\r\nhello", id="a length"
        ),
        pytest.param(
            [CHUNKED],
            [b"he", b"llo"],
            b"\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            id="chunks",
        ),
    ],
)
async def test_framing_on_the_wire(framing: Pairs, pieces: list[bytes], written: bytes) -> None:
    """httpx's own transport writes that framing and no other."""
    wire = Wire(OK)
    upstream = Upstream("http://provider.test", transport=WireTransport(wire))
    await exchange(upstream, http_scope(method="POST", headers=[HOST, *framing]), *pieces)
    assert wire.written == b"POST / HTTP/1.1\r\nhost: gateway.test" + written


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param([(b"content-length", b"3"), CHUNKED], id="a length and chunked"),
        pytest.param([(b"content-length", b"3"), (b"content-length", b"3")], id="two equal lengths"),
        pytest.param([(b"content-length", b"3"), (b"content-length", b"4")], id="two lengths"),
        pytest.param([(b"content-length", b"3, 3")], id="a list of lengths"),
        pytest.param([(b"content-length", b"-3")], id="a negative length"),
        pytest.param([(b"content-length", b"+3")], id="a signed length"),
        pytest.param([(b"content-length", b"0x3")], id="a hexadecimal length"),
        pytest.param([(b"content-length", b"")], id="an empty length"),
        pytest.param([(b"content-length", "٣".encode())], id="a digit that is not ASCII"),
        pytest.param([CHUNKED, CHUNKED], id="chunked twice"),
        pytest.param([(b"transfer-encoding", b"chunked, chunked")], id="chunked twice in one line"),
        pytest.param([(b"transfer-encoding", b"gzip, chunked")], id="a coding that would be lost on the way"),
        pytest.param([(b"transfer-encoding", b"identity")], id="an obsolete coding"),
        pytest.param([(b"transfer-encoding", b"\x0bchunked")], id="a coding with a control byte"),
        pytest.param([(b"transfer-encoding", b"xchunked")], id="an unknown coding"),
        pytest.param(
            [(b"content-length", b"3"), CHUNKED, (b"connection", b"transfer-encoding")],
            id="two framings, one of them named in Connection",
        ),
    ],
)
async def test_ambiguous_framing(framing: Pairs) -> None:
    """Framing that two parsers could read differently is 400, and nothing is sent (RFC 9112 6.1)."""
    transport = Recording()
    upstream = Upstream("http://provider.test", transport=transport)
    answer = await exchange(upstream, http_scope(method="POST", headers=[HOST, *framing]), b"abc")
    assert answer.status == 400
    assert json_error(answer.body)["type"] == "invalid_request_error"
    assert transport.requests == []


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("*", id="the asterisk form"),
        pytest.param("other.test:443", id="the authority form"),
        pytest.param("http://other.test/", id="the absolute form"),
        pytest.param("/é", id="bytes outside ASCII"),
    ],
)
async def test_a_target_that_is_no_path(target: str) -> None:
    """A target that is not in origin form is 400, and nothing is sent: no client steers where we connect."""
    transport = Recording()
    answer = await exchange(Upstream("http://provider.test", transport=transport), http_scope(target))
    assert answer.status == 400
    assert transport.requests == []


async def test_nothing_is_replayed() -> None:
    """There is no cookie jar: a Set-Cookie goes to the client it was for and to nobody else."""
    transport = Recording(lambda: httpx.Response(200, headers=[("set-cookie", "session=alice; Path=/")]))
    upstream = Upstream("https://provider.test", transport=transport)
    first = await exchange(upstream, http_scope())
    second = await exchange(upstream, http_scope())
    assert first.values(b"set-cookie") == second.values(b"set-cookie") == [b"session=alice; Path=/"]
    assert [list(each.headers.raw) for each in transport.requests] == [[HOST], [HOST]]


async def test_through_respx() -> None:
    """A respx router stands for the provider: it matches the URL and sees the request as it leaves."""
    router = respx.Router()
    route = router.post("https://provider.test/compatible-mode/v1/chat/completions", params={"stream": "1"}).respond(
        201, json={"id": "1"}, headers=[("x-request-id", "a")]
    )
    app = chain(
        Upstream("https://provider.test", transport=httpx.MockTransport(router.async_handler)),
        URLRewrite(hostname="provider.test", path=ReplacePrefixMatch("/v1", "/compatible-mode/v1")),
        CredentialInjection(MemorySecret("k", scheme="Bearer"), overwrite=True),
    )
    headers = [HOST, (b"content-length", b"2"), (b"authorization", b"client")]
    answer = await exchange(app, http_scope("/v1/chat/completions?stream=1", method="POST", headers=headers), b"{}")
    assert (answer.status, answer.body) == (201, b'{"id":"1"}')
    assert answer.values(b"x-request-id") == [b"a"]
    sent = route.calls.last.request
    assert list(sent.headers.raw) == [
        (b"host", b"provider.test"),
        (b"content-length", b"2"),
        (b"authorization", b"Bearer k"),
    ]
    assert sent.content == b"{}"
    assert sent.extensions["target"] == b"/compatible-mode/v1/chat/completions?stream=1"


async def test_respx_failures() -> None:
    """A failure that a respx route is told to have is answered like a real one."""
    router = respx.Router()
    router.get("https://provider.test/").mock(side_effect=httpx.ConnectError)
    upstream = Upstream("https://provider.test", transport=httpx.MockTransport(router.async_handler))
    assert (await exchange(upstream, http_scope())).status == 503


async def test_other_scopes() -> None:
    """A lifespan needs nothing."""
    upstream = Upstream("http://provider.test", transport=Recording())
    async with Driver(upstream, {"type": "lifespan"}) as driver:
        await driver.end()
    assert driver.sent == []


async def test_a_request_without_a_host() -> None:
    """No Host is invented; httpx's own transport then refuses to write the request, which is 400."""
    wire = Wire(OK)
    upstream = Upstream("http://provider.test", transport=WireTransport(wire))
    assert (await exchange(upstream, http_scope(headers=[]))).status == 400
    assert wire.written == b""
