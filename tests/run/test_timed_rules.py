"""``timeouts`` and ``retry`` of a rule under ``gateway-filters run``: what the client gets, and how often it is tried.

The official suite takes 408 for 504 everywhere; Gateway API says 504 (HTTPRouteTimeouts), and so do these.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from run.gateway_run import PATIENCE, documents, free_port, gateway, get, running

# The prefix of a rule, and its fields.
RULES = {
    "/request": "timeouts: {request: 100ms}",
    "/attempt": "timeouts: {backendRequest: 100ms}",
    "/attempts": "timeouts: {backendRequest: 100ms}, retry: {attempts: 2, backoff: 10ms}",
    "/bounded": "timeouts: {request: 500ms, backendRequest: 100ms}, retry: {attempts: 50, backoff: 20ms}",
    "/unlimited": "timeouts: {request: 0s}",
    "/listed": "retry: {codes: [503], attempts: 2, backoff: 10ms}",
    "/unlisted": "retry: {codes: [500], attempts: 2, backoff: 10ms}",
    "/refused": "retry: {attempts: 1, backoff: 10ms}",
}


class Counting(ThreadingHTTPServer):
    """An upstream that counts requests by path; some paths never answer, some say 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Counted)
        self.tried: Counter[str] = Counter()
        self.over = threading.Event()


class _Counted(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Counting)
        server.tried[self.path] += 1
        if self.path.endswith("/never"):
            server.over.wait(PATIENCE)
            self.close_connection = True
            return
        status = 503 if self.path.endswith("/503") else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"from upstream")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        del format, args


@pytest.fixture(name="upstream", scope="module")
def _upstream() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture(name="port", scope="module")
def _port(tmp_path_factory: pytest.TempPathFactory, upstream: Counting) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("timed"), free_port()
    rules = [
        f"{{matches: [{{path: {{value: {prefix}}}}}], {fields}, backendRefs: [{{group: gateway.envoyproxy.io, "
        f"kind: Backend, name: {'nobody' if prefix == '/refused' else 'upstream'}}}]}}"
        for prefix, fields in RULES.items()
    ]
    route = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r}}
spec: {{parentRefs: [{{name: g}}], rules: [{", ".join(rules)}]}}
"""
    places = {"upstream": upstream.server_address[1], "nobody": free_port()}
    backends = (
        f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {number}}}}}]}}
"""
        for name, number in places.items()
    )
    (folder / "all.yaml").write_text(documents(gateway(port), route, *backends))
    with running(folder):
        yield port


@pytest.mark.parametrize(
    ("path", "status", "tried"),
    [
        pytest.param("/request/never", 504, range(1, 2), id="a request that takes too long"),
        pytest.param("/attempt/never", 504, range(1, 2), id="an attempt that takes too long and is the only one"),
        pytest.param("/attempts/never", 504, range(3, 4), id="attempts that all take too long"),
        pytest.param("/bounded/never", 504, range(1, 6), id="the request's time bounds all attempts"),
        pytest.param("/unlimited/at-once", 200, range(1, 2), id="zero is no limit"),
        pytest.param("/listed/503", 503, range(3, 4), id="a status that is listed"),
        pytest.param("/unlisted/503", 503, range(1, 2), id="a status that is not listed"),
        pytest.param("/refused", 503, range(1), id="connections that are refused"),
    ],
)
def test_what_becomes_of_a_request(port: int, upstream: Counting, path: str, status: int, tried: range) -> None:
    """Out of time is 504; what the backend said last is passed on; nobody there is 503 (HTTPRouteRetry)."""
    answered, body = get(port, path)
    assert answered == status
    assert upstream.tried[path] in tried
    assert (body == "from upstream") == (path.endswith(("/503", "/at-once")))
