"""``gateway-filters run --upstream LIMIT=NUMBER``: what is waited for, and whose turn it is (T47, F10, F13)."""

import http.client
import socket
import threading
import time
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path

from gateway_filters.cli.limits import UpstreamLimits, changed
from gateway_filters.upstream import Clocks
from run.gateway_run import (
    Answering,
    NamedServer,
    backend,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    route,
    running,
    served,
    upstream,
)


def test_the_first_byte_is_waited_for_so_long(folder: Path, one: NamedServer) -> None:
    """504, and the next request is none the worse."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, "--upstream", "first_byte=0.3") as process:
        assert get(port, "/slow")[0] == 504
        assert get(port, "/") == (200, "one")
        assert process.stop()[0] == 0


def test_an_endpoint_has_so_many_connections(folder: Path) -> None:
    """Who finds none free waits as long as connecting may take, and is then told to come back."""
    port = free_port()
    with upstream("one") as one:
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
        with running(folder, "--upstream", "connections=1", "--upstream", "connect=0.3") as process:
            slow = socket.create_connection(("127.0.0.1", port), 10)
            slow.sendall(b"GET /slow HTTP/1.1\r\nHost: gateway\r\n\r\n")
            assert one.waiting.wait(50)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=50)
            connection.request("GET", "/", headers={"Host": "gateway"})
            answer = connection.getresponse()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            one.release.set()
            assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
            slow.close()
            connection.close()
            assert process.stop()[0] == 0


class _Noting(Answering):
    """Notes the order of requests, and answers none before it may."""

    def do_GET(self) -> None:  # noqa: N802 - the name that the base class calls
        server = self.server
        assert isinstance(server, _Order)
        server.targets.append(self.path)
        server.go.wait(30)
        self.answer(b"")


class _Order(ThreadingHTTPServer):
    """An upstream that answers nothing until it may ``go``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Noting)
        self.name = "order"
        self.targets: list[str] = []
        self.go = threading.Event()


def test_addresses_take_turns(folder: Path) -> None:
    """Two hundred requests of one address do not stand before one of each of ten others, who came last."""
    port = free_port()
    server = _Order()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", server)))
    limits = ("--upstream", "connections=2", "--upstream", "connect=20")
    with served(server), ExitStack() as stack, running(folder, *limits) as process:

        def ask(address: str, target: str) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", port), 10, (address, 0))
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
            return stack.enter_context(client)

        clients = [ask("127.0.0.2", f"/greedy/{number}") for number in range(200)]
        eventually(lambda: len(server.targets) == 2, 10)
        clients += [ask(f"127.0.0.{number}", f"/other/{number}") for number in range(3, 13)]
        time.sleep(0.3)  # nobody but the gateway knows that they stand in its queue
        server.go.set()
        assert all(client.recv(4096).startswith(b"HTTP/1.1 200 ") for client in clients)
        others = [place for place, target in enumerate(server.targets) if target.startswith("/other/")]
        assert len(others) == 10 and max(others) < 30, server.targets
        stack.close()
        assert process.stop()[0] == 0


def test_each_can_be_given() -> None:
    """And nothing given is nothing changed."""
    given = changed(UpstreamLimits, "--upstream", ["connect=1", "first_byte=2", "idle=3", "connections=4"])
    assert (given.connect, given.first_byte, given.idle, given.connections) == (1, 2, 3, 4)
    none = changed(UpstreamLimits, "--upstream", [])
    assert (none.connect, none.first_byte, none.idle, none.connections) == (*_values(Clocks()), None)


def _values(clocks: Clocks) -> tuple[float, float, float]:
    return clocks.connect, clocks.first_byte, clocks.idle
