"""``gateway-filters run`` in trouble: no descriptors, no disk for its log, clients and processes that stand still."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from run.gateway_run import (
    NamedServer,
    RunningGateway,
    backend,
    backend_at,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    route,
    running,
    upstream,
)
from run.patient_upstream import PatientUpstream, patient
from tls_manifests import secret
from tls_peers import trusting

CA = trustme.CA()
HEAD = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"


def ready(folder: Path, server: NamedServer, *, tls: bool = False) -> int:
    """Manifests of a route to ``server``; gives the port."""
    port = free_port()
    listening = gateway(port)
    if tls:
        certificates = "protocol: HTTPS, tls: {certificateRefs: [{name: ours}]}"
        listening = documents(
            listening.replace("protocol: HTTP", certificates), secret("ours", CA.issue_cert("gateway"))
        )
    (folder / "all.yaml").write_text(documents(listening, route("r", "/", "b"), backend("b", server)))
    return port


def seconds_of(process: RunningGateway) -> float:
    """The CPU that a process has used."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(process: RunningGateway) -> int:
    """Its resident bytes."""
    return int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask(client: socket.socket) -> bytes:
    """The answer on a connection that is open, as far as it goes."""
    client.sendall(HEAD)
    answer = b""
    while not answer.endswith(b"\r\n\r\none"):
        answer += client.recv(4096) or b"\r\n\r\none"
    return answer


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "over TLS"])
def test_without_descriptors_those_inside_are_served_and_it_recovers(folder: Path, one: NamedServer, tls: bool) -> None:
    """More clients than the process may have sockets: no busy loop, no end, and room again once they have left."""
    port = ready(folder, one, tls=tls)
    with running(folder, before=("prlimit", "--nofile=48:48")) as process:
        with come_in(port, tls=tls) as inside:
            assert ask(inside).startswith(b"HTTP/1.1 200")
            outside = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(100)]
            time.sleep(0.3)
            begun = seconds_of(process)
            time.sleep(1)
            assert seconds_of(process) - begun < 0.6
            assert ask(inside).startswith(b"HTTP/1.1 200")
            for client in outside:
                client.close()
        eventually(lambda: answered(port, tls=tls), 10)
        assert process.stop()[0] == 0


def come_in(port: int, *, tls: bool) -> socket.socket:
    """A connection, over TLS as a certificate of ours has it."""
    plain = socket.create_connection(("127.0.0.1", port), 10)
    return trusting(CA).wrap_socket(plain, server_hostname="gateway") if tls else plain


def answered(port: int, *, tls: bool) -> bool:
    """Whether a request on a new connection is answered."""
    with contextlib.suppress(OSError), come_in(port, tls=tls) as client:
        return ask(client).startswith(b"HTTP/1.1 200")
    return False


def test_a_log_that_cannot_be_written_stops_nothing(folder: Path, one: NamedServer) -> None:
    """Its disk is full: lines are lost, requests are not, and it ends as it should."""
    port, nobody = ready(folder, one), free_port()
    (folder / "more.yaml").write_text(
        documents(route("dead", "/dead", "dead"), backend("dead", one).replace(str(one.server_address[1]), str(nobody)))
    )
    command = [sys.executable, "-m", "gateway_filters", "run", str(folder), "--pre-drain", "0"]
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=full)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline().startswith(b"ready")
        for _ in range(3):
            assert get(port, "/dead")[0] == 503  # which is logged
            assert get(port, "/") == (200, "one")
        process.send_signal(signal.SIGTERM)
        # Python itself says 120 when what was written last cannot be flushed.
        assert process.wait(20) in (0, 120)


def test_a_log_whose_reader_has_gone_stops_nothing(folder: Path) -> None:
    """As in ``2>&1 | head -1``."""
    port, nobody = free_port(), free_port()
    with upstream("gone") as server:
        dead = backend("b", server).replace(str(server.server_address[1]), str(nobody))
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), dead))
        command = [sys.executable, "-m", "gateway_filters", "run", str(folder), "--pre-drain", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b"ready")
        process.stdout.close()
        process.stderr.close()
        assert [get(port, "/")[0] for _ in range(3)] == [503] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, 120)


READING = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.sendall(b"GET /events HTTP/1.1\\r\\nHost: gateway\\r\\n\\r\\n")
print(client.recv(100)[:12].decode(), flush=True)
while client.recv(65536):
    pass
"""


class Flood:
    """An upstream whose answer does not end, and that knows whether it is still asked for more."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.server_address: tuple[str, int] = self._server.getsockname()

    def pour(self) -> bool:
        """Answer one request without an end; True once the gateway has given it up."""
        self._server.settimeout(10)
        client, _ = self._server.accept()
        with client:
            client.settimeout(10)
            client.recv(4096)
            try:
                client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n")
                while True:
                    client.sendall(b"x" * 65536)
            except TimeoutError:
                return False
            except OSError:
                return True

    def close(self) -> None:
        """Nobody may connect."""
        self._server.close()


def flooded(folder: Path, flood: Flood) -> int:
    """Manifests of a route to ``flood``; gives the port."""
    port = free_port()
    (folder / "all.yaml").write_text(
        documents(gateway(port), route("r", "/", "b"), backend_at("b", flood.server_address[1]))
    )
    return port


def unsent(port: int) -> int:
    """The bytes that the system holds for clients of ``port`` (proc_net_tcp)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(int(each[4].partition(":")[0], 16) for each in fields if each[1].endswith(f":{port:04X}"))


def test_a_client_that_reads_nothing_takes_little_memory_of_process_and_system(folder: Path) -> None:
    """Memory for sockets is the whole machine's: without a word, it holds four megabytes for each of them."""
    flood = Flood()
    port = flooded(folder, flood)
    with running(folder) as process, ThreadPoolExecutor() as pool, socket.socket() as client:
        memory = memory_of(process)
        pouring = pool.submit(flood.pour)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(HEAD)
        eventually(lambda: unsent(port) > 64 * 1024, 10)
        held = list[int]()
        while len(held) < 10 or held[-1] != held[-10]:
            held.append(unsent(port))
            time.sleep(0.02)
        assert held[-1] < 512 * 1024
        assert memory_of(process) - memory < 2 * 1024 * 1024
        client.close()
        assert pouring.result(10)
        flood.close()


def test_a_client_that_stands_still_is_given_up(folder: Path) -> None:
    """A stopped process reads nothing and says nothing: after ``write_idle`` its request is over, upstream as well."""
    flood = Flood()
    port = flooded(folder, flood)
    with running(folder, "--http1", "write_idle=1"), ThreadPoolExecutor() as pool:
        pouring = pool.submit(flood.pour)
        client = subprocess.Popen([sys.executable, "-c", READING, str(port)], stdout=subprocess.PIPE)
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == b"HTTP/1.1 200\n"
            client.send_signal(signal.SIGSTOP)
            assert pouring.result(10)
        finally:
            client.kill()
            client.communicate()
            flood.close()


@contextmanager
def waiting(folder: Path, *limits: str) -> Generator[tuple[RunningGateway, PatientUpstream, socket.socket]]:
    """A request that waits for its answer."""
    port = free_port()
    with patient() as server:
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend_at("b", server.port)))
        with running(folder, *limits) as process, socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(HEAD)
            eventually(lambda: server.seen == 1, 5)
            yield process, server, client


def test_a_process_that_was_stopped_goes_on(folder: Path) -> None:
    """For longer than an answer may take: the request has its own, was sent once, and nobody is blamed."""
    with waiting(folder, "--upstream", "first_byte=3") as (process, server, client):
        process.process.send_signal(signal.SIGSTOP)
        server.release()
        time.sleep(3.5)
        process.process.send_signal(signal.SIGCONT)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        code, log = process.stop()
    assert server.seen == 1
    assert code == 0
    assert "ERROR" not in log


def test_no_core_file_is_left(folder: Path, one: NamedServer) -> None:
    """It would hold every key."""
    ready(folder, one)
    with running(folder) as process:
        limits = Path(f"/proc/{process.process.pid}/limits").read_text()
    soft = next(line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size"))
    assert soft == "0"


CRUMBS = [
    pytest.param(b"1\r\nx\r\n" * 80_000, id="chunks of a byte"),
    pytest.param(b"1;" + b"x" * 300_000 + b"\r\nx\r\n", id="a chunk with a long extension"),
    pytest.param((b"1;" + b"x" * 1000 + b"\r\nx\r\n") * 300, id="chunks with extensions"),
    pytest.param(b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 40_000, id="trailers without end"),
]


@pytest.mark.parametrize("body", CRUMBS)
def test_a_body_that_is_mostly_framing_is_refused(folder: Path, body: bytes) -> None:
    """What takes more work than it carries ends early, and its connection with it; others notice nothing."""
    with waiting(folder) as (process, _, _):
        port = int(process.ready.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            answer = b""
            with contextlib.suppress(ConnectionError):
                client.sendall(b"POST / HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            with contextlib.suppress(ConnectionError):
                answer = client.recv(4096)
                assert client.recv(4096) in (b"", answer)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_small_chunks_are_taken(folder: Path) -> None:
    """Four bytes at a time, as somebody may write who streams: that is no attack."""
    with waiting(folder) as (process, server, _):
        port = int(process.ready.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(b"4\r\nabcd\r\n" * 60_000 + b"0\r\n\r\n")
            eventually(lambda: server.seen == 2, 10)
            server.release()
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
