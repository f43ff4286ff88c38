"""What SIGTERM and a reload find under way: uploads, requests that wait for a connection, WebSockets (F42, F45)."""

import http.client
import signal
import socket
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from run.gateway_run import (
    Answering,
    NamedServer,
    backend,
    backend_at,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    route,
    running,
    served,
)
from websocket.websocket_provider import Provider


class Counting(Answering):
    """Answers with how many bytes came."""

    def do_POST(self) -> None:  # noqa: N802 - the name that the base class calls
        assert isinstance(self.server, CountingServer)
        self.server.begun = True
        self.answer(str(len(self.rfile.read(int(self.headers["content-length"])))).encode())


class CountingServer(ThreadingHTTPServer):
    """``begun``: whether a request has come."""

    begun = False


def test_an_upload_under_way_is_finished(folder: Path) -> None:
    """Half of it has come before SIGTERM, the other half comes after it."""
    port = free_port()
    with CountingServer(("127.0.0.1", 0), Counting) as server, served(server):
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", server)))
        with running(folder) as process, socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 200000\r\n\r\n" + bytes(100_000))
            eventually(lambda: server.begun, 10)
            process.process.send_signal(signal.SIGTERM)
            process.wait_for("a second signal ends it at once")
            client.sendall(bytes(100_000))
            assert answer_on(client) == (200, b"200000")
            assert process.ended()[0] == 0


def asked(port: int, path: str) -> socket.socket:
    """A request, as soon as the gateway has read it."""
    client = socket.create_connection(("127.0.0.1", port), 10)
    client.sendall(b"GET %b HTTP/1.1\r\nHost: gateway\r\n\r\n" % path.encode())
    here = f"{client.getpeername()[1]:04X}", f"{client.getsockname()[1]:04X}"
    eventually(lambda: _unread(*here) == 0, 10)
    return client


def _unread(local: str, remote: str) -> int | None:
    """What has come to a connection of this machine and was not read (proc_net_tcp)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if here.endswith(local) and there.endswith(remote):
            return int(queues.partition(":")[2], 16)
    return None


def answer_on(client: socket.socket) -> tuple[int, bytes]:
    """Status and body."""
    with client:
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status, answer.read()


def held_up(port: int, server: NamedServer) -> list[socket.socket]:
    """A request that has the only connection, and three that wait for it."""
    first = asked(port, "/slow")
    assert server.waiting.wait(10)
    return [first, *(asked(port, "/") for _ in range(3))]


ONE = ("--upstream", "connections=1", "--upstream", "connect=20")


def test_who_waits_for_a_connection_has_his_answer_before_it_ends(folder: Path, one: NamedServer) -> None:
    """SIGTERM lets no new one in, and waits for those that wait."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, *ONE) as process:
        waiting = held_up(port, one)
        process.process.send_signal(signal.SIGTERM)
        process.wait_for("a second signal ends it at once")
        one.release.set()
        assert [answer_on(each) for each in waiting] == [(200, b"one")] * 4
        assert process.ended()[0] == 0


def test_who_waits_for_a_connection_has_his_answer_whatever_is_loaded_meanwhile(
    folder: Path, one: NamedServer, two: NamedServer
) -> None:
    """From where he was sent to; who comes after it goes elsewhere, at once."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, *ONE) as process:
        waiting = held_up(port, one)
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "c"), backend("c", two)))
        process.wait_for("reloaded")
        assert get(port, "/") == (200, "two")
        one.release.set()
        assert [answer_on(each) for each in waiting] == [(200, b"one")] * 4
        assert process.stop()[0] == 0


@pytest.mark.parametrize("serving_on", ["0", "1"])
def test_both_sides_of_a_websocket_are_told(folder: Path, serving_on: str) -> None:
    """Nobody knows when it would end by itself: 1012 to the client, who comes again elsewhere, 1001 to the upstream."""
    port = free_port()
    with Provider() as provider:
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend_at("b", provider.port)))
        with running(folder, "--pre-drain", serving_on) as process, connect(f"ws://127.0.0.1:{port}/ws/echo") as client:
            client.send("before")
            assert client.recv(10) == "before"
            begun = time.monotonic()
            process.process.send_signal(signal.SIGTERM)
            process.wait_for("a second signal ends it at once")
            if serving_on != "0":
                client.send("meanwhile")
                assert client.recv(10) == "meanwhile"
            with pytest.raises(ConnectionClosed) as ended:
                client.recv(10)
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1012
            assert provider.left().code == 1001
            assert process.ended()[0] == 0
            assert float(serving_on) <= time.monotonic() - begun < float(serving_on) + 15
