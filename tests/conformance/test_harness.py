"""The harness itself: its echo backends keep their contract, and its judgement tells right from wrong."""

import dataclasses
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from . import http2
from .cases import Case, Expect, Forwarded, Redirect, Request, StatusAssertion
from .certificates import INFRA, Certificates, covers, make_certificates
from .echo import H2C, HTTP, HTTPS, Backend, Deployment
from .echo_answers import seconds
from .expectations import Judged, complaints
from .http1 import Answer, Line
from .loop import Loop
from .probe import Exchange, Probe
from .statuses import CONTROLLER, Statuses
from .websocket import exchange_message

ADDRESS = "127.3.0.1"
SERVER = f"{INFRA}/tls-checks-certificate"
CLIENT = f"{INFRA}/tls-checks-client-certificate"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A set of certificates."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def backend(certificates: Certificates) -> Generator[Backend]:
    """One echo backend, on all its ports."""
    made = Backend(Deployment("pod", "ns", {}, SERVER), ADDRESS, certificates)
    with Loop() as loop:
        loop.run(made.start())
        yield made
        loop.run(made.stop())


@pytest.fixture
def probe(backend: Backend, certificates: Certificates) -> Probe:
    """Sends straight to the backend."""
    return Probe(backend.address, certificates)


def judged(probe: Probe, request: Request, expect: Expect) -> list[str]:
    """What is wrong with the backend's own answer."""
    case = Case("ns/gateway", request, expect)
    return list(complaints(Judged(case, probe.send(request), probe.address, probe.certificates)))


def test_backend_echoes_what_was_sent(probe: Probe) -> None:
    """Method, raw target, host and header lines come back, and asked-for response headers are set."""
    target = "/a%2Fb/../c?x=1&x=2"
    request = Request("PUT", target, HTTP, headers={"x-one": "1"}, backend_set_response_headers={"a": "1", "b": "2"})
    forwarded = Forwarded("PUT", target, f"{ADDRESS}:3000", {"X-One": "1", "X-Echo-Set-Header": "a:1,b:2"})
    expect = Expect(200, forwarded=forwarded, backend="pod", namespace="ns", response_headers={"A": "1", "B": "2"})
    assert judged(probe, request, expect) == []


def test_backend_over_tls_tells_sni_and_client_certificate(probe: Probe) -> None:
    """What the handshake showed is part of the echo, and the client saw that it was asked."""
    request = Request("GET", "/", HTTPS, "https", sni="abc.example.com", client_cert_secret=CLIENT)
    forwarded = Forwarded("GET", "/", sni="abc.example.com", client_cert_secret=CLIENT)
    assert judged(probe, request, Expect(200, client_cert_requested=True, forwarded=forwarded)) == []


@pytest.mark.parametrize(("path", "status"), [("/status/418", 418), ("/health", 200), ("/?delay=10ms", 200)])
def test_backend_answers_special_paths(probe: Probe, path: str, status: int) -> None:
    """The paths that ask for something other than an echo."""
    assert probe.send(Request("GET", path, HTTP)).answer.status == status


def test_backend_fails_as_often_as_asked(probe: Probe) -> None:
    """/retry/ answers with the code, or resets, until it has failed often enough."""
    coded = Request("GET", "/retry/x?uuid=1&succeedAfter=1&responseCode=503&delayRetry=1ms", HTTP)
    assert [probe.send(coded).answer.status for _ in range(2)] == [503, 200]
    reset = Request("GET", "/retry/x?uuid=2&succeedAfter=1", HTTP)
    with pytest.raises(ConnectionResetError):
        probe.send(reset)
    assert probe.send(reset).answer.status == 200


def test_backend_echoes_messages(backend: Backend) -> None:
    """/ws is a WebSocket that sends everything back."""
    assert exchange_message(backend.address, HTTP, "/ws", "a message") == "a message"


def test_h2c_port_refuses_http1(probe: Probe) -> None:
    """Only HTTP/2 with prior knowledge is spoken there."""
    assert probe.send(Request("GET", "/", H2C)).answer.status == 400


@pytest.mark.skipif(not http2.AVAILABLE, reason="the h2 library is not installed")
def test_h2c_port_echoes(probe: Probe) -> None:
    """The client with prior knowledge gets its echo."""
    request = Request("GET", "/x", H2C, host="a", protocol="H2C_PRIOR_KNOWLEDGE")
    assert judged(probe, request, Expect(200, forwarded=Forwarded("GET", "/x", "a"), backend="pod")) == []


def test_no_server_is_an_error(certificates: Certificates) -> None:
    """Where nobody listens the probe raises, which is what ``connection_error`` wants."""
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        with pytest.raises(ConnectionRefusedError):
            Probe(ADDRESS, certificates).send(Request("GET", "/", free.getsockname()[1]))


ECHO = b'{"path":"/","host":"a","method":"GET","namespace":"ns","pod":"v1-0","headers":{"X-A":["1","2"]}}'
JSON: Line = ("content-type", "application/json")
GET = Forwarded("GET", "/")
WRONG: list[tuple[str, Expect, Answer]] = [
    ("status", Expect(404), Answer(200)),
    ("statuses", Expect(statuses=(500, 503)), Answer(502)),
    ("refused status", Expect(statuses_not=(200,)), Answer(200)),
    ("path", Expect(forwarded=dataclasses.replace(GET, path="/x")), Answer(200, [JSON], ECHO)),
    ("method", Expect(forwarded=dataclasses.replace(GET, method="PUT")), Answer(200, [JSON], ECHO)),
    ("host", Expect(forwarded=dataclasses.replace(GET, host="b")), Answer(200, [JSON], ECHO)),
    ("spaced join", Expect(forwarded=dataclasses.replace(GET, headers={"x-a": "1, 2"})), Answer(200, [JSON], ECHO)),
    ("present header", Expect(forwarded=dataclasses.replace(GET, absent_headers=("x-a",))), Answer(200, [JSON], ECHO)),
    ("no SNI", Expect(forwarded=dataclasses.replace(GET, sni="a")), Answer(200, [JSON], ECHO)),
    ("no echo", Expect(forwarded=GET), Answer(200)),
    ("other backend", Expect(backend="v2"), Answer(200, [JSON], ECHO)),
    ("other namespace", Expect(namespace="other"), Answer(200, [JSON], ECHO)),
    ("echoed preflight", Expect(answered_by_gateway=True), Answer(200, [JSON], ECHO)),
    ("body is no object", Expect(500), Answer(500, [JSON], b"[]")),
    ("no Location", Expect(redirect=Redirect()), Answer(302)),
    ("port of Location", Expect(redirect=Redirect("http", None, None, "/")), Answer(302, [("location", "http://a:81/")])),
    ("response header", Expect(response_headers={"a": "1"}), Answer(200, [("A", "2")])),
    ("blanks", Expect(response_headers_one_of={"a": ("1,2",)}), Answer(200, [("A", "1, 2")])),
    ("present response header", Expect(absent_response_headers=("a",)), Answer(200, [("A", "2")])),
    ("no certificate asked for", Expect(client_cert_requested=True), Answer(200)),
]  # fmt: skip
RIGHT: list[tuple[str, Expect, Answer]] = [
    ("408 for 504", Expect(504), Answer(408)),
    ("relative Location", Expect(redirect=Redirect("http", "a", None, "/x")), Answer(302, [("location", "/x?y")])),
    ("default port", Expect(redirect=Redirect("https", "a", None, "/")), Answer(302, [("location", "https://a:443/")])),
    ("port", Expect(redirect=Redirect("http", None, "81", "/")), Answer(302, [("location", "http://a:81/")])),
    ("lines joined", Expect(forwarded=dataclasses.replace(GET, headers={"x-a": "1,2"})), Answer(200, [JSON], ECHO)),
    ("blanks", Expect(response_headers_one_of={"a": ("1,2",)}, ignore_whitespace=True), Answer(200, [("A", "1, 2")])),
    ("not forwarded on errors", Expect(500, forwarded=GET), Answer(500)),
]  # fmt: skip


def verdict(expect: Expect, answer: Answer) -> list[str]:
    """What is wrong with an answer to ``GET http://a/``."""
    case = Case("ns/gateway", Request("GET", "/", 80, host="a"), expect)
    return list(complaints(Judged(case, Exchange(answer), ADDRESS, Certificates(Path()))))


@pytest.mark.parametrize(("expect", "answer"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_answers_are_seen(expect: Expect, answer: Answer) -> None:
    """Each field of ``expect`` catches what it is there for."""
    assert verdict(expect, answer)


@pytest.mark.parametrize(("expect", "answer"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_right_answers_pass(expect: Expect, answer: Answer) -> None:
    """What the suite lets through is let through."""
    assert verdict(expect, answer) == []


ROUTE: dict[str, Any] = {
    "kind": "HTTPRoute",
    "metadata": {"name": "r", "namespace": "ns", "generation": 2},
    "status": {
        "parents": [
            {
                "controllerName": CONTROLLER,
                "parentRef": {"kind": "ListenerSet", "name": "p", "sectionName": "s", "port": 80},
                "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": 2}],
            }
        ]
    },
}


@pytest.mark.parametrize("parent", ["ListenerSet/p", "ListenerSet/p#s", "ListenerSet/p:80", "ListenerSet/p#s:80"])
def test_parents_are_found(parent: str) -> None:
    """A parent is named as far as the assertion names it."""
    assert list(Statuses([ROUTE]).complaints(StatusAssertion("HTTPRoute", "ns/r", parent=parent))) == []


@pytest.mark.parametrize("parent", ["p", "ListenerSet/q", "ListenerSet/p#t", "ListenerSet/p:81", "ns/ListenerSet/p"])
def test_other_parents_are_not(parent: str) -> None:
    """Another kind, name, section, port or namespace is another parent."""
    assert list(Statuses([ROUTE]).complaints(StatusAssertion("HTTPRoute", "ns/r", parent=parent)))


def test_wildcards_cover_one_label() -> None:
    """Certificates of the suite name ``*``, ``*.org`` and ``*.wildcard.org``."""
    names = ("*", "*.org", "*.wildcard.org")
    assert [covers(names, each) for each in ("a", "a.org", "b.wildcard.org", "a.b.c.org")] == [True, True, True, False]


@pytest.mark.parametrize(("text", "wanted"), [("1s", 1.0), ("300ms", 0.3), ("1m1.5s", 61.5)])
def test_durations(text: str, wanted: float) -> None:
    """Durations as the echo's query spells them."""
    assert seconds(text) == pytest.approx(wanted)  # pyright: ignore[reportUnknownMemberType]
