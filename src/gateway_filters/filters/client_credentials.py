"""ClientCredentials: what a client shows to say who it is goes no further.

``CredentialInjection`` does so by itself, at the end. This one stands before filters that write such a header on
purpose, so that what they write is told from what the client sent.
"""

from dataclasses import dataclass

from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import without

CLIENT_CREDENTIALS = frozenset(
    (b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key", b"x-goog-api-key")
)
"""Headers in which clients show who they are; lower case."""

# What frames a body or opens a WebSocket, and is made anew for the upstream where it is not its to decide.
_OF_THE_MESSAGE = frozenset((b"connection", b"content-length", b"transfer-encoding", b"upgrade"))
_OF_A_WEBSOCKET = b"sec-websocket-"


@dataclass(frozen=True, slots=True)
class AllBut:
    """All names of headers (lower case) but ``kept`` and those that a message cannot do without."""

    kept: frozenset[bytes]

    def __contains__(self, name: object) -> bool:
        assert isinstance(name, bytes)
        return name not in self.kept and name not in _OF_THE_MESSAGE and not name.startswith(_OF_A_WEBSOCKET)


@dataclass(frozen=True, slots=True)
class ClientCredentials(Filter):
    """Drops the headers ``names`` (lower case), by default all of ``CLIENT_CREDENTIALS``."""

    names: frozenset[bytes] = CLIENT_CREDENTIALS

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head without them."""
        kept = without(head.headers, self.names)
        return head if len(kept) == len(head.headers) else head.with_headers(kept)
