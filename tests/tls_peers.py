"""Both ends of TLS connections in memory and over sockets, for tests of what is agreed between them."""

# pyright: reportUnknownMemberType=false

import ssl
from collections.abc import Sequence

import trustme

from gateway_filters.routing import CertificatePair, Listener, ListenerTLS


def pair_of(leaf: trustme.LeafCert) -> CertificatePair:
    """The text of a certificate with its chain and key."""
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
    return CertificatePair(chain.decode(), leaf.private_key_pem.bytes().decode())


def listening(
    *certificates: tuple[str | None, trustme.LeafCert], cas: trustme.CA | None = None, required: bool = True
) -> list[Listener]:
    """HTTPS listeners by host name."""
    bundle = None if cas is None else cas.cert_pem.bytes().decode()
    return [
        Listener(str(hostname), 443, hostname, protocol="HTTPS", tls=ListenerTLS((pair_of(leaf),), bundle, required))
        for hostname, leaf in certificates
    ]


def trusting(authority: trustme.CA, own: trustme.LeafCert | None = None, **given: object) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    for name, value in given.items():
        setattr(context, name, value)
    return context


class Ends:
    """A client and a server between buffers in memory; raises what either of them does."""

    def __init__(
        self,
        client: ssl.SSLContext,
        server: ssl.SSLContext,
        name: str | None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(back, there, server_hostname=name, session=session)
        self.server = server.wrap_bio(there, back, server_side=True)

    def shake_hands(self) -> "Ends":
        """Until both are content, and the client has what a server sends after that."""
        waiting: Sequence[ssl.SSLObject] = (self.client, self.server)
        while waiting:
            waiting = [each for each in waiting if not _done(each)]
        self.send(b"?")
        return self

    def send(self, data: bytes) -> None:
        """From the server to the client."""
        self.server.write(data)
        assert self.client.read(len(data)) == data


def _done(connection: ssl.SSLObject) -> bool:
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
