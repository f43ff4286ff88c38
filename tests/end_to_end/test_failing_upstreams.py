"""Upstreams that fail: before the answer in constant words, after it has begun by breaking the connection."""

import json
from collections.abc import Iterator

import httpx
import pytest
from answers import ANSWER, begin_and_stall, chunk, die, event, hang_up, raw, stall, stream_head
from certificates import HOST, Certificates
from gateway_process import GatewayProcess
from provider import Provider, Script
from raw_client import Answer, ask, dial, read_to_end, read_until

FAILURES = {
    502: {"message": "The upstream's answer could not be understood.", "type": "upstream_malformed"},
    503: {"message": "The upstream could not be reached.", "type": "upstream_unreachable"},
    504: {"message": "The upstream did not answer in time.", "type": "upstream_timeout"},
}
_INTERNALS = (HOST, "127.0.0.1", "httpx", "httpcore", "Error", "Traceback", "sk-", "Bearer", "compatible-mode")


def _assert_failed(came: Answer, status: int) -> None:
    assert [each for each in _INTERNALS if each in came.body.decode()] == []
    assert (came.status, came.error()) == (status, {**FAILURES[status], "param": None, "code": None})
    assert came.values("content-type") == ["application/json"]


def test_a_refused_connection_is_503(gateway: GatewayProcess, provider: Provider, refused_port: int) -> None:
    """Nobody listens: 503, and the next request tries again."""
    gateway.send_to(refused_port)
    _assert_failed(ask(gateway.port), 503)
    gateway.send_to(provider.port)
    assert ask(gateway.port).status == 200


BEFORE_THE_ANSWER = [
    pytest.param(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True), 502, id="another protocol"),
    pytest.param(raw(b"\x00\xff" * 500, close=True), 502, id="binary rubbish"),
    pytest.param(raw(b"HTTP/1.1 abc OK\r\n\r\n", close=True), 502, id="a status that is no number"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", close=True), 502, id="a header without a colon"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", close=True), 502, id="a length that is none"),
    pytest.param(raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), 502, id="another protocol's turn"),
    pytest.param(hang_up(by="FIN"), 503, id="closed before the answer by FIN"),
    pytest.param(hang_up(by="close_notify"), 503, id="closed before the answer by close_notify"),
    pytest.param(hang_up(by="RST"), 503, id="closed before the answer by RST"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\ncontent-", close=True), 503, id="closed in the middle of the head"),
]


@pytest.mark.parametrize(("script", "status"), BEFORE_THE_ANSWER)
def test_a_failure_before_the_answer_is_told_in_constant_words(
    gateway: GatewayProcess, provider: Provider, script: Script, status: int
) -> None:
    """The client gets the table's status and words, and nothing of what happened inside."""
    provider.script = script
    _assert_failed(ask(gateway.port), status)
    assert len(provider.exchanges) == 1


@pytest.fixture(scope="module")
def hurried_process(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that waits no longer than moments: to connect, for the answer, between its pieces."""
    folder = tmp_path_factory.mktemp("hurried")
    with GatewayProcess(folder, certificates.system_cas, environment={"E2E_CLOCKS": "0.5 0.3 0.3"}) as gateway:
        yield gateway


@pytest.fixture
def hurried(hurried_process: GatewayProcess, provider: Provider) -> GatewayProcess:
    """The gateway with short clocks, leading to the provider."""
    hurried_process.send_to(provider.port)
    return hurried_process


def test_an_upstream_that_stalls_is_504(hurried: GatewayProcess, provider: Provider) -> None:
    """Without an answer in time the client is told so, and the upstream connection is given up."""
    provider.script = stall
    _assert_failed(ask(hurried.port), 504)


def test_an_upstream_that_stalls_in_its_handshake_is_504(hurried: GatewayProcess) -> None:
    """A server that accepts and says nothing in TLS runs into the clock for connecting."""
    with Provider(None, stall) as mute:
        mute.mute = True
        hurried.send_to(mute.port)
        _assert_failed(ask(hurried.port), 504)


def test_an_upstream_that_stalls_in_its_answer_breaks_the_clients_connection(
    hurried: GatewayProcess, provider: Provider
) -> None:
    """A silence inside the answer longer than the idle clock is no end of it."""
    provider.script = begin_and_stall(stream_head() + chunk(event({"number": 0})))
    with dial(hurried.port) as connection:
        received = read_to_end(connection)
    assert event({"number": 0}) in received
    assert not received.endswith(b"0\r\n\r\n")


_LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"
_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"half")
_HALF_A_CHUNK = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf"
_EVENTS = stream_head() + chunk(event({"number": "half"}))
_TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhalf"

DEATHS = [
    *(
        pytest.param(begin, by, id=f"{name}, by {by}")
        for name, begin in (
            ("a body with a length", _LENGTH),
            ("a chunked body", _CHUNKED),
            ("half a chunk", _HALF_A_CHUNK),
            ("events", _EVENTS),
        )
        for by in ("FIN", "close_notify", "RST")
    ),
    pytest.param(_TO_THE_END, "RST", id="a body that ends with its connection, by RST"),
    # RFC 9112 9.8: without close_notify nobody knows whether such a body is whole.
    pytest.param(_TO_THE_END, "FIN", id="a body that ends with its connection, by FIN without close_notify"),
]


@pytest.mark.parametrize(("begin", "by"), DEATHS)
def test_an_answer_that_breaks_off_never_looks_complete(
    gateway: GatewayProcess, provider: Provider, begin: bytes, by: str
) -> None:
    """The client's connection ends without a last chunk, or short of the length that was announced."""
    gate = provider.gate()
    provider.script = die(begin, gate, by=by)
    with dial(gateway.port) as connection:
        received = read_until(connection, b"half")
        gate.open()
        received += read_to_end(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    if b"content-length" in head.lower():
        assert (b"content-length: 1000" in head.lower(), len(body) < 1000) == (True, True)
    else:
        assert b"transfer-encoding: chunked" in head.lower()
        assert b"0\r\n\r\n" not in body


@pytest.mark.parametrize(("begin", "by"), DEATHS)
def test_a_client_library_raises_when_an_answer_breaks_off(
    gateway: GatewayProcess, provider: Provider, begin: bytes, by: str
) -> None:
    """What httpx makes of such an answer is an exception, not a short body."""
    gate = provider.gate()
    provider.script = die(begin, gate, by=by)
    url = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
    with httpx.Client() as client, client.stream("POST", url, json={"model": ANSWER}) as response:
        pieces = response.iter_raw()
        assert b"half" in next(pieces)
        gate.open()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            list(pieces)


def test_a_failure_has_an_id_that_the_log_knows(gateway: GatewayProcess, refused_port: int) -> None:
    """The reason stands in the log beside the id that the client was given."""
    gateway.send_to(refused_port)
    request_id = json.loads(ask(gateway.port).body)["error"]["request_id"]
    line = next(line for line in gateway.stderr.splitlines() if f"[request {request_id}]" in line)
    assert f"503 upstream_unreachable: https://{HOST}:443" in line
