"""A network of its own (``unshare -n``), in which a gateway loses its clients or its ports; ``in_a_network`` runs it.

``python -m run.lost_network SCENARIO FOLDER`` is what runs there.
"""

import fcntl
import http.client
import os
import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from run.gateway_run import PATIENCE, backend, documents, eventually, free_port, gateway, route, running, upstream

_SIOCSIFFLAGS = 0x8914
_UP = 0x1


def in_a_network(scenario: str, folder: Path) -> subprocess.CompletedProcess[str] | None:
    """Run a scenario; None where no network can be made here."""
    own = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
    try:
        subprocess.run([*own, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    command = [*own, sys.executable, "-m", "run.lost_network", scenario, str(folder)]
    told = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=PATIENCE, check=False)


def loopback(*, up: bool) -> None:
    """Switch the only interface on or off; nobody is told, as when a cable is cut."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _UP if up else 0))


class Talker:
    """An upstream at a socket of the machine: events without end for ``/events``, nothing for anything else."""

    def __init__(self, path: Path) -> None:
        self.begun = self.ended = 0
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        talks = client.recv(4096).startswith(b"GET /events")
        self.begun += 1
        client.settimeout(0.05)
        if talks:
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            try:
                if talks:
                    client.sendall(b"9\r\ndata: x\n\n\r\n")
                if client.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.ended += 1


def clients_are_gone(folder: Path) -> None:
    """One reads events that are too small to fill a buffer, one waits for an answer that has not begun."""
    port, talker = free_port(), Talker(folder / "socket")
    kind = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: b}\n"
    endpoints = f"spec: {{endpoints: [{{unix: {{path: {folder / 'socket'}}}}}]}}\n"
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), kind + endpoints))
    limits = ("--http1", "write_idle=1", "--http2", "write_seconds=1", "--drain", "1")
    with running(manifests, *limits):
        reads, waits = (socket.create_connection(("127.0.0.1", port), 10) for _ in range(2))
        reads.sendall(b"GET /events HTTP/1.1\r\nHost: gateway\r\n\r\n")
        waits.sendall(b"GET /silent HTTP/1.1\r\nHost: gateway\r\n\r\n")
        eventually(lambda: talker.begun == 2, 10)
        while b"data: x" not in reads.recv(4096):
            pass
        loopback(up=False)
        eventually(lambda: talker.ended == 2, 10)
        loopback(up=True)


def ports_are_used_up(folder: Path) -> None:
    """Four ports, and six requests at a time to an upstream that holds them."""
    with upstream("one") as one, ThreadPoolExecutor(8) as clients:
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("50000 50003")
        (folder / "all.yaml").write_text(documents(gateway(40_000), route("r", "/", "b"), backend("b", one)))
        with running(folder) as process:
            slow = [clients.submit(_asked, number, "/slow") for number in range(6)]
            try:
                eventually(lambda: sum(each.done() for each in slow) == 2, 10)
            finally:
                one.release.set()
            statuses = sorted(each.result() for each in slow)
            assert statuses == [200, 200, 200, 200, 503, 503], statuses
            assert [_asked(number, "/") for number in range(6, 12)] == [200] * 6
            code, log = process.stop()
    assert code == 0
    assert log.count("503 upstream_unreachable") == 2
    assert "Cannot assign requested address" in log


def _asked(number: int, path: str) -> int:
    """The status for a client with a port that is none of the four."""
    here = ("127.0.0.1", 41_000 + number)
    connection = http.client.HTTPConnection("127.0.0.1", 40_000, timeout=PATIENCE, source_address=here)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


if __name__ == "__main__":
    loopback(up=True)
    {each.__name__: each for each in (clients_are_gone, ports_are_used_up)}[sys.argv[1]](Path(sys.argv[2]))
