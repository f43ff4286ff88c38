"""TLS towards clients: the certificates of a socket's listeners, chosen by the name that a client asks for.

Facts
- The longest matching name wins, as for requests (Gateway API, GatewaySpec.listeners); a name that no listener
  has ends the handshake.
- New certificates count from the next handshake on; connections that are open keep theirs, unless their clients
  are to be judged in another way: then they end with what is under way.
- Sessions are resumed by the tickets of the context that a handshake began with, and who resumes is not asked for
  a certificate again. So there is another such context as soon as clients are to be judged in another way.
- A port has one way of judging clients (Gateway API, GatewayTLSConfig).
"""

import ssl
from collections.abc import Sequence
from typing import Protocol

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching.hostname import covers, precedence
from gateway_filters.routing import CertificatePair, Listener, ListenerTLS

CHOSEN = "chosen"
"""The attribute of an SSL object that names the host name of the listener it was chosen for."""

ALPN = ("h2", "http/1.1")
"""The protocols that clients may agree on (RFC 7301), best first."""

Certificates = Sequence[tuple[str | None, tuple[CertificatePair, ...]]]
"""Certificates by the host name of their listener, most specific first."""

_Judgement = tuple[str | None, bool]


class FrontendTLS:
    """The TLS context of a socket, whose listeners may be replaced at any time.

    Raises ``ConfigurationError`` for a certificate that cannot be used, and for listeners that judge clients in
    different ways.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.context = _Entrance(ssl.PROTOCOL_TLS_SERVER)
        self._judgement: _Judgement | None = None
        self.show(listeners)

    def show(self, listeners: Sequence[Listener]) -> bool:
        """Use the certificates of ``listeners`` from the next handshake on.

        Gives whether clients are judged in another way than before.
        """
        secure = [(each.hostname, each.tls) for each in listeners if each.tls is not None]
        secure.sort(key=lambda each: precedence(each[0]))
        judgement = _judgement([tls for _, tls in secure])
        contexts = self.context.contexts
        anew = contexts is None or judgement != self._judgement
        if contexts is None or anew:
            contexts = _contexts(judgement)
        try:
            contexts.show([(hostname, tls.certificates) for hostname, tls in secure])
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(f"a listener's certificate cannot be used: {error}") from None
        self.context.contexts, self._judgement = contexts, judgement
        return anew


class _Contexts(Protocol):
    """Contexts by name, for one way of judging clients."""

    def show(self, certificates: Certificates) -> None:
        """Use these from the next handshake on."""

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """A connection between two buffers."""
        ...


class _Entrance(ssl.SSLContext):
    """What an event loop holds while a socket is open; what counts now makes each connection."""

    contexts: _Contexts | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the base class's
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The server's side of a connection."""
        del server_side, server_hostname, session
        assert self.contexts is not None
        return self.contexts.wrap(incoming, outgoing)


def _judgement(ways: Sequence[ListenerTLS]) -> _Judgement:
    if not all(each.judges_like(ways[0]) for each in ways):
        raise ConfigurationError("listeners of one socket judge clients' certificates in different ways")
    return (ways[0].client_cas, ways[0].clients_required) if ways else (None, True)


def _contexts(judgement: _Judgement) -> _Contexts:
    client_cas, required = judgement
    if client_cas is None or required:
        return _StrictTLS(client_cas)
    try:
        from gateway_filters.lenient_tls import LenientTLS  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("AllowInsecureFallback needs the extra gateway-filters[pyopenssl]") from None
    return LenientTLS(ALPN)


class _StrictTLS:
    """Contexts by name for clients without a certificate, or with one of the authorities ``client_cas``."""

    def __init__(self, client_cas: str | None) -> None:
        self._client_cas = client_cas
        self._base = _context(client_cas)
        self._base.sni_callback = self._choose
        self._chosen: tuple[tuple[str | None, ssl.SSLContext], ...] = ()

    def show(self, certificates: Certificates) -> None:
        self._chosen = tuple((hostname, self._loaded(pairs)) for hostname, pairs in certificates)

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        return self._base.wrap_bio(incoming, outgoing, server_side=True)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        host = (name or "").lower()
        for hostname, context in self._chosen:
            if covers(hostname, host):
                connection.context = context
                setattr(connection, CHOSEN, hostname)
                return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def _loaded(self, pairs: Sequence[CertificatePair]) -> ssl.SSLContext:
        # The connection verifies with the authorities of the context that was chosen, in the mode of the first.
        context = _context(self._client_cas)
        for pair in pairs:
            pair.load_into(context)
        return context


def _context(client_cas: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # it costs us more than the client; OpenSSL 3 has it off anyway
    context.set_alpn_protocols(list(ALPN))
    if client_cas is not None:
        context.load_verify_locations(cadata=client_cas)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
