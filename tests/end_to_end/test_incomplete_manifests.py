"""Manifests with something missing: the process runs and says what, and its requests go nowhere."""

from pathlib import Path

from certificates import Certificates
from gateway_process import SEED, GatewayProcess
from provider import Provider
from raw_client import ask


def test_without_the_secret_nothing_is_sent(provider: Provider, certificates: Certificates, tmp_path: Path) -> None:
    """No Secret: it is said on stderr, requests get 503, and the provider is not even dialled."""
    manifests = _copied(tmp_path, "gateway-route.yaml", "maas-policy.yaml")
    with GatewayProcess(tmp_path, certificates.system_cas, manifests=manifests) as gateway:
        assert "Secret default/bailian-credential does not exist" in gateway.stderr
        gateway.send_to(provider.port)
        came = ask(gateway.port, headers=[("Authorization", "Bearer mine")])
        assert (came.status, came.error()["type"]) == (503, "credential_unavailable")
        assert ask(gateway.port, "/elsewhere").status == 404
    assert provider.wires == []


def test_without_the_filter_nothing_is_sent(provider: Provider, certificates: Certificates, tmp_path: Path) -> None:
    """No HTTPRouteFilter: the route never runs without it; 500, and the provider is not even dialled."""
    manifests = _copied(tmp_path, "gateway-route.yaml", "maas-policy.yaml", "secret.yaml")
    route = manifests / "gateway-route.yaml"
    documents = route.read_text().split("\n---")
    route.write_text("\n---".join(each for each in documents if "kind: HTTPRouteFilter\nmetadata" not in each))
    with GatewayProcess(tmp_path, certificates.system_cas, manifests=manifests) as gateway:
        assert "HTTPRouteFilter credential-injection does not exist" in gateway.stderr
        gateway.send_to(provider.port)
        came = ask(gateway.port)
        assert (came.status, came.error()["type"]) == (500, "gateway_error")
        assert ask(gateway.port, "/elsewhere").status == 404
    assert provider.wires == []


def _copied(folder: Path, *names: str) -> Path:
    manifests = folder / "manifests"
    manifests.mkdir()
    for name in names:
        (manifests / name).write_bytes((SEED / name).read_bytes())
    return manifests
