"""``gateway-filters run`` with HTTPS listeners: certificates by name, misdirected requests, clients' certificates."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import trustme

from run.gateway_run import NamedServer, backend, documents, free_port, running, upstream
from run.h2_client import speaking
from tls_manifests import bundle, secret
from tls_peers import trusting

CA = trustme.CA()
OTHER_CA = trustme.CA()


@pytest.fixture(scope="module")
def server() -> Iterator[NamedServer]:
    """An upstream."""
    with upstream("one") as running_server:
        yield running_server


def listener(name: str, port: int, hostname: str | None = None) -> str:
    """An HTTPS listener with the Secret of its name."""
    host = f"hostname: '{hostname}', " if hostname else ""
    tls = f"tls: {{certificateRefs: [{{name: {name}}}]}}"
    return f"  - {{name: {name}, protocol: HTTPS, port: {port}, {host}{tls}}}\n"


def gateway(*listeners: str, more: str = "") -> str:
    """A Gateway with these listeners."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: g}}
spec:
  gatewayClassName: ours
{more}  listeners:
{"".join(listeners)}"""


ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]}]
"""


def ask(port: int, name: str | None, host: str, client: trustme.LeafCert | None = None) -> tuple[int, set[str]]:
    """Status, and the names in the certificate that was shown, of one request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    if client is not None:
        client.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    with (
        socket.create_connection(("127.0.0.1", port), 5) as raw,
        context.wrap_socket(raw, server_hostname=name) as secured,
    ):
        shown = secured.getpeercert()
        assert shown is not None
        secured.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(secured)
        answer.begin()
        answer.read()
        names = shown.get("subjectAltName", ())
        return answer.status, {str(value) for _, value in names}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, server: NamedServer) -> Iterator[int]:
    """A gateway with listeners for one name, for a wildcard, and for any other; gives its port."""
    port, folder = free_port(), tmp_path_factory.mktemp("https")
    exact, wild, other = CA.issue_cert("a.example.com"), CA.issue_cert("*.example.com"), CA.issue_cert("any.test")
    listeners = (
        listener("exact", port, "a.example.com"),
        listener("wild", port, "*.example.com"),
        listener("any", port),
    )
    secrets = (secret("exact", exact), secret("wild", wild), secret("any", other))
    (folder / "all.yaml").write_text(documents(gateway(*listeners), ROUTE, backend("b", server), *secrets))
    with running(folder) as process:
        assert process.ready == f"ready https://127.0.0.1:{port}"
        yield port


REQUESTS = [
    pytest.param("a.example.com", "a.example.com", 200, "a.example.com", id="the exact name has its own certificate"),
    pytest.param("b.example.com", "b.example.com", 200, "*.example.com", id="another one that of the wildcard"),
    pytest.param("b.example.com", "c.example.com", 200, "*.example.com", id="any Host of the wildcard will do"),
    pytest.param("x.test", "x.test", 200, "any.test", id="an unknown name lands on the listener without one"),
    pytest.param("x.test", "X.TEST:443", 200, "any.test", id="case and port of the Host do not count"),
    pytest.param("b.example.com", "a.example.com", 421, "*.example.com", id="a Host that another listener fits better"),
    pytest.param("a.example.com", "b.example.com", 421, "a.example.com", id="a Host that only another listener fits"),
    pytest.param("x.test", "a.example.com", 421, "any.test", id="a specific Host over the listener without a name"),
]


@pytest.mark.parametrize(("name", "host", "status", "certificate"), REQUESTS)
def test_name_and_host_decide(served: int, name: str, host: str, status: int, certificate: str) -> None:
    """SNI chooses the certificate, longest match first; a Host of another listener is 421."""
    assert ask(served, name, host) == (status, {certificate})


VERSIONS = [
    pytest.param(ssl.TLSVersion.TLSv1_1, False, id="1.1 is refused"),
    pytest.param(ssl.TLSVersion.TLSv1_2, True, id="1.2"),
    pytest.param(ssl.TLSVersion.TLSv1_3, True, id="1.3"),
]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("version", "spoken"), VERSIONS)
def test_versions(served: int, version: ssl.TLSVersion, spoken: bool) -> None:
    """TLS 1.2 to 1.3, also to a client that would stoop lower."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    shaken = nullcontext() if spoken else pytest.raises(ssl.SSLError, match=r"EOF|alert protocol version")
    with (
        socket.create_connection(("127.0.0.1", served), 5) as raw,
        shaken,
        context.wrap_socket(raw, server_hostname="a.example.com") as secured,
    ):
        assert secured.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_a_handshake_has_as_long_as_a_head(tmp_path: Path, server: NamedServer) -> None:
    """Whoever connects and says nothing is let go."""
    port = free_port()
    only = (listener("exact", port, "a.example.com"),)
    files = documents(gateway(*only), ROUTE, backend("b", server), secret("exact", CA.issue_cert("a.example.com")))
    (tmp_path / "all.yaml").write_text(files)
    with running(tmp_path, "--http1", "head_seconds=0.5"):
        with socket.create_connection(("127.0.0.1", port), 10) as silent:
            assert silent.recv(1) == b""
        assert ask(port, "a.example.com", "a.example.com")[0] == 200


def test_a_name_that_no_listener_has_ends_the_handshake(tmp_path: Path, server: NamedServer) -> None:
    """Without a listener for any name, an unknown one gets no certificate; a Host that nothing fits is 404."""
    port = free_port()
    only = (listener("exact", port, "a.example.com"),)
    files = documents(gateway(*only), ROUTE, backend("b", server), secret("exact", CA.issue_cert("a.example.com")))
    (tmp_path / "all.yaml").write_text(files)
    with running(tmp_path):
        assert ask(port, "a.example.com", "a.example.com")[0] == 200
        assert ask(port, "a.example.com", "other.test")[0] == 404
        for name in ("x.test", None):
            with pytest.raises(ssl.SSLError):
                ask(port, name, "a.example.com")


def test_a_renewed_certificate_is_shown_and_open_connections_stay(tmp_path: Path, server: NamedServer) -> None:
    """The next handshake has the new certificate, a connection that is open goes on."""
    port, file = free_port(), tmp_path / "all.yaml"

    def version(name: str) -> str:
        certificate = CA.issue_cert(name, "any.test")
        return documents(gateway(listener("any", port)), ROUTE, backend("b", server), secret("any", certificate))

    file.write_text(version("first.test"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    with running(tmp_path) as process:
        kept = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=50)
        kept.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="any.test")
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
        file.write_text(version("second.test"))
        process.wait_for("reloaded")
        assert ask(port, "any.test", "any.test") == (200, {"second.test", "any.test"})
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
        kept.close()


def test_only_clients_with_a_valid_certificate(tmp_path: Path, server: NamedServer) -> None:
    """``AllowValidOnly``: without a certificate of the right authority there is no HTTP at all."""
    port = free_port()
    reference = "{group: '', kind: ConfigMap, name: cas}"
    more = f"  tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{reference}]}}}}}}}}\n"
    texts = (gateway(listener("any", port), more=more), ROUTE, backend("b", server), bundle("cas", CA))
    (tmp_path / "all.yaml").write_text(documents(*texts, secret("any", CA.issue_cert("any.test"))))
    with running(tmp_path):
        assert ask(port, "any.test", "any.test", CA.issue_cert("client@any.test"))[0] == 200
        for client in (None, OTHER_CA.issue_cert("client@any.test")):
            with pytest.raises((ssl.SSLError, OSError)):
                ask(port, "any.test", "any.test", client)


@pytest.mark.parametrize("mode", ["AllowValidOnly", "AllowInsecureFallback"])
def test_open_connections_end_when_clients_are_judged_anew(tmp_path: Path, server: NamedServer, mode: str) -> None:
    """What is under way is answered, but nobody stays whom nobody has judged."""
    port, file = free_port(), tmp_path / "all.yaml"
    reference = "{group: '', kind: ConfigMap, name: cas}"
    more = f"  tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{reference}], mode: {mode}}}}}}}}}\n"
    common = (ROUTE, backend("b", server), bundle("cas", CA), secret("any", CA.issue_cert("any.test")))
    file.write_text(documents(gateway(listener("any", port)), *common))
    with running(tmp_path) as process, speaking(port, over_http2(None), "any.test") as peer:
        kept = http.client.HTTPSConnection("127.0.0.1", port, timeout=50)
        kept.sock = trusting(CA).wrap_socket(
            socket.create_connection(("127.0.0.1", port), 5), server_hostname="any.test"
        )
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
        assert peer.get("/", host="any.test").status == 200
        file.write_text(documents(gateway(listener("any", port), more=more), *common))
        process.wait_for("reloaded")
        assert kept.sock.recv(1) == b""
        kept.close()
        while peer.read():
            pass
        assert peer.goaways


def over_http2(certificate: trustme.LeafCert | None) -> ssl.SSLContext:
    """A client's context that offers HTTP/2 only."""
    context = trusting(CA, certificate)
    context.set_alpn_protocols(["h2"])
    return context


def test_clients_come_in_whatever_they_show(tmp_path: Path, server: NamedServer) -> None:
    """``AllowInsecureFallback``, and back: what counts is what the file says now."""
    port, file = free_port(), tmp_path / "all.yaml"
    ours = secret("any", CA.issue_cert("any.test"))

    def version(mode: str) -> str:
        reference = "{group: '', kind: ConfigMap, name: cas}"
        validation = f"{{caCertificateRefs: [{reference}], mode: {mode}}}"
        more = f"  tls: {{frontend: {{default: {{validation: {validation}}}}}}}\n"
        return documents(
            gateway(listener("any", port), more=more), ROUTE, backend("b", server), bundle("cas", CA), ours
        )

    clients = (None, CA.issue_cert("us@any.test"), OTHER_CA.issue_cert("them@any.test"))
    file.write_text(version("AllowInsecureFallback"))
    with running(tmp_path) as process:
        for client in clients:
            assert ask(port, "any.test", "any.test", client) == (200, {"any.test"})
            with speaking(port, over_http2(client), "any.test") as peer:
                answer = peer.get("/", host="any.test")
                assert (answer.status, answer.body) == (200, b"one")
        file.write_text(version("AllowValidOnly"))
        process.wait_for("reloaded")
        for client in (clients[0], clients[2]):
            with pytest.raises((ssl.SSLError, OSError)):
                ask(port, "any.test", "any.test", client)
        file.write_text(version("AllowInsecureFallback"))
        process.wait_for("reloaded")
        assert ask(port, "any.test", "any.test")[0] == 200


def test_a_broken_certificate_disables_its_own_listener_only(tmp_path: Path, server: NamedServer) -> None:
    """The other listener of the Gateway goes on, and the log names the broken one."""
    port, broken = free_port(), free_port()
    listeners = (listener("any", port), listener("missing", broken))
    files = documents(gateway(*listeners), ROUTE, backend("b", server), secret("any", CA.issue_cert("any.test")))
    (tmp_path / "all.yaml").write_text(files)
    with running(tmp_path) as process:
        assert process.ready == f"ready https://127.0.0.1:{port}"
        assert ask(port, "any.test", "any.test")[0] == 200
        process.wait_for("Secret default/missing does not exist")
