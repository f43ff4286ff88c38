"""``gateway-filters run`` with little memory: what it may have is bounded for real, by the system."""

import contextlib
import resource
import socket
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from run.gateway_run import (
    Answering,
    RunningGateway,
    backend,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    route,
    running,
    served,
)

ROOM = 128 << 20
BODY = bytes(4 << 20)
SOON = 20.0


class _Generous(Answering):
    """Answers ``/much`` with more than anybody keeps, all else with a word."""

    def do_GET(self) -> None:  # noqa: N802 - the name that the base class calls
        body = BODY if self.path == "/much" else b"little"
        with contextlib.suppress(OSError):
            self.answer(body)


class _Server(ThreadingHTTPServer):
    """Its clients leave as they like."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """Manifests of a route to a generous upstream."""
    server = _Server(("127.0.0.1", 0), _Generous)
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", server)))
    with served(server):
        yield port


def leave_room(process: RunningGateway) -> None:
    """As ``ulimit -v`` would, but from what it has now."""
    has = int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(process.process.pid, resource.RLIMIT_AS, (has + ROOM, has + ROOM))


def ask_for_much(port: int) -> socket.socket:
    """A client that takes nothing of what it gets."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(SOON)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /much HTTP/1.1\r\nHost: gateway\r\n\r\n")
    return client


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others have no prlimit")
def test_requests_are_refused_before_memory_is_short(folder: Path, port: int) -> None:
    """With 503, and served again once those who took it have gone; nothing else fails."""
    with running(folder) as process, contextlib.ExitStack() as clients:
        assert get(port, "/") == (200, "little")
        leave_room(process)
        status = 200
        while status == 200:
            clients.enter_context(ask_for_much(port))
            status, _ = get(port, "/")
        assert status == 503
        process.wait_for("memory runs short")
        clients.close()
        process.wait_for("requests are served again")
        eventually(lambda: get(port, "/") == (200, "little"), SOON)
        code, log = process.stop()
    assert code == 0, log
    assert "Traceback" not in log
    assert "MemoryError" not in log
