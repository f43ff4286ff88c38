"""``gateway-filters run`` over HTTP/2: real clients, reloads, renewed certificates, the end, and clients that leave."""

import base64
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import trustme
from hpack import Encoder
from hyperframe.frame import HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from run.gateway_run import NamedServer, backend, documents, free_port, gateway, get, route, running, upstream
from run.h2_client import PREFACE, speaking
from run.patient_upstream import PatientUpstream, patient

CA = trustme.CA()
FIRST, SECOND = CA.issue_cert("a.example.com"), CA.issue_cert("*.example.com")


@pytest.fixture(scope="module")
def one() -> Iterator[NamedServer]:
    """An upstream."""
    with upstream("one") as server:
        yield server


@pytest.fixture(scope="module")
def two() -> Iterator[NamedServer]:
    """Another upstream."""
    with upstream("two") as server:
        yield server


@pytest.fixture
def slow() -> Iterator[PatientUpstream]:
    """An upstream that answers when it is told to."""
    with patient() as server:
        yield server


def trusting(alpn: Sequence[str] = ("h2",)) -> ssl.SSLContext:
    """What a client believes and offers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    context.set_alpn_protocols([*alpn])
    return context


def secret(name: str, certificate: trustme.LeafCert) -> str:
    """A TLS Secret."""
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    data = {"tls.crt": chain, "tls.key": certificate.private_key_pem.bytes()}
    lines = "\n".join(f"  {key}: {base64.b64encode(value).decode()}" for key, value in data.items())
    return f"\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\ndata:\n{lines}\n"


def secured(port: int, *names: tuple[str, str]) -> str:
    """A Gateway with an HTTPS listener for each pair of a name and a host name."""
    lines = "".join(
        f"  - {{name: {name}, protocol: HTTPS, port: {port}, hostname: '{host}', "
        f"tls: {{certificateRefs: [{{name: {name}}}]}}}}\n"
        for name, host in names
    )
    head = "\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
    return f"{head}spec:\n  gatewayClassName: ours\n  listeners:\n{lines}"


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory, one: NamedServer) -> Iterator[int]:
    """A gateway with a listener for one name and one for a wildcard; gives its port."""
    port, folder = free_port(), tmp_path_factory.mktemp("over-tls")
    listeners = secured(port, ("exact", "a.example.com"), ("wild", "*.example.com"))
    secrets = (secret("exact", FIRST), secret("wild", SECOND))
    (folder / "all.yaml").write_text(documents(listeners, route("r", "/", "b"), backend("b", one), *secrets))
    with running(folder):
        yield port


@pytest.fixture(scope="module")
def in_plain_text(tmp_path_factory: pytest.TempPathFactory, one: NamedServer) -> Iterator[int]:
    """A gateway with an HTTP listener; gives its port."""
    port, folder = free_port(), tmp_path_factory.mktemp("in-plain-text")
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder):
        yield port


@pytest.mark.parametrize("http2", [True, False], ids=["HTTP/2", "HTTP/1.1"])
def test_a_client_of_httpx_chooses(over_tls: int, http2: bool) -> None:
    """Both are spoken on one port; TLS settles which."""
    # Python resolves no invented names: the address is the URL's, the name that of TLS and of the Host.
    with httpx.Client(http2=http2, verify=trusting(()), trust_env=False) as client:
        answer = client.get(
            f"https://127.0.0.1:{over_tls}/",
            headers={"Host": "a.example.com"},
            extensions={"sni_hostname": "a.example.com"},
        )
    assert (answer.http_version, answer.status_code, answer.text) == ("HTTP/2" if http2 else "HTTP/1.1", 200, "one")


def test_tls_without_alpn_is_http1(over_tls: int) -> None:
    """Nobody asked for HTTP/2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    with (
        socket.create_connection(("127.0.0.1", over_tls), 5) as raw,
        context.wrap_socket(raw, server_hostname="a.example.com") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_prior_knowledge_beside_http1(in_plain_text: int) -> None:
    """The first bytes show which it is."""
    with speaking(in_plain_text) as client:
        assert [client.get().body for _ in range(3)] == [b"one"] * 3
    assert get(in_plain_text, "/") == (200, "one")


def test_a_connection_that_is_used_for_another_host(over_tls: int) -> None:
    """Coalesced, as browsers do it: 421 has the request made again elsewhere, and the connection goes on."""
    with speaking(over_tls, trusting(), "a.example.com") as client:
        hosts = ("a.example.com", "b.example.com", "A.example.com:443", "other.test")
        assert [client.get(host=host).status for host in hosts] == [200, 421, 200, 404]
    with speaking(over_tls, trusting(), "b.example.com") as client:
        hosts = ("b.example.com", "a.example.com", "c.example.com")
        assert [client.get(host=host).status for host in hosts] == [200, 421, 200]


@pytest.mark.skipif(find_spec("OpenSSL") is None, reason="pyOpenSSL is not installed")
def test_clients_that_are_let_in_whatever_they_show(tmp_path: Path, one: NamedServer) -> None:
    """TLS of another library agrees on HTTP/2 as well (AllowInsecureFallback)."""
    port, bundle = free_port(), CA.cert_pem.bytes().decode().replace("\n", "\n    ")
    authorities = f"\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cas}}\ndata:\n  ca.crt: |\n    {bundle}\n"
    asked = "caCertificateRefs: [{group: '', kind: ConfigMap, name: cas}], mode: AllowInsecureFallback"
    validated = f"spec:\n  tls: {{frontend: {{default: {{validation: {{{asked}}}}}}}}}\n"
    listeners = secured(port, ("exact", "a.example.com")).replace("spec:\n", validated)
    texts = (listeners, route("r", "/", "b"), backend("b", one), authorities, secret("exact", FIRST))
    (tmp_path / "all.yaml").write_text(documents(*texts))
    context = trusting()
    trustme.CA().issue_cert("nobody").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    with running(tmp_path), speaking(port, context, "a.example.com") as client:
        assert [client.get(host="a.example.com").body for _ in range(20)] == [b"one"] * 20


TOOLS = [
    pytest.param(("curl", "-sS", "--fail", "--http2-prior-knowledge"), id="curl"),
    pytest.param(("nghttp", "--no-dep"), id="nghttp"),
]


def tool(*command: str) -> str:
    """What a tool says; skips where it is missing."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", TOOLS)
def test_other_clients_in_plain_text(in_plain_text: int, command: tuple[str, ...]) -> None:
    """Clients on nghttp2."""
    assert tool(*command, f"http://127.0.0.1:{in_plain_text}/") == "one"


def test_curl_over_tls(over_tls: int, tmp_path: Path) -> None:
    """With the version that it reports."""
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    place = ("--connect-to", f"a.example.com:443:127.0.0.1:{over_tls}", "--cacert", str(tmp_path / "ca.pem"))
    command = ("curl", "-sS", "--http2", *place, "-w", " over %{http_version}", "https://a.example.com/")
    assert tool(*command) == "one over 2"


@pytest.mark.timeout(180)
def test_load(in_plain_text: int) -> None:
    """Many streams on a few connections: every one has its answer."""
    said = tool("h2load", "-n", "2000", "-c", "4", "-m", "32", f"http://127.0.0.1:{in_plain_text}/")
    assert "2000 succeeded, 0 failed, 0 errored" in said
    assert "2000 2xx" in said


def test_a_reload_and_a_renewed_certificate_keep_the_connection(
    tmp_path: Path, one: NamedServer, two: NamedServer
) -> None:
    """The next request is served as the new manifests say, on the connection that was there."""
    port, file = free_port(), tmp_path / "all.yaml"
    backends = backend("one", one), backend("two", two)

    def version(certificate: trustme.LeafCert, name: str) -> str:
        listeners = secured(port, ("exact", "a.example.com"))
        return documents(listeners, route("r", "/", name), *backends, secret("exact", certificate))

    file.write_text(version(FIRST, "one"))
    with running(tmp_path) as process, speaking(port, trusting(), "a.example.com") as client:
        assert client.get(host="a.example.com").body == b"one"
        file.write_text(version(CA.issue_cert("a.example.com"), "two"))
        process.wait_for("reloaded")
        assert client.get(host="a.example.com").body == b"two"
        assert client.goaways == []


def manifests(port: int, slow: PatientUpstream) -> str:
    """A gateway in front of an upstream that takes its time."""
    places = f"[{{ip: {{address: 127.0.0.1, port: {slow.port}}}}}]"
    head = "\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: b}\n"
    return documents(gateway(port), route("r", "/", "b"), f"{head}spec:\n  endpoints: {places}\n")


def test_the_end_lets_streams_end(tmp_path: Path, slow: PatientUpstream) -> None:
    """An event is not held up; SIGTERM: two GOAWAYs, the second with the last stream, whose answer comes whole."""
    port = free_port()
    (tmp_path / "all.yaml").write_text(manifests(port, slow))
    with running(tmp_path) as process, speaking(port) as client:
        stream = client.ask("/events")
        while not client.answers[stream].body:
            client.read()
        process.process.send_signal(signal.SIGTERM)
        while len(client.goaways) < 2:
            client.read()
        assert client.goaways == [2**31 - 1, stream]
        slow.release()
        answer = client.answer(stream)
        assert (answer.status, answer.body, answer.ended) == (200, b"event\n", True)
        while client.read():
            pass
        assert process.ended()[0] == 0


def test_the_end_of_a_connection_without_streams(tmp_path: Path, slow: PatientUpstream) -> None:
    """It ends at once, and so does the process."""
    port = free_port()
    (tmp_path / "all.yaml").write_text(manifests(port, slow))
    with running(tmp_path) as process, speaking(port) as client:
        client.read()
        process.process.send_signal(signal.SIGTERM)
        while client.read():
            pass
        assert client.goaways[0] == 2**31 - 1
        assert process.ended()[0] == 0


def test_abandoned_streams_leave_nothing_behind(tmp_path: Path, slow: PatientUpstream) -> None:
    """10,000 requests, each given up once the upstream has it or before: nobody holds anything for them."""
    port = free_port()
    (tmp_path / "all.yaml").write_text(manifests(port, slow))
    with running(tmp_path) as process:
        abandon(port, 500, slow)
        slow.until_abandoned()
        files, memory = open_files(process.process.pid), resident(process.process.pid)
        for _ in range(19):
            abandon(port, 500, slow)
        slow.until_abandoned()
        # Connections that were made for those who left before they could be used are kept for others.
        assert open_files(process.process.pid) <= files + 200
        assert resident(process.process.pid) - memory < 16_000
        slow.release()
        with speaking(port) as client:
            assert client.get().status == 200
    assert slow.seen > 2000


def abandon(port: int, count: int, upstream: PatientUpstream) -> None:
    """Ask and give up, 50 at a time on one connection; every other time the upstream has the requests by then."""
    block = Encoder().encode([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "gateway")])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(PREFACE + SettingsFrame(0).serialize())
        for first in range(1, 2 * count, 100):
            wanted = upstream.seen + 50
            streams = range(first, first + 100, 2)
            heads = (HeadersFrame(each, block, flags=["END_HEADERS", "END_STREAM"]) for each in streams)
            connection.sendall(b"".join(frame.serialize() for frame in heads))
            # Some may have been refused: the apps of those that were given up before are still ending.
            end = time.monotonic() + (0.2 if first % 200 == 1 else 0)
            while upstream.seen < wanted and time.monotonic() < end:
                time.sleep(0.001)
            connection.sendall(b"".join(RstStreamFrame(each, 8).serialize() for each in streams))
        connection.sendall(PingFrame(0, b"the last").serialize())
        said = b""
        while b"the last" not in said:
            said += connection.recv(65_536)


def open_files(process: int) -> int:
    """How many files and sockets a process has open."""
    return len([*Path(f"/proc/{process}/fd").iterdir()])


def resident(process: int) -> int:
    """Its memory in KiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


def test_a_limit_of_the_command(tmp_path: Path, one: NamedServer) -> None:
    """``--http2`` changes a limit."""
    port = free_port()
    (tmp_path / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(tmp_path, "--http2", "streams=7", "--http2", "idle_seconds=0.4"), speaking(port) as client:
        assert client.get().body == b"one"
        assert client.connection.remote_settings.max_concurrent_streams == 7
        while client.read():
            pass
        assert client.goaways


def test_a_beginning_that_could_be_either(in_plain_text: int) -> None:
    """Its next bytes decide."""
    with socket.create_connection(("127.0.0.1", in_plain_text), 5) as connection:
        connection.sendall(b"PR")
        time.sleep(0.05)
        connection.sendall(b"OPFIND / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 501")
