"""gateway_api/listener_tls: which clients a listener takes, and listeners that would judge them differently."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from gateway_filters.gateway_api import listener_tls
from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.gateway_api.status import Json
from gateway_filters.routing import ListenerTLS
from tls_manifests import bundle, secret

CA, OTHER_CA = trustme.CA(), trustme.CA()


def validation(cas: str, mode: str = "AllowValidOnly") -> str:
    """A validation with the CA of a ConfigMap."""
    return f"{{validation: {{caCertificateRefs: [{{group: '', kind: ConfigMap, name: {cas}}}], mode: {mode}}}}}"


def gateway(name: str, frontend: str = "", hostname: str = "", born: str = "2026-01-01T00:00:00Z") -> str:
    """A Gateway with listeners at 443, 8443 and, without TLS, 80."""
    host = f"hostname: '{hostname}', " if hostname else ""
    tls = f"\n  tls: {{frontend: {{{frontend}}}}}" if frontend else ""
    certificate = "tls: {certificateRefs: [{name: cert}]}"
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, creationTimestamp: "{born}"}}
spec:
  gatewayClassName: any
  listeners:
  - {{name: https, port: 443, protocol: HTTPS, {host}{certificate}}}
  - {{name: other, port: 8443, protocol: HTTPS, {host}{certificate}}}
  - {{name: plain, port: 80, protocol: HTTP, {host}}}{tls}
"""


COMMON = (secret("cert", CA.issue_cert("cert.test")), bundle("ca", CA), bundle("other", OTHER_CA))


def translated(folder: Path, *texts: str) -> Translation:
    """What manifests mean."""
    (folder / "all.yaml").write_text("---".join((*texts, *COMMON)))
    return translate_files([folder])


def judged(tls: ListenerTLS | None) -> str:
    """Which clients come in."""
    if tls is None or tls.client_cas is None:
        return "anybody"
    whose = "ours" if tls.client_cas == CA.cert_pem.bytes().decode() else "theirs"
    return whose if tls.clients_required else f"anybody, asked for {whose}"


ROWS = [
    pytest.param("", {"https": "anybody", "other": "anybody"}, id="nothing is said"),
    pytest.param(f"default: {validation('ca')}", {"https": "ours", "other": "ours"}, id="the same on all ports"),
    pytest.param(
        f"default: {validation('ca')}, perPort: [{{port: 8443, tls: {validation('other')}}}]",
        {"https": "ours", "other": "theirs"},
        id="a port of its own",
    ),
    pytest.param(
        f"default: {validation('ca')}, perPort: [{{port: 8443, tls: {{}}}}]",
        {"https": "ours", "other": "anybody"},
        id="a port where nobody is asked",
    ),
    pytest.param(
        f"default: {{}}, perPort: [{{port: 8443, tls: {validation('ca', 'AllowInsecureFallback')}}}]",
        {"https": "anybody", "other": "anybody, asked for ours"},
        id="a port where certificates are asked for and not judged",
    ),
    pytest.param(
        f"default: {{}}, perPort: [{{port: 80, tls: {validation('ca')}}}]",
        {"https": "anybody", "other": "anybody"},
        id="a port without TLS",
    ),
]


@pytest.mark.parametrize(("frontend", "expected"), ROWS)
def test_which_clients_a_listener_takes(frontend: str, expected: dict[str, str], tmp_path: Path) -> None:
    """The validation of a port replaces the default."""
    translation = translated(tmp_path, gateway("g", frontend))
    found = {each.name.rpartition("/")[2]: judged(each.tls) for each in translation.listeners}
    assert found == {**expected, "plain": "anybody"}
    insecure = [each for each in conditions(translation, "g") if each["type"] == "InsecureFrontendValidationMode"]
    assert [each["reason"] for each in insecure] == ["ConfigurationChanged"] * ("asked" in str(expected))


def reference(kind: str, name: str, more: str = "") -> str:
    """A reference to CA certificates."""
    return f"{{group: '', kind: {kind}, name: {name}{more}}}"


MISSING, OTHER_KIND = reference("ConfigMap", "missing"), reference("Service", "ca")
NOT_GRANTED, GOOD = reference("ConfigMap", "ca", ", namespace: other"), reference("ConfigMap", "ca")
NOBODY = "False NoValidCACertificate"
BROKEN = [
    pytest.param(MISSING, "InvalidCACertificateRef", NOBODY, id="authorities that are not there"),
    pytest.param(reference("ConfigMap", "text"), "InvalidCACertificateRef", NOBODY, id="text that is no certificate"),
    pytest.param(OTHER_KIND, "InvalidCACertificateKind", NOBODY, id="authorities in another kind of object"),
    pytest.param(NOT_GRANTED, "RefNotPermitted", NOBODY, id="authorities elsewhere without a grant"),
    pytest.param(f"{GOOD}, {MISSING}", "InvalidCACertificateRef", "True Accepted", id="one of two that is not there"),
]


@pytest.mark.parametrize(("refs", "reason", "accepted"), BROKEN)
def test_authorities_that_cannot_be_had_close_their_port(refs: str, reason: str, accepted: str, tmp_path: Path) -> None:
    """Only those listeners: nobody is let in unasked, and all the others serve (Gateway API, FrontendTLSValidation)."""
    frontend = f"default: {{}}, perPort: [{{port: 8443, tls: {{validation: {{caCertificateRefs: [{refs}]}}}}}}]"
    text = "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: text}\ndata: {ca.crt: none}\n"
    translation = translated(tmp_path, gateway("g", frontend), text)
    assert {each.name for each in translation.listeners} == {"default/g/https", "default/g/plain"}
    said = {each["name"]: each["conditions"] for each in status(translation, "g")["listeners"]}
    told = {each["type"]: f"{each['status']} {each['reason']}" for each in said["other"]}
    assert (told["ResolvedRefs"], told["Accepted"], told["Programmed"]) == (
        f"False {reason}",
        accepted,
        "False Invalid",
    )
    assert all(each["status"] == "True" for each in said["https"] if each["type"] != "Conflicted")


def test_without_the_library_nobody_comes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener is not served, the others are, and the reason names the extra."""

    def found(_: str) -> None:
        return None

    monkeypatch.setattr(listener_tls, "find_spec", found)
    frontend = f"default: {{}}, perPort: [{{port: 8443, tls: {validation('ca', 'AllowInsecureFallback')}}}]"
    translation = translated(tmp_path, gateway("g", frontend))
    assert {each.name for each in translation.listeners} == {"default/g/https", "default/g/plain"}
    assert any("gateway-filters[pyopenssl]" in str(each) for each in translation.problems)


def test_gateways_that_share_a_socket_judge_clients_alike(tmp_path: Path) -> None:
    """Otherwise the older one has it: whose name is more specific must not decide who gets in."""
    older = gateway("older", f"default: {validation('ca')}", "*.example.com")
    younger = gateway("younger", "", "a.example.com", "2026-02-01T00:00:00Z")
    translation = translated(tmp_path, older, younger)
    assert {each.name for each in translation.listeners} == {
        *(f"default/older/{name}" for name in ("https", "other", "plain")),
        "default/younger/plain",
    }
    conflicts = dict(listeners(translation, "younger"))
    assert conflicts == {"https": "ProtocolConflict", "other": "ProtocolConflict", "plain": "NoConflicts"}
    alike = gateway("younger", f"default: {validation('ca')}", "a.example.com", "2026-02-01T00:00:00Z")
    assert len(translated(tmp_path, older, alike).listeners) == 6


def conditions(translation: Translation, name: str) -> list[Json]:
    """The conditions of a Gateway."""
    return status(translation, name)["conditions"]


def listeners(translation: Translation, name: str) -> Iterator[tuple[str, str]]:
    """Each listener of a Gateway with the reason of its condition Conflicted."""
    for each in status(translation, name)["listeners"]:
        (reason,) = (one["reason"] for one in each["conditions"] if one["type"] == "Conflicted")
        yield each["name"], reason


def status(translation: Translation, name: str) -> Json:
    """The status of a Gateway."""
    return translation.statuses["gateway.networking.k8s.io", "Gateway", "default", name]
