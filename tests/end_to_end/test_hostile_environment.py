"""Environment variables that steer HTTP and TLS libraries have no say in where a key goes and whom it trusts."""

from pathlib import Path

import answers
import pytest
from certificates import Certificates
from gateway_process import GatewayProcess
from provider import Provider, wait_until
from raw_client import ask

_NOWHERE = "http://127.0.0.1:9"
_PROXIES = {name: _NOWHERE for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (upper, upper.lower())}

TRUST = [
    pytest.param("/dev/null", id="that would trust nobody"),
    pytest.param(None, id="that would trust an impostor"),
]


@pytest.mark.parametrize("certificate_file", TRUST)
def test_variables_change_nothing(
    provider: Provider, certificates: Certificates, tmp_path: Path, certificate_file: str | None
) -> None:
    """Proxies are passed by, CAs come from the given file alone, and no TLS keys are logged."""
    key_log = tmp_path / "keys"
    trusted = certificate_file or str(certificates.impostor_cas)
    variables = {**_PROXIES, "SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted, "SSLKEYLOGFILE": str(key_log)}
    with (
        GatewayProcess(tmp_path, certificates.system_cas, environment=variables) as gateway,
        Provider(certificates.untrusted, answers.openai) as impostor,
    ):
        gateway.send_to(provider.port)
        assert ask(gateway.port).status == 200
        gateway.send_to(impostor.port)
        assert ask(gateway.port).status == 503
        wait_until(lambda: bool(impostor.wires) and impostor.wires[0].handshake_error is not None)
        assert impostor.exchanges == []
    assert not key_log.exists() or key_log.stat().st_size == 0
