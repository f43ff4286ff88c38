"""Certificates renewed under load, on both sides of the ``run`` process: no request is lost.

A short form runs always; with ``GATEWAY_FILTERS_LONG=1`` there are a hundred renewals.
"""

# pyright: reportUnknownMemberType=false

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
import trustme
from cryptography import x509

from effort import LONG
from run.gateway_run import NamedServer, documents, free_port, running, upstream
from run.test_https import ROUTE, gateway, listener
from tls_manifests import bundle, secret

RENEWALS = 100 if LONG else 15
CA = trustme.CA()


class Clients:
    """Threads that ask without a pause: half on connections that they keep, half on new ones each time."""

    def __init__(self, port: int) -> None:
        self.served = 0
        self.failures: list[str] = []
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        CA.configure_trust(self._context)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number % 2 == 0,)) for number in range(4)]

    def _run(self, kept: bool) -> None:
        connection: http.client.HTTPSConnection | None = None
        while not self._stop.is_set():
            connection = connection or http.client.HTTPSConnection(
                "localhost", self._port, context=self._context, timeout=50
            )
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                said = (answer.status, answer.read())
            except (OSError, http.client.HTTPException) as error:
                said = repr(error)
            if said == (200, b"one"):
                self.served += 1
            else:
                self.failures.append(str(said))
            if not kept or said != (200, b"one"):
                connection.close()
                connection = None
            time.sleep(0.005)
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def asking_upstream(shown: list[int]) -> Generator[NamedServer]:
    """An upstream over TLS that serves only who shows a certificate, and notes their serial numbers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("upstream.test").configure_cert(context)
    CA.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    with upstream("one") as server:
        accept = server.get_request

        def accept_secured() -> tuple[socket.socket, object]:
            plain, address = accept()
            secured = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=True)
            certificate = secured.getpeercert()
            assert certificate is not None
            shown.append(int(str(certificate["serialNumber"]), 16))
            return secured, address

        server.get_request = accept_secured  # type: ignore[method-assign]
        yield server


def manifests(port: int, server: NamedServer) -> str:
    """A Gateway that shows its own certificate to its one backend."""
    more = "  tls: {backend: {clientCertificateRef: {name: ours}}}\n"
    return documents(
        gateway(listener("any", port), more=more),
        ROUTE,
        f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {server.server_address[1]}}}}}]}}
""",
        """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]
  validation: {hostname: upstream.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: cas}]}
""",
        bundle("cas", CA),
    )


class Folder:
    """Manifests with Secrets that are replaced in one go, as Kubernetes does it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.frontend = self.ours = 0

    def renew(self) -> None:
        """New certificates for clients and for the backend."""
        frontend, ours = CA.issue_cert("localhost"), CA.issue_cert("gateway@x.test")
        fresh = self._path.parent / "fresh.yaml"
        fresh.write_text(documents(secret("any", frontend), secret("ours", ours)))
        fresh.replace(self._path / "secrets.yaml")
        self.frontend, self.ours = serial(frontend), serial(ours)


def serial(leaf: trustme.LeafCert) -> int:
    """The serial number of a certificate."""
    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number


def shown_to_clients(port: int) -> int:
    """The serial number of the certificate that the gateway shows now."""
    pem = ssl.get_server_certificate(("localhost", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.mark.timeout(600 if LONG else 60)
def test_renewals_cost_no_request(tmp_path: Path) -> None:
    """Both certificates are new each time, connections are kept and made all the while, and every answer is right."""
    shown: list[int] = []
    manifest = tmp_path / "manifests"
    manifest.mkdir()
    folder, port = Folder(manifest), free_port()
    with asking_upstream(shown) as server:
        (manifest / "all.yaml").write_text(manifests(port, server))
        folder.renew()
        with running(manifest) as process, Clients(port) as clients:
            for _ in range(RENEWALS):
                folder.renew()
                process.wait_for("reloaded")
                assert shown_to_clients(port) == folder.frontend
                _until(lambda: folder.ours in shown)
    assert clients.served > RENEWALS
    assert clients.failures == []
    assert len(set(shown)) >= RENEWALS


def _until(holds: Callable[[], bool], seconds: float = 50) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
