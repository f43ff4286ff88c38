"""``run`` follows what a backend's TLS stands on: authorities, and the certificate that is shown."""

# pyright: reportUnknownMemberType=false

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from run.gateway_run import NamedServer, RunningGateway, documents, free_port, gateway, get, route, running, upstream
from tls_manifests import bundle, secret

CA, OTHER_CA = trustme.CA(), trustme.CA()


@contextmanager
def secured() -> Generator[NamedServer]:
    """An upstream over TLS, which asks nobody who they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("upstream.test").configure_cert(context)
    with upstream("one") as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


def backend(server: NamedServer, tls: str = "") -> str:
    """A Backend at the upstream."""
    own = f"\n  tls: {{{tls}}}" if tls else ""
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b}}
spec:
  endpoints: [{{ip: {{address: 127.0.0.1, port: {server.server_address[1]}}}}}]{own}
"""


POLICY = """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]
  validation: {hostname: upstream.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: cas}]}
"""
OWN = 'sni: upstream.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: cas}]'


@pytest.mark.parametrize("whose", ["the policy's", "the Backend's"])
def test_authorities_that_change(whose: str, tmp_path: Path) -> None:
    """They count for the next request, whatever connections there are from before."""
    port, file = free_port(), tmp_path / "cas.yaml"
    with secured() as server:
        texts = (backend(server), POLICY) if whose == "the policy's" else (backend(server, OWN),)
        (tmp_path / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), *texts))
        file.write_text(bundle("cas", OTHER_CA))
        with running(tmp_path) as process:
            assert get(port, "/")[0] == 503
            for text, status in (
                (bundle("cas", CA), 200),
                (bundle("cas", OTHER_CA), 503),
                (bundle("cas", CA), 200),
                (bundle("others", CA), 500),
            ):
                _change(process, file, text)
                assert get(port, "/")[0] == status


def test_a_certificate_of_ours_that_comes_and_goes(tmp_path: Path) -> None:
    """Without it no request goes out; as soon as it is there, they do."""
    port, file = free_port(), tmp_path / "ours.yaml"
    with secured() as server:
        shows = gateway(port) + "  tls: {backend: {clientCertificateRef: {name: ours}}}\n"
        texts = (shows, route("r", "/", "b"), backend(server), POLICY, bundle("cas", CA))
        (tmp_path / "all.yaml").write_text(documents(*texts))
        with running(tmp_path) as process:
            assert get(port, "/")[0] == 500
            _change(process, file, secret("ours", CA.issue_cert("us.test")))
            assert get(port, "/") == (200, "one")
            _change(process, file, bundle("nothing", CA))
            assert get(port, "/")[0] == 500


def _change(process: RunningGateway, file: Path, text: str) -> None:
    fresh = file.parent.parent / "fresh.yaml"
    fresh.write_text(text)
    fresh.replace(file)
    process.wait_for("reloaded")
