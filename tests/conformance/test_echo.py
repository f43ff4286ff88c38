"""The echo backends keep their contract, and the probe sends what it is told to."""

import socket
from collections.abc import Generator

import pytest

from . import http2
from .cases import Case, Expect, Forwarded, Request
from .certificates import INFRA, Certificates, make_certificates
from .echo import H2C, HTTP, HTTPS, Backend, Deployment
from .echo_answers import seconds
from .expectations import Judged, complaints
from .loop import Loop
from .probe import Probe
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


@pytest.mark.parametrize(("text", "wanted"), [("1s", 1.0), ("300ms", 0.3), ("1m1.5s", 61.5)])
def test_durations(text: str, wanted: float) -> None:
    """Durations as the echo's query spells them."""
    assert seconds(text) == pytest.approx(wanted)  # pyright: ignore[reportUnknownMemberType]
