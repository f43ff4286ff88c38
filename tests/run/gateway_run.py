"""A real ``gateway-filters run`` process, and a small upstream to send requests to."""

import contextlib
import http.client
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path

import canary

# Longer than any busy machine takes: a client that gave up would let the gateway end in peace.
PATIENCE = 50.0


# Below those that systems give to whoever asks for any. Workers of one run have no port in common, and each process
# begins somewhere else.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORTS = range(10_240 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), 32_000, _WORKERS)
_BEGUN = secrets.randbelow(len(_PORTS))
_ports = cycle((*_PORTS[_BEGUN:], *_PORTS[:_BEGUN]))


def free_port() -> int:
    """A port that nobody listens at now, nor will by chance before a process that is told of it does."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("every port is taken")


class Answering(BaseHTTPRequestHandler):
    """Keeps connections, and its own counsel."""

    protocol_version = "HTTP/1.1"
    # Else a body waits for the head to be acknowledged, which takes 40 ms.
    disable_nagle_algorithm = True

    def answer(self, body: bytes) -> None:
        """200, with the length of ``body``."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


class _Named(Answering):
    """Answers with the name of its server, slowly where the path says so."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, NamedServer)
        if "endless" in self.path:
            self._send_without_end()
            return
        if "slow" in self.path:
            server.waiting.set()
            server.release.wait(PATIENCE)
        self.answer(f"{server.name} {self.headers.get('authorization', '')}".strip().encode())

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"5\r\nagain\r\n")
                time.sleep(0.05)


class NamedServer(ThreadingHTTPServer):
    """An upstream that says its name and the credential it got."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Named)
        self.name = name
        self.waiting = threading.Event()
        self.release = threading.Event()

    def start_over(self) -> None:
        """Hold slow requests back again, and forget that there were any."""
        self.waiting.clear()
        self.release.clear()


@contextmanager
def served(server: ThreadingHTTPServer) -> Generator[None]:
    """A server at work, in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def upstream(name: str) -> Generator[NamedServer]:
    """An upstream on a free port."""
    server = NamedServer(name)
    with served(server):
        try:
            yield server
        finally:
            server.release.set()


class RunningGateway:
    """The process; ``ready`` is the line that it printed once it served."""

    def __init__(self, *arguments: str, before: Sequence[str] = (), script: str = "talkative.py") -> None:
        # What it has to say at DEBUG is for nobody but the canary.
        self._talk = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115 - closed when the process has ended
        start = str(Path(__file__).with_name(script))
        command = [*before, sys.executable, start, "run", "--pre-drain", "0", *arguments]
        told = {**os.environ, "TALKATIVE": self._talk.name}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=told)
        self._lines: queue.Queue[str] = queue.Queue()
        self._seen: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().strip()

    def wait_for(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until a line with ``text`` is logged, from the first one that was not waited for."""
        try:
            while text not in self._lines.get(timeout=seconds):
                pass
        except queue.Empty:
            raise AssertionError(f"{text!r} was not logged, but {self._seen}") from None

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it; gives the exit code and everything it logged."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for its end."""
        code = self.process.wait(timeout=PATIENCE)
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        with self._talk as talk:
            canary.look(talk.read().decode(errors="replace"), "what run has to say at DEBUG")
        log = "".join(self._seen)
        canary.look(log, "what run has logged")
        return code, log

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._seen.append(line)
            self._lines.put(line)


@contextmanager
def running(
    *arguments: str | Path, before: Sequence[str] = (), script: str = "talkative.py"
) -> Generator[RunningGateway]:
    """A gateway that is ended in any case; ``before`` is what its command begins with, ``script`` what is run."""
    gateway = RunningGateway(*map(str, arguments), before=before, script=script)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()


def get(port: int, path: str, host: str = "gateway") -> tuple[int, str]:
    """Status and body of one request, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def refused(port: int) -> bool:
    """Whether nobody listens any more."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def eventually(check: Callable[[], bool], seconds: float) -> None:
    """Wait until ``check`` holds, ``seconds`` at most."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def gateway(port: int, name: str = "g") -> str:
    """A Gateway with one HTTP listener."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: ours
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
"""


def route(name: str, prefix: str, backend: str, parent: str = "g") -> str:
    """An HTTPRoute from a prefix to a Backend."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: {parent}}}]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: {prefix}}}}}]
    backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: {backend}}}]
"""


def backend(name: str, server: ThreadingHTTPServer) -> str:
    """A Backend for an upstream."""
    return backend_at(name, server.server_address[1])


def backend_at(name: str, port: int) -> str:
    """A Backend for whoever listens at ``port`` of this machine."""
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec:
  endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]
"""


def documents(*texts: str) -> str:
    """Several documents as one file."""
    return "\n---\n".join(texts)
