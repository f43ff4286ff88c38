"""The opening handshake with an upstream (RFC 6455 4): an ordinary request, and what its 101 must say. Pure.

Facts
- What concerns one connection is made anew: key, version and the upgrade itself. No extension is offered, since
  none that two hops have agreed on could be handed on in ASGI's messages.
- Everything else goes as for any request: target, Host, Origin, cookies, the subprotocols in the client's words.
- Browsers cannot give a WebSocket headers, so their clients show their key in a subprotocol. Where a credential of
  ours goes, theirs does not go along; nor is it chosen then, since nobody has offered it to the upstream.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator

from gateway_filters.errors import UpstreamMalformed
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import HOP_BY_HOP, Headers, values
from gateway_filters.upstream.transport import OutgoingRequest, Peer

_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OF_ONE_HOP = HOP_BY_HOP | {
    b"content-length",
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-version",
}
# As OpenAI's and Kubernetes' APIs take them.
_CREDENTIALS = (b"openai-insecure-api-key.", b"base64url.bearer.authorization.k8s.io.")


class Handshake:
    """The handshake for ``head``: ``request`` is to be sent; ``repeat`` as in ``OutgoingRequest``."""

    def __init__(self, head: RequestHead, *, repeat: bool, client: Peer | None = None) -> None:
        self._key = base64.b64encode(secrets.token_bytes(16))
        host = ((b"host", head.authority),) if head.authority else ()
        kept = tuple(pair for pair in head.headers if pair[0] not in _OF_ONE_HOP)
        if head.injected:
            kept = tuple(_without_credentials(kept))
        self._offered = frozenset(_names(kept))
        headers = (*host, *kept, *self._own())
        self.request = OutgoingRequest("GET", head.target, headers, None, repeat=repeat, client=client)

    def subprotocol(self, answer: Headers) -> str | None:
        """The subprotocol that the headers of a 101 choose, None for none.

        Raises ``UpstreamMalformed`` where they do not answer this handshake (RFC 6455 4.1).
        """
        if values(answer, b"sec-websocket-accept") != (_accept(self._key),):
            raise UpstreamMalformed("its 101 does not answer the key that it was sent")
        if values(answer, b"sec-websocket-extensions"):
            raise UpstreamMalformed("its 101 names an extension that nobody offered")
        chosen = values(answer, b"sec-websocket-protocol")
        if len(chosen) > 1 or not self._offered.issuperset(chosen):
            raise UpstreamMalformed("its 101 names a subprotocol that nobody offered")
        return chosen[0].decode("latin-1") if chosen else None

    def _own(self) -> Headers:
        return (
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", self._key),
        )


def _accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _SUFFIX, usedforsecurity=False).digest())


def _without_credentials(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name != b"sec-websocket-protocol":
            yield name, value
            continue
        kept = [member for member in _members(value) if not member.lower().startswith(_CREDENTIALS)]
        if kept:
            yield name, b", ".join(kept)


def _names(headers: Headers) -> list[bytes]:
    # Case counts: they are compared as they are (RFC 6455 1.9).
    return [member for value in values(headers, b"sec-websocket-protocol") for member in _members(value)]


def _members(value: bytes) -> list[bytes]:
    return [member.strip(b" \t") for member in value.split(b",")]
