"""TLS to a backend, as a value: whom to trust, which names to expect, who we are, and which TLS is spoken."""

import ssl
from dataclasses import dataclass, field
from typing import Literal

from gateway_filters.routing.certificate import CertificatePair

Version = Literal["1.2", "1.3"]
SPOKEN = ("h2", "http/1.1")
"""The protocols that may be offered to a backend by ALPN (RFC 7301)."""

_VERSIONS: dict[Version, ssl.TLSVersion] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# What Envoy Gateway lets one name, by the RFCs' name or OpenSSL's. Nothing else: OpenSSL's language for ciphers
# also has words for suites that encrypt nothing (eNULL) or ask for no certificate (aNULL).
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}


@dataclass(frozen=True, slots=True)
class SubjectAltName:
    """A name that a certificate may bear: a host name, which may begin with ``*.``, or a URI."""

    type: Literal["Hostname", "URI"]
    value: str


@dataclass(frozen=True, slots=True)
class TLSParameters:
    """Which TLS is spoken.

    ``least`` and ``most`` are versions. ``ciphers`` are those of TLS 1.2 in the order of preference, empty for
    OpenSSL's own. ``alpn`` are the protocols to offer, None for those of the backend's protocol.
    """

    least: Version = "1.2"
    most: Version = "1.3"
    ciphers: tuple[str, ...] = ()
    alpn: tuple[str, ...] | None = None

    def load_into(self, context: ssl.SSLContext) -> None:
        """Set versions and ciphers of ``context``; raises ``ValueError`` for a cipher that is not to be had."""
        context.minimum_version, context.maximum_version = _VERSIONS[self.least], _VERSIONS[self.most]
        if self.ciphers:
            context.set_ciphers(":".join(map(_cipher, self.ciphers)))


def _cipher(name: str) -> str:
    known = _CIPHERS.get(name, name)
    if known not in _CIPHERS.values():
        raise ValueError(f"{name} is no cipher of TLS 1.2 that can be had")
    return known


@dataclass(frozen=True, slots=True)
class BackendTLS:
    """TLS to a backend.

    ``hostname`` is asked for (SNI); None means the name of the endpoint. The certificate is verified against
    ``cas``, PEM text, None for the system's, and must bear one of ``names``, or without any the hostname; nothing
    of it is verified where ``verified`` is false. ``certificate`` is the one that we show if asked.
    """

    hostname: str | None
    cas: str | None = field(default=None, repr=False)
    names: tuple[SubjectAltName, ...] = ()
    verified: bool = True
    certificate: CertificatePair | None = None
    parameters: TLSParameters = TLSParameters()
