"""TLS that asks clients for a certificate and lets them in whatever comes (Gateway API, AllowInsecureFallback).

Facts
- Python's ``ssl`` does not ask, or it ends the handshake with whoever shows a certificate that does not hold.
  OpenSSL leaves the verdict to a callback, which Python has only in pyOpenSSL (``gateway-filters[pyopenssl]``).
- Event loops drive TLS through the methods of an ``ssl.SSLObject`` between two buffers. ``LenientConnection`` has
  these methods over pyOpenSSL, so everything above and below is the same.
- Listeners without that mode never come here.
"""

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar, cast

from OpenSSL import SSL

from gateway_filters.matching.hostname import covers
from gateway_filters.routing import CertificatePair

T = TypeVar("T")

_PIECE = 64 * 1024


class _Chosen:
    """What the callback of a connection finds out; the connection itself would make a circle."""

    hostname: str | None = None


class LenientConnection:
    """What event loops use of an ``ssl.SSLObject``; errors are those of ``ssl``."""

    def __init__(self, context: SSL.Context, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._connection.set_app_data(_Chosen())
        self._incoming = incoming
        self._outgoing = outgoing
        self._dry = True  # whether all that came in has been made use of

    @property
    def chosen(self) -> str | None:
        """The host name of the listener that the client's name has chosen."""
        return cast("_Chosen", self._connection.get_app_data()).hostname

    def do_handshake(self) -> None:
        """Shake hands as far as the buffers go."""
        self._through(self._connection.do_handshake)

    def read(self, size: int = 1024, buffer: bytearray | memoryview | None = None) -> bytes | int:
        """Bytes, or their number in ``buffer``; empty after a goodbye."""
        try:
            if buffer is None:
                return self._through(lambda: self._connection.recv(size))
            return self._through(lambda: self._connection.recv_into(buffer, size))
        except ssl.SSLZeroReturnError:
            return b"" if buffer is None else 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Send bytes; gives how many were taken."""
        return self._through(lambda: self._connection.send(data)) if len(data) else 0

    def pending(self) -> int:
        """How many bytes can be read at once; one where that takes a try, for uvloop asks before it reads on."""
        return self._connection.pending() or int(not self._dry)

    def unwrap(self) -> None:
        """Say goodbye, and hear the other side's."""
        if not self._through(self._connection.shutdown):
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the other side has not said goodbye")

    def getpeercert(self) -> dict[str, object]:
        """Nothing: whatever the client has shown, nobody vouches for it."""
        return {}

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, version and bits of the cipher."""
        name = self._connection.get_cipher_name()
        if name is None:
            return None
        return name, self._connection.get_cipher_version() or "", self._connection.get_cipher_bits() or 0

    def compression(self) -> None:
        """There is none."""

    def version(self) -> str:
        """The version of TLS."""
        return self._connection.get_protocol_version_name()

    def selected_alpn_protocol(self) -> str | None:
        """The protocol that both sides have agreed on."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii") or None

    def _through(self, do: Callable[[], T]) -> T:
        """Do something with what has come in, and put out what is to be sent for it."""
        if self._incoming.pending:
            self._connection.bio_write(self._incoming.read())
            self._dry = False
        try:
            return do()
        except SSL.Error as error:
            self._dry = self._dry or isinstance(error, SSL.WantReadError)
            raise _as_ssl(error) from None
        finally:
            with suppress(SSL.WantReadError):
                while True:
                    self._outgoing.write(self._connection.bio_read(_PIECE))


def _as_ssl(error: SSL.Error) -> ssl.SSLError:
    if isinstance(error, SSL.WantReadError):
        return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more is to be read")
    if isinstance(error, SSL.ZeroReturnError):
        return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the other side has said goodbye")
    if isinstance(error, SSL.SysCallError):
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the other side has left")
    return ssl.SSLError(ssl.SSL_ERROR_SSL, "; ".join(str(each[-1]) for each in error.args[0]) if error.args else "")


class LenientTLS:
    """Contexts by name on pyOpenSSL, for clients whose certificates are asked for and not judged.

    ``alpn`` are the protocols that are spoken, best first.
    """

    def __init__(self, alpn: Sequence[str]) -> None:
        self._alpn = [each.encode("ascii") for each in alpn]
        self._base = self._context()
        self._base.set_tlsext_servername_callback(self._choose)
        self._contexts: tuple[tuple[str | None, SSL.Context], ...] = ()

    def show(self, certificates: Sequence[tuple[str | None, tuple[CertificatePair, ...]]]) -> None:
        """Use these certificates, by host name, from the next handshake on; raises ``ValueError`` for a bad one."""
        self._contexts = tuple((hostname, self._loaded(pairs)) for hostname, pairs in certificates)

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """A connection between two buffers."""
        return cast("ssl.SSLObject", LenientConnection(self._base, incoming, outgoing))

    def _choose(self, connection: SSL.Connection) -> None:
        host = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        for hostname, context in self._contexts:
            if covers(hostname, host):
                connection.set_context(context)
                cast("_Chosen", connection.get_app_data()).hostname = hostname
                return
        # Without a context there is no certificate, which ends the handshake.

    def _context(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_verify(SSL.VERIFY_PEER, _let_in)
        context.set_session_id(b"lenient")  # OpenSSL resumes nobody whom it asked for a certificate without one
        context.set_alpn_select_callback(self._agree)
        return context

    def _agree(self, _: SSL.Connection, offered: list[bytes]) -> bytes:
        found = next((each for each in self._alpn if each in offered), None)
        return cast("bytes", SSL.NO_OVERLAPPING_PROTOCOLS) if found is None else found

    def _loaded(self, pairs: Sequence[CertificatePair]) -> SSL.Context:
        context = self._context()
        for pair in pairs:
            with pair.file() as file:
                try:
                    context.use_certificate_chain_file(str(file))
                    context.use_privatekey_file(str(file))
                except SSL.Error as error:
                    raise ValueError(str(_as_ssl(error))) from None
        return context


def _let_in(*_: object) -> bool:
    return True
