"""TLS towards clients: the certificates of a socket's listeners, chosen by the name that a client asks for.

Facts
- The longest matching name wins, as for requests (Gateway API, GatewaySpec.listeners); a name that no listener
  has ends the handshake.
- New certificates count from the next handshake on; connections that are open keep theirs.
"""

import ssl
from collections.abc import Sequence

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching.hostname import covers, precedence
from gateway_filters.routing import Listener, ListenerTLS

CHOSEN = "gateway_filters_listener"
"""The attribute of an SSL object that names the host name of the listener it was chosen for."""


class FrontendTLS:
    """The TLS context of a socket, whose listeners may be replaced at any time.

    Raises ``ConfigurationError`` for a certificate that cannot be used.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.context = _context()
        self.context.sni_callback = self._choose
        self._contexts: tuple[tuple[str | None, ssl.SSLContext], ...] = ()
        self.show(listeners)

    def show(self, listeners: Sequence[Listener]) -> None:
        """Use the certificates of ``listeners`` from the next handshake on."""
        secure = sorted(
            ((each.hostname, each.tls) for each in listeners if each.tls is not None),
            key=lambda each: precedence(each[0]),
        )
        self._contexts = tuple((hostname, _loaded(tls)) for hostname, tls in secure)
        if secure:
            # A port has one validation for all of its listeners (Gateway API, GatewayTLSConfig).
            _ask_clients(self.context, secure[0][1])

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        host = (name or "").lower()
        for hostname, context in self._contexts:
            if covers(hostname, host):
                connection.context = context
                setattr(connection, CHOSEN, hostname)
                return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _ask_clients(context: ssl.SSLContext, tls: ListenerTLS) -> None:
    if tls.client_cas is None:
        context.verify_mode = ssl.CERT_NONE
        return
    context.load_verify_locations(cadata=tls.client_cas)
    context.verify_mode = ssl.CERT_REQUIRED if tls.clients_required else ssl.CERT_OPTIONAL


def _loaded(tls: ListenerTLS) -> ssl.SSLContext:
    context = _context()
    # The connection verifies with the authorities of the context that was chosen, in the mode of the first.
    _ask_clients(context, tls)
    for pair in tls.certificates:
        try:
            pair.load_into(context)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(f"a listener's certificate cannot be used: {error}") from None
    return context
