"""``gateway-filters run --http1 LIMIT=NUMBER``: each limit is met by a client that goes beyond it."""

import socket
from collections.abc import Iterator

import pytest

from gateway_filters.cli.limits import changed
from gateway_filters.http1.limits import Limits
from gateway_filters.http2 import Http2Limits
from run.gateway_run import NamedServer, backend, documents, free_port, gateway, get, route, running

HOST = b"Host: gateway\r\n"
SMALL = (
    *("head_seconds=0.4", "head_bytes=1000", "line_bytes=200", "fields=5", "body_idle=0.4", "body_bytes=100"),
    *("keep_alive=0.4", "connections_of_peer=3", "write_idle=5", "body_rate=1", "connections=100"),
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, one: NamedServer) -> Iterator[int]:
    """A gateway with limits that are easily met."""
    folder, port = tmp_path_factory.mktemp("limited"), free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, *(part for limit in SMALL for part in ("--http1", limit))):
        yield port


ROWS = [
    pytest.param(b"GET / HTTP/1.1\r\n" + HOST, b"408", id="a head that does not end: head_seconds"),
    pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 1000, b"431", id="a long head: head_bytes"),
    pytest.param(b"GET /" + b"x" * 300 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"414", id="a long target: line_bytes"),
    pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 6 + b"\r\n", b"431", id="many fields: fields"),
    pytest.param(
        b"GET /slow HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx", b"408", id="a body that stops: body_idle"
    ),
    pytest.param(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 101\r\n\r\n", b"413", id="a long body: body_bytes"),
    pytest.param(
        b"PUT / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101,
        b"413",
        id="a long body in chunks: body_bytes",
    ),
    pytest.param(b"", b"", id="nothing: keep_alive"),
]


@pytest.mark.parametrize(("sent", "status"), ROWS)
def test_a_limit_is_met(port: int, sent: bytes, status: bytes) -> None:
    """The answer says what it was, and the connection ends."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(sent)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
    assert answer[9:12] == status
    assert get(port, "/") == (200, "one")


def test_a_peer_has_so_many_connections(port: int) -> None:
    """One more is answered with 503."""
    clients = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(4)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    statuses = [client.recv(4096)[9:12] for client in clients]
    for client in clients:
        client.close()
    assert sorted(statuses) == [b"200", b"200", b"200", b"503"]


def test_every_limit_can_be_given() -> None:
    """Those that are off, too; nothing given, nothing changed."""
    given = [f"{name}=7" for name in Limits.__slots__]
    assert {getattr(changed(Limits, "--http1", given), name) for name in Limits.__slots__} == {7}
    assert changed(Limits, "--http1", []) == Limits()
    assert changed(Http2Limits, "--http2", []) == Http2Limits()
