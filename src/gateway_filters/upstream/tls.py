"""TLS to upstreams: contexts that verify, built from one named file of CAs.

``ssl.SSLContext(PROTOCOL_TLS_CLIENT)`` checks the chain and the name; with the CAs loaded from a file it
reads neither ``SSL_CERT_FILE`` nor ``SSLKEYLOGFILE``, so no environment variable weakens it.
"""

import ssl
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from gateway_filters.errors import ConfigurationError
from gateway_filters.routing import BackendTLS
from gateway_filters.upstream.peer_names import NamedContext

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
    _trust(context, cas, pem)
    return context


class Contexts:
    """One context for each way of doing TLS to backends, shared by all that do it so, for as long as one does.

    ``system_cas`` is the PEM file that stands for the system's CAs, by default the operating system's own.
    """

    def __init__(self, system_cas: str | Path | None = None) -> None:
        self._system_cas = system_cas
        self._made: WeakValueDictionary[BackendTLS, ssl.SSLContext] = WeakValueDictionary()

    def context(self, tls: BackendTLS) -> ssl.SSLContext:
        """The context for ``tls``; raises ``ConfigurationError`` when a certificate or cipher cannot be used."""
        way = replace(tls, hostname=None)  # each connection names its own
        known = self._made.get(way)
        if known is None:
            known = self._made[way] = self._make(way)
        return known

    def _make(self, tls: BackendTLS) -> ssl.SSLContext:
        context = NamedContext.of(tls.names) if tls.names else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if tls.verified:
            _trust(context, self._system_cas, tls.cas)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            tls.parameters.load_into(context)
            if tls.certificate is not None:
                tls.certificate.load_into(context)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(f"TLS to a backend cannot be set up: {error}") from None
        if tls.parameters.alpn:
            context.set_alpn_protocols(tls.parameters.alpn)
        return context


def _trust(context: ssl.SSLContext, cas: str | Path | None, pem: str | None) -> None:
    file = None if pem is not None else Path(cas) if cas is not None else system_file()
    try:
        context.load_verify_locations(cafile=file, cadata=pem)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"CA file {file} cannot be used: {error.strerror or error}") from error
