"""The certificates that the suite makes for itself, as Secrets and ConfigMaps and as files."""

import base64
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

INFRA = "gateway-conformance-infra"
APP = "gateway-conformance-app-backend"
WEB = "gateway-conformance-web-backend"
_SPIFFE = "spiffe://abc.example.com/test-identity"
_ABC = ("abc.example.com", "other.example.com", _SPIFFE)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate as text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key as text."""
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


@dataclass(frozen=True)
class Certificates:
    """Certificates by ``namespace/name`` of their Secret, CAs by that of their ConfigMap."""

    folder: Path
    secrets: dict[str, Issued] = field(default_factory=dict[str, Issued])
    authorities: dict[str, Issued] = field(default_factory=dict[str, Issued])

    @property
    def objects(self) -> list[dict[str, Any]]:
        """All of them as manifests."""
        secrets = [_secret(name, issued) for name, issued in self.secrets.items()]
        return secrets + [_config_map(name, issued) for name, issued in self.authorities.items()]

    @property
    def trust(self) -> str:
        """Every certificate and CA: whom a client of the gateway believes."""
        return "".join(issued.pem for issued in (*self.secrets.values(), *self.authorities.values()))

    def load(self, context: ssl.SSLContext, secret: str) -> None:
        """Give the context the certificate and key of a Secret."""
        context.load_cert_chain(self.folder / secret.replace("/", "_"))

    def pem(self, secret: str) -> str:
        """The certificate of a Secret."""
        return self.secrets[secret].pem


def make_certificates(folder: Path) -> Certificates:
    """A new set; the files that ``load`` needs are written to ``folder``."""
    validity, per_port, checks, mismatch, web = (_issue((), None) for _ in range(5))
    made = Certificates(folder)
    made.authorities[f"{INFRA}/tls-validity-checks-ca-certificate"] = validity
    made.authorities[f"{INFRA}/tls-validity-checks-per-port-ca-certificate"] = per_port
    made.authorities[f"{INFRA}/tls-checks-ca-certificate"] = checks
    made.authorities[f"{INFRA}/mismatch-ca-certificate"] = mismatch
    made.authorities[f"{WEB}/web-backend-cm"] = web
    made.secrets[f"{INFRA}/tls-validity-checks-certificate"] = _issue(("*", "*.org", "*.wildcard.org"), None)
    made.secrets[f"{INFRA}/tls-validity-checks-client-certificate"] = _issue(("*",), validity)
    made.secrets[f"{INFRA}/tls-validity-checks-per-port-client-certificate"] = _issue(("*",), per_port)
    made.secrets[f"{INFRA}/tls-checks-certificate"] = _issue(_ABC, checks)
    made.secrets[f"{INFRA}/tls-checks-client-certificate"] = _issue(("abc.example.com",), checks)
    # Two Deployments of base.yaml mount this one, though no test of the profile dials them.
    passthrough = _issue(("abc.example.com",), None)
    made.secrets[f"{INFRA}/tls-passthrough-checks-certificate"] = passthrough
    made.secrets[f"{APP}/tls-passthrough-checks-certificate"] = passthrough
    made.secrets[f"{WEB}/certificate"] = _issue(("*",), None)
    for name, issued in made.secrets.items():
        (folder / name.replace("/", "_")).write_text(issued.key_pem + issued.pem)
    return made


def covers(names: Sequence[str], host: str) -> bool:
    """Whether one of a certificate's names, wildcards included, is the host's.

    OpenSSL itself refuses a wildcard over a single label such as ``*.org``, which the suite's certificate has.
    """
    return any(name in (host, "*." + host.partition(".")[2]) or (name == "*" and "." not in host) for name in names)


def _issue(names: Sequence[str], issuer: Issued | None) -> Issued:
    """A certificate of the issuer's, or one that signs itself and may sign others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"conformance {x509.random_serial_number():x}")])
    signer = issuer.key if issuer else key
    builder = _dated().subject_name(subject).public_key(key.public_key())
    builder = builder.issuer_name(issuer.certificate.subject if issuer else subject)
    for extension, critical in _extensions(names, key, signer, authority=issuer is None):
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(signer, hashes.SHA256()), key)


def _dated() -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=2))


def _extensions(
    names: Sequence[str], key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, authority: bool
) -> list[tuple[x509.ExtensionType, bool]]:
    # Python 3.13 verifies strictly: key identifiers and usages must be there.
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=authority, path_length=None), True),
        (_usage(authority=authority), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    return [*found, (x509.SubjectAlternativeName([_general(each) for each in names]), False)] if names else found


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(name) if "://" in name else x509.DNSName(name)


def _secret(name: str, issued: Issued) -> dict[str, Any]:
    data = {"tls.crt": issued.pem, "tls.key": issued.key_pem}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": encoded, **_metadata(name)}


def _config_map(name: str, issued: Issued) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": issued.pem}, **_metadata(name)}


def _metadata(name: str) -> dict[str, Any]:
    namespace, _, rest = name.partition("/")
    return {"metadata": {"name": rest, "namespace": namespace}}
