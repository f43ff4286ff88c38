"""Names in the certificate of a TLS peer, where it must bear one of several: OpenSSL can only look for one host.

Facts
- Only subjectAltName counts, never the subject's common name (RFC 9525 6.3).
- Host names are compared label by label without regard to case. A ``*`` is a whole leftmost label and stands for
  exactly one, over at least two others; it may stand in the certificate and in what is expected.
- URIs are compared as they are (SPIFFE IDs are, SPIFFE-ID 2).
- The names are looked at when the handshake ends, before a byte of a request: the event loop hears of the end
  from the same call, and gets an error instead.
"""

import ssl
from collections.abc import Iterable, Mapping
from typing import NoReturn, Self, cast

from gateway_filters.routing import SubjectAltName

_FEWEST_BELOW_STAR = 2


def bears(certificate: Mapping[str, object], names: Iterable[SubjectAltName]) -> bool:
    """Whether a certificate, as ``getpeercert`` gives it, has one of ``names`` among its subjectAltNames."""
    borne = cast("tuple[tuple[str, str], ...]", certificate.get("subjectAltName", ()))
    hosts = [value.lower() for kind, value in borne if kind == "DNS"]
    uris = {value for kind, value in borne if kind == "URI"}
    return any(
        each.value in uris if each.type == "URI" else any(_same_host(each.value.lower(), host) for host in hosts)
        for each in names
    )


def _same_host(expected: str, borne: str) -> bool:
    if expected == borne:
        return True
    wildcard, other = (borne, expected) if borne.startswith("*.") else (expected, borne)
    below = wildcard.removeprefix("*.")
    label, _, rest = other.partition(".")
    return wildcard != below and below.count(".") + 1 >= _FEWEST_BELOW_STAR and rest == below and label not in ("", "*")


class NamedPeer(ssl.SSLObject):
    """A TLS connection whose handshake fails when the peer bears none of its context's names."""

    def do_handshake(self) -> None:
        """Shake hands; raises ``ssl.SSLCertVerificationError`` for a peer that is none of those expected."""
        super().do_handshake()
        context = self.context
        assert isinstance(context, NamedContext)
        try:
            certificate = self.getpeercert() or {}
        except ValueError as error:  # a name that is no text
            raise ssl.SSLCertVerificationError("the names in the certificate cannot be read") from error
        if not bears(certificate, context.names):
            raise ssl.SSLCertVerificationError("the certificate bears none of the names that are expected")


class NamedContext(ssl.SSLContext):
    """A verifying context whose peers must bear one of ``names``, which may leave out the name that is asked for."""

    sslobject_class = NamedPeer
    names: tuple[SubjectAltName, ...]

    @classmethod
    def of(cls, names: tuple[SubjectAltName, ...]) -> Self:
        """A context for peers with ``names``; authorities are still to be loaded."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.names = names
        return context

    def wrap_socket(self, *_: object, **__: object) -> NoReturn:
        """Blocking sockets shake hands inside OpenSSL, where nobody would look at the names."""
        raise NotImplementedError("names are looked at on event loops only")
