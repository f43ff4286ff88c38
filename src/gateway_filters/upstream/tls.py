"""TLS to upstreams: contexts that verify, built from one named file of CAs.

``ssl.SSLContext(PROTOCOL_TLS_CLIENT)`` checks the chain and the name; with the CAs loaded from a file it
reads neither ``SSL_CERT_FILE`` nor ``SSLKEYLOGFILE``, so no environment variable weakens it.
"""

import ssl
from pathlib import Path

from gateway_filters.errors import ConfigurationError

# Where operating systems keep the file with all of their CAs: Debian, Fedora, openSUSE, Alpine and macOS.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_file() -> Path:
    """The file with the system's CAs; raises ``ConfigurationError`` where there is none in a known place."""
    for name in _SYSTEM_FILES:
        if Path(name).is_file():
            return Path(name)
    raise ConfigurationError(f"no file with the system's CAs was found (looked at {', '.join(_SYSTEM_FILES)})")


def client_context(cas: str | Path | None = None, *, pem: str | None = None) -> ssl.SSLContext:
    """A verifying context, TLS 1.2 at least, that trusts the PEM file ``cas``, or the system's.

    ``pem`` is PEM text to trust instead of any file. Raises ``ConfigurationError`` when the file cannot be
    read or there is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file = None if pem is not None else Path(cas) if cas is not None else system_file()
    try:
        context.load_verify_locations(cafile=file, cadata=pem)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"CA file {file} cannot be used: {error.strerror or error}") from error
    return context
