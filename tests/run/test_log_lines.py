"""What clients send writes no line of the log, and nothing that a terminal obeys (T15)."""

import http.client
import re
import socket
from pathlib import Path

import pytest

from run.gateway_run import backend_at, documents, free_port, gateway, route, running

FORGED = b"forged 200 OK"
HOST = b"Host: gateway\r\n"
ROWS = [
    pytest.param(b"GET /dead/%0d%0a" + FORGED.replace(b" ", b"%20") + b" HTTP/1.1\r\n" + HOST, id="escaped line ends"),
    pytest.param(b"GET /dead?\x1b[2J" + b"forged HTTP/1.1\r\n" + HOST, id="an escape sequence in the query"),
    pytest.param(b"GET /dead\xe2\x80\xa8forged HTTP/1.1\r\n" + HOST, id="a line separator of Unicode in the path"),
    pytest.param(b"GET /dead HTTP/1.1\r\n" + HOST + b"X-A: a\xe2\x80\xa8" + FORGED + b"\r\n", id="one in a field"),
    pytest.param(b"GET /dead HTTP/1.1\r\n" + HOST + b"X-A: \x1b]0;" + FORGED + b"\x07\r\n", id="one to a terminal"),
    pytest.param(b"GET /dead HTTP/1.1\r\n" + HOST + b"X-A: a\n" + FORGED + b"\r\n", id="a bare line feed"),
    pytest.param(b"GET /dead HTTP/1.1\r\n" + HOST + b"forged\x1b: a\r\n", id="a name of a field"),
    pytest.param(b"GET /dead HTTP/1.1\r\nHost: forged\x85\x1b[31m\r\n", id="a Host"),
    pytest.param(b"FORGED\x1b[1m /dead HTTP/1.1\r\n" + HOST, id="a method"),
    pytest.param(b"POST /dead HTTP/1.1\r\n" + HOST + b"Content-Length: forged\x0b1\r\n", id="a length"),
    pytest.param(b"\x16\x03\x01\x1b[31mforged", id="no HTTP at all"),
]


@pytest.mark.parametrize("sent", ROWS)
def test_no_client_writes_into_the_log(log: "Log", sent: bytes) -> None:
    """Each line is one of ours, of printable characters, and repeats nothing."""
    with socket.create_connection(("127.0.0.1", log.port), 10) as client:
        client.sendall(sent + b"\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 ")


class Log:
    """A gateway before an upstream that is not there, whose every request is told in the log."""

    def __init__(self, port: int) -> None:
        self.port = port


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory):  # noqa: ANN201 - a fixture that looks when all is over
    """The gateway, and a look at all that it has said."""
    folder, port, nobody = tmp_path_factory.mktemp("log"), free_port(), free_port()
    there = backend_at("b", nobody)
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), there))
    with running(folder) as process:
        yield Log(port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=50)
        connection.request("GET", "/dead", headers={"Host": "gateway"})
        assert connection.getresponse().status == 503
        connection.close()
        _, said = process.stop()
    assert "503 upstream_unreachable" in said
    assert re.fullmatch(r"(?:[ -~]*\n)*", said), said
    assert "forged" not in said.lower()


def test_an_answer_that_breaks_off_is_one_line(folder: Path) -> None:
    """Which request, how far it came and why; no traceback of what was foreseen (F7)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = free_port()
        there = backend_at("b", server.getsockname()[1])
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), there))
        with running(folder) as process, socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
            upstream, _ = server.accept()
            with upstream:
                assert upstream.recv(4096)
                upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
                while not client.recv(4096).endswith(b"half"):
                    pass
            assert client.recv(4096) == b""
            _, said = process.stop()
    line = r"ERROR gateway_filters: an answer broke off after 4 bytes of its body: .* \[request [0-9a-f]{16}\]"
    assert [each for each in said.splitlines() if "broke off" in each and re.fullmatch(line, each)], said
    assert said.count("broke off") == 2 and "Traceback" not in said, said
