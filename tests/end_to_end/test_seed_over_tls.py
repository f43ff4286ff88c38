"""The seed's route over real sockets and real TLS: what reaches the provider, and what comes back."""

import gzip
import time

import pytest
from answers import answer, raw, refuse_early
from certificates import HOST
from gateway_process import CREDENTIAL, KEY, GatewayProcess
from provider import Provider
from raw_client import CHAT, ask

SENT_CREDENTIALS = [
    pytest.param((), id="a client without a credential"),
    pytest.param((("Authorization", "Bearer mine"),), id="a client with its own credential"),
    pytest.param((("authorization", "Bearer a"), ("AUTHORIZATION", "Basic b")), id="a client with two credentials"),
    pytest.param((("Connection", "authorization, host"),), id="a client that nominates Authorization for removal"),
]


@pytest.mark.parametrize("headers", SENT_CREDENTIALS)
def test_the_request_arrives_rewritten_with_the_one_credential(
    gateway: GatewayProcess, provider: Provider, headers: tuple[tuple[str, str], ...]
) -> None:
    """Path, Host, SNI and body are as the manifests say, and Authorization is the Secret's value alone."""
    assert ask(gateway.port, headers=headers).status == 200
    arrived = provider.only_exchange()
    assert (arrived.request.method, arrived.request.target) == (b"POST", b"/compatible-mode/v1/chat/completions")
    assert arrived.request.values(b"host") == [HOST.encode()]
    assert arrived.request.values(b"authorization") == [CREDENTIAL]
    assert arrived.wire.sni == HOST
    assert bytes(arrived.body) == CHAT


TARGETS = [
    pytest.param("/v1", "/compatible-mode/v1", id="the prefix itself"),
    pytest.param("/v1/", "/compatible-mode/v1/", id="the prefix with a slash"),
    pytest.param("/v1/models?limit=2&a=%20b&a=c", "/compatible-mode/v1/models?limit=2&a=%20b&a=c", id="a query"),
    pytest.param("/v1/models?", "/compatible-mode/v1/models", id="an empty query"),
    pytest.param("/v1/files/%e4%BD%a0", "/compatible-mode/v1/files/%e4%BD%a0", id="escapes in either case"),
    pytest.param("/v1/files/a%3Fb%25", "/compatible-mode/v1/files/a%3Fb%25", id="an escaped mark"),
    pytest.param("/v1/a:b@c;d=e,f!g$h&i'(j)*k+l~m", "/compatible-mode/v1/a:b@c;d=e,f!g$h&i'(j)*k+l~m", id="signs"),
]


@pytest.mark.parametrize(("sent", "arrived"), TARGETS)
def test_what_follows_the_prefix_arrives_byte_for_byte(
    gateway: GatewayProcess, provider: Provider, sent: str, arrived: str
) -> None:
    """Rewriting replaces the prefix and leaves every other byte of the target alone."""
    provider.script = answer(200)
    assert ask(gateway.port, sent, method="GET", body=b"").status == 200
    assert provider.only_exchange().request.target.decode() == arrived


UNMATCHED = [
    pytest.param("/v1beta", id="a longer first segment"),
    pytest.param("/v1beta/models", id="a longer first segment with more behind it"),
    pytest.param("/", id="the root"),
    pytest.param("/V1/models", id="the prefix in upper case"),
    pytest.param("/compatible-mode/v1/models", id="the provider's own path"),
]


@pytest.mark.parametrize("target", UNMATCHED)
def test_a_path_outside_the_prefix_stays_here(gateway: GatewayProcess, provider: Provider, target: str) -> None:
    """Paths that PathPrefix /v1 does not match are 404, and nothing is sent upstream."""
    assert ask(gateway.port, target).status == 404
    assert provider.exchanges == []


@pytest.mark.parametrize("target", ["/v1%2Fmodels", "/v1/..%2fadmin", "/v1/a%5Cb", "/v1/%00"])
def test_a_path_that_two_could_read_differently_is_refused(
    gateway: GatewayProcess, provider: Provider, target: str
) -> None:
    """Escaped slashes and backslashes, and NUL, are 400, and nothing is sent upstream."""
    assert ask(gateway.port, target).status == 400
    assert provider.exchanges == []


STATUSES = [200, 201, 400, 401, 404, 418, 429, 500, 503]


@pytest.mark.parametrize("status", STATUSES)
def test_status_headers_and_body_come_back_unchanged(gateway: GatewayProcess, provider: Provider, status: int) -> None:
    """The provider's status, duplicate headers in order and exact bytes are what the client gets."""
    body = bytes(range(256)) * 41
    headers = (("x-one", "1"), ("set-cookie", "a=1; Path=/"), ("x-two", "2"), ("set-cookie", "b=2"), ("x-one", "3"))
    provider.script = answer(status, body, *headers)
    came = ask(gateway.port)
    assert (came.status, came.body) == (status, body)
    assert came.values("set-cookie") == ["a=1; Path=/", "b=2"]
    assert came.values("x-one") == ["1", "3"]
    assert came.values("content-length") == [str(len(body))]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_comes_back_without_one(
    gateway: GatewayProcess, provider: Provider, status: int
) -> None:
    """204 and 304 pass with their headers and nothing behind them."""
    provider.script = answer(status, b"", ("etag", '"a"'))
    came = ask(gateway.port, method="GET", body=b"")
    assert (came.status, came.body, came.values("etag")) == (status, b"", ['"a"'])


def test_a_compressed_answer_is_not_touched(gateway: GatewayProcess, provider: Provider) -> None:
    """A gzip body arrives as the same compressed bytes, with its Content-Encoding."""
    body = gzip.compress(b"compressed " * 1000)
    provider.script = answer(200, body, ("content-encoding", "gzip"))
    came = ask(gateway.port, headers=[("Accept-Encoding", "gzip")])
    assert (came.body, came.values("content-encoding")) == (body, ["gzip"])
    assert provider.only_exchange().request.values(b"accept-encoding") == [b"gzip"]


def test_the_head_of_an_answer_is_asked_for_as_such(gateway: GatewayProcess, provider: Provider) -> None:
    """HEAD passes as HEAD, and the length in its answer announces no body."""
    provider.script = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    came = ask(gateway.port, "/v1/models", method="HEAD", body=b"")
    assert (came.status, came.body, came.values("content-length")) == (200, b"", ["1000"])
    assert provider.only_exchange().request.method == b"HEAD"


def test_an_answer_that_ends_with_its_connection_is_whole(gateway: GatewayProcess, provider: Provider) -> None:
    """A body framed by the connection's end alone arrives to its last byte."""
    provider.script = raw(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)
    assert ask(gateway.port).body == b"all of it"


def test_a_chunked_upload_stays_chunked(gateway: GatewayProcess, provider: Provider) -> None:
    """A body of unknown length is passed on as one, with the same content."""
    provider.script = answer(200)
    chunks = (b"5\r\nhello\r\n", b"7\r\n, world\r\n", b"0\r\n\r\n")
    assert ask(gateway.port, headers=[("Transfer-Encoding", "chunked")], body=chunks).status == 200
    arrived = provider.only_exchange()
    assert arrived.request.values(b"transfer-encoding") == [b"chunked"]
    assert arrived.request.values(b"content-length") == []
    assert bytes(arrived.body) == b"hello, world"


def test_a_refusal_that_comes_before_the_upload_is_over_is_passed_on(
    gateway: GatewayProcess, provider: Provider
) -> None:
    """An upstream that answers early, reads on and closes has its answer heard."""
    provider.script = refuse_early
    came = ask(gateway.port, body=bytes(3_000_000))
    assert (came.status, came.body) == (413, b"big")


def test_one_connection_serves_many_requests(gateway: GatewayProcess, provider: Provider) -> None:
    """Requests that follow each other share one connection to the provider and one handshake."""
    for _ in range(5):
        assert ask(gateway.port).status == 200
    assert len({id(each.wire) for each in provider.exchanges}) == 1


def test_a_connection_that_the_provider_has_closed_is_not_used_again(
    gateway: GatewayProcess, provider: Provider
) -> None:
    """After a whole answer the provider may hang up without a word; the next request has a new connection."""
    provider.script = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", close=True)
    for _ in range(3):
        assert ask(gateway.port).body == b"ok"
        time.sleep(0.02)
    assert len({id(each.wire) for each in provider.exchanges}) == 3


def test_what_follows_an_answer_is_not_the_next_answer(gateway: GatewayProcess, provider: Provider) -> None:
    """Bytes behind a whole answer spoil its connection; they are never given to the next client."""
    unasked = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nunasked"
    provider.script = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nasked" + unasked)
    assert [ask(gateway.port).body for _ in range(2)] == [b"asked", b"asked"]


def test_interim_answers_are_no_answers(gateway: GatewayProcess, provider: Provider) -> None:
    """100 and 103 before the answer are passed over, and the answer itself comes."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    provider.script = raw(interim + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    came = ask(gateway.port, headers=[("Expect", "100-continue")])
    assert (came.status, came.body, came.values("link")) == (200, b"ok", [])
    assert provider.only_exchange().request.values(b"expect") == []


def test_a_websocket_is_refused(gateway: GatewayProcess, provider: Provider) -> None:
    """The seed's route is for HTTP: an upgrade is refused, and nothing is sent upstream."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers = [*upgrade.items(), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    assert ask(gateway.port, "/v1/realtime", method="GET", headers=headers, body=b"").status == 403
    assert provider.exchanges == []


def test_the_most_talkative_log_does_not_hold_the_key(gateway: GatewayProcess, provider: Provider) -> None:
    """With every logger at its lowest level a request is told in full, except for the credential."""
    assert ask(gateway.port).status == 200
    assert provider.only_exchange().request.values(b"authorization") == [CREDENTIAL]
    told = gateway.stderr
    assert "TRACE" in told and "ASGI" in told
    assert KEY not in told
