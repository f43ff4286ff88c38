"""Certificates, right and wrong, for the provider's name."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme

HOST = "dashscope.aliyuncs.com"


@dataclass(frozen=True)
class Certificates:
    """Files (PEM): the CA that stands for the system's, another one, and certificates with their keys."""

    system_cas: Path
    impostor_cas: Path
    right: Path
    untrusted: Path
    other_name: Path
    expired: Path


def issue(folder: Path) -> Certificates:
    """New certificates; their files are written to ``folder``."""
    system, impostor = trustme.CA(), trustme.CA()
    system.cert_pem.write_to_path(folder / "system.pem")
    impostor.cert_pem.write_to_path(folder / "impostor.pem")
    first, last = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    certificates = {
        "right": system.issue_cert(HOST),
        "untrusted": impostor.issue_cert(HOST),
        "other_name": system.issue_cert("dashscope.aliyuncs.com.example"),
        "expired": system.issue_cert(HOST, not_before=first, not_after=last),
    }
    for name, certificate in certificates.items():
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / name)
    return Certificates(folder / "system.pem", folder / "impostor.pem", *(folder / name for name in certificates))
