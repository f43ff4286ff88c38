"""Raw requests that the real Envoy was sent with the seed's route: ``run`` does the same, or what is written here.

The rows are ``shared/envoy/observed.json``: exact bytes, and what Envoy 1.40 made of them. Compared are the status,
how many requests were forwarded, and their request lines, Hosts and bodies.
"""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recorder import Received, Recorder
from seed_route import seed_manifests

from run.gateway_run import free_port, running

OBSERVED = Path(__file__).parents[3] / "shared/envoy/observed.json"

# What is different on purpose: the status, how many are forwarded, and why. Reasons in docs/differences-from-envoy.md.
DIFFERENT = {
    "path /v1%2Fx": (400, 0, "an escaped slash is refused, not redirected"),
    "path /v1/%2f": (400, 0, "an escaped slash is refused, not redirected"),
    "path /v1/a%2Fb?x=%2F": (400, 0, "an escaped slash is refused, not redirected"),
    "path /v1/%5cx": (400, 0, "an escaped backslash is refused, not redirected"),
    "path /v1/..%2fadmin": (400, 0, "an escaped slash is refused, not redirected"),
    "path 70 KB long": (414, 0, "a request line has at most 16 KiB: 414 and not 431"),
    "one 61 KB header": (200, 1, "a head has at most 64 KiB, not 60"),
    "path 20 KB long": (414, 0, "a request line has at most 16 KiB"),
    "OPTIONS *": (400, 0, "no route can take it, and it is no path"),
    "absolute-form https://": (400, 0, "a scheme that the connection does not have: 400 and not 403"),
    "CONNECT": (400, 0, "a tunnel is refused before any route is asked: 400 and not 404"),
    "TRACE /v1/x": (405, 0, "it would echo the injected key"),
    "duplicate Host": (400, 0, "two Host lines are two destinations"),
    "Host with userinfo": (400, 0, "it is no host name"),
    "bare LF line ends": (400, 0, "line ends are CRLF"),
    "obs-fold": (400, 0, "a folded line is one field to some and two to others"),
    "Connection: close, host": (200, 1, "Host cannot be nominated, so nothing is to be refused"),
    "Expect: other": (417, 0, "no other expectation can be met (RFC 9110 10.1.1)"),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    """The upstream, which keeps what it gets."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def served(upstream: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The seed's route in ``run``, with an upstream on this machine."""
    port = free_port()
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "all.yaml").write_text(seed_manifests(port, upstream.port))
    with running(folder):
        yield port


def rows() -> list[Any]:
    """The requests of which Envoy made something before the upstream did anything special."""
    if not OBSERVED.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="shared/envoy/observed.json is not here"), id="absent")]
    seen = json.loads(OBSERVED.read_text())
    taken = [row for row in seen if not row["name"].startswith(("upstream", "curl", "admin", "Upgrade: websocket"))]
    odd = ("HTTP/2 prior knowledge preface", "same client connection, 3 sequential requests")
    return [
        pytest.param(row, id=row["name"])
        for row in taken
        if row["name"] not in odd and not row["upstream_events"] and "client half" not in row["name"]
    ]


def asked(port: int, request: bytes, answers: int) -> bytes:
    """What comes back for ``request``, until so many answers have come or the connection has ended."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=50) as client:
        client.sendall(request)
        while finals(got) < answers or not (request.startswith(b"HEAD ") or _whole(got)):
            piece = client.recv(65536)
            if not piece:
                break
            got += piece
    return got


def finals(got: bytes) -> int:
    """How many answers have begun, interim ones aside."""
    return got.count(b"HTTP/1.1 ") - got.count(b"HTTP/1.1 1")


def _whole(got: bytes) -> bool:
    head, end, body = got.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return True


def status_of(answer: bytes) -> int:
    """The status of the first final answer; 0 for none."""
    for each in answer.split(b"HTTP/1.1 ")[1:]:
        if not each.startswith(b"1"):
            return int(each[:3])
    return 0


@pytest.mark.parametrize("row", rows())
def test_observed(row: dict[str, Any], served: int, upstream: Recorder) -> None:
    """``run`` does with the very same bytes what Envoy did, unless it is written here why not."""
    upstream.take()
    envoy = row["upstream_requests"]
    status, forwarded, _ = DIFFERENT.get(row["name"], (status_of(row["client_got"].encode("latin-1")), len(envoy), ""))
    request = row["client_sent"].encode("latin-1")
    answer = asked(served, request, max(1, len(envoy)))
    received = upstream.take()
    assert (status_of(answer), len(received)) == (status, forwarded), answer[:300]
    for ours, theirs in zip(received, envoy, strict=False):
        assert_same(ours, theirs)


def assert_same(ours: Received, theirs: dict[str, Any]) -> None:
    """Request line, Host, credential and body are the same."""
    first, *lines = theirs["head"].encode("latin-1").split(b"\r\n")
    method, target, _ = first.split(b" ")
    assert (ours.method, ours.target) == (method, target)
    assert ours.host == tuple(line[6:] for line in lines if line.startswith(b"host: "))
    assert [value for name, value in ours.headers if name == b"authorization"] == [b"Bearer k"]
    chunked = any(line == b"transfer-encoding: chunked" for line in lines)
    if not chunked:
        assert ours.body == theirs["body"].encode("latin-1")
