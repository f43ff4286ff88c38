"""upstream: what comes back from the provider, byte for byte."""

import gzip

import httpx
import pytest
from upstream_doubles import Pieces, Recording, Wire, WireTransport, streaming

from asgi_driver import Pairs, exchange, http_scope
from gateway_filters import Upstream


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            [(b"set-cookie", b"a=1"), (b"x", b"1"), (b"set-cookie", b"b=2")],
            [(b"set-cookie", b"a=1"), (b"x", b"1"), (b"set-cookie", b"b=2")],
            id="order and duplicates stay",
        ),
        pytest.param([(b"x", b"\xff\xe9")], [(b"x", b"\xff\xe9")], id="bytes of values stay"),
        pytest.param([(b"X-Mixed-Case", b"Yes")], [(b"x-mixed-case", b"Yes")], id="names are lower case, as ASGI asks"),
        pytest.param([(b"content-length", b"2")], [(b"content-length", b"2")], id="the length stays"),
        pytest.param([], [], id="nothing is invented"),
        pytest.param(
            [
                (b"connection", b"close"),
                (b"keep-alive", b"timeout=5"),
                (b"transfer-encoding", b"chunked"),
                (b"trailer", b"x"),
                (b"upgrade", b"h2c"),
                (b"proxy-connection", b"close"),
                (b"te", b"trailers"),
                (b"x", b"1"),
            ],
            [(b"x", b"1")],
            id="hop-by-hop headers stay there (RFC 9110 7.6.1)",
        ),
        pytest.param(
            [(b"connection", b"X-There"), (b"x-there", b"1"), (b"connection", b"y"), (b"y", b"1"), (b"x", b"1")],
            [(b"x", b"1")],
            id="what the response's Connection names stays there",
        ),
        pytest.param(
            [(b"Connection", b"X-There"), (b"X-There", b"1"), (b"x", b"1")],
            [(b"x", b"1")],
            id="what Connection names stays there, in any case",
        ),
        pytest.param(
            [(b"connection", b"content-length"), (b"content-length", b"2")],
            [(b"content-length", b"2")],
            id="Connection cannot name the length",
        ),
        pytest.param(
            [(b"content-length", b"9"), (b"transfer-encoding", b"chunked")],
            [],
            id="a length beside chunked is not that of the body (RFC 9112 6.3)",
        ),
        pytest.param(
            [(b"server", b"provider"), (b"date", b"x")], [(b"server", b"provider"), (b"date", b"x")], id="server"
        ),
    ],
)
async def test_headers(given: Pairs, expected: Pairs) -> None:
    """Headers come back as they are, without what concerns the upstream's connection alone."""
    transport = Recording(lambda: streaming(Pieces(b"ok", None), given))
    answer = await exchange(Upstream("http://provider.test", transport=transport), http_scope())
    assert (answer.headers, answer.body) == (expected, b"ok")


@pytest.mark.parametrize("status", [200, 201, 207, 301, 307, 308, 401, 404, 418, 429, 500, 503, 599])
async def test_status(status: int) -> None:
    """Any status comes back unchanged; redirects are not followed and errors not replaced."""
    transport = Recording(lambda: httpx.Response(status, headers={"location": "http://other.test/"}, content=b"body"))
    answer = await exchange(Upstream("http://provider.test", transport=transport), http_scope())
    assert (answer.status, answer.body) == (status, b"body")
    assert answer.values(b"location") == [b"http://other.test/"]
    assert len(transport.requests) == 1


async def test_a_coded_body() -> None:
    """A gzip body comes back as the very bytes, with its coding and its length."""
    coded = gzip.compress(b"text " * 1000)
    headers = [(b"content-encoding", b"gzip"), (b"content-length", str(len(coded)).encode())]
    transport = Recording(lambda: streaming(Pieces(coded[:9], coded[9:], None), headers))
    answer = await exchange(Upstream("http://provider.test", transport=transport), http_scope())
    assert (answer.headers, answer.body) == (headers, coded)


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [
        pytest.param("GET", 204, [], id="204 has none (RFC 9110 8.6)"),
        pytest.param("GET", 304, [], id="304 has none, since a server would wait for that body"),
        pytest.param("HEAD", 200, [b"1000"], id="HEAD keeps that of the body it does not have"),
    ],
)
async def test_length_without_a_body(method: str, status: int, length: list[bytes]) -> None:
    """Content-Length of an answer without a body: kept for HEAD only."""
    transport = Recording(lambda: httpx.Response(status, headers={"content-length": "1000"}, stream=Pieces(None)))
    answer = await exchange(Upstream("http://provider.test", transport=transport), http_scope(method=method))
    assert (answer.status, answer.values(b"content-length"), answer.body) == (status, length, b"")


@pytest.mark.parametrize(
    ("wire", "status", "headers", "body"),
    [
        pytest.param(
            [b"HTTP/1.1 200 Fine\r\nContent-Le", b"ngth: 5\r\nA: 1\r\na: 2\r\n\r\nhe", b"llo"],
            200,
            [(b"content-length", b"5"), (b"a", b"1"), (b"a", b"2")],
            b"hello",
            id="a length",
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"],
            200,
            [],
            b"hello",
            id="chunks",
        ),
        pytest.param(
            [b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo"], 200, [], b"hello", id="a body that ends with its connection"
        ),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"],
            404,
            [(b"content-length", b"0")],
            b"",
            id="an interim answer is not the answer",
        ),
        pytest.param([b"HTTP/1.1 204 No\r\n\r\n"], 204, [], b"", id="204"),
    ],
)
async def test_from_the_wire(wire: list[bytes], status: int, headers: Pairs, body: bytes) -> None:
    """What httpx's own transport reads comes back whole."""
    upstream = Upstream("http://provider.test", transport=WireTransport(Wire(*wire)))
    answer = await exchange(upstream, http_scope())
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)


async def test_empty_pieces_end_nothing() -> None:
    """An empty piece in the middle of a body does not end it."""
    transport = Recording(lambda: streaming(Pieces(b"a", b"", b"b", None)))
    answer = await exchange(Upstream("http://provider.test", transport=transport), http_scope())
    assert answer.body == b"ab"
