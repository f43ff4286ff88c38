"""CredentialInjection: the upstream's credential into a request header (Envoy Gateway, HTTPRouteFilter).

The value goes out byte for byte as its source gives it, scheme included. No secret, no request: the filter
raises instead of letting a request pass bare. Stands last in a chain, so that no other filter sees the value.

Where a credential of ours goes, the client's own do not go along: its Authorization, Proxy-Authorization, cookies and
the usual headers of API keys are for the gateway, not for the provider.
"""

from collections.abc import Container
from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters.client_credentials import CLIENT_CREDENTIALS, AllBut
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import HOP_BY_HOP
from gateway_filters.message.secret import Secret, SecretSource
from gateway_filters.message.text import header_name, settle

_NOT_A_CREDENTIAL = HOP_BY_HOP | {b"host", b"content-length"}


@dataclass(frozen=True, slots=True)
class CredentialInjection(Filter):
    """Puts the source's current secret into ``header``.

    ``overwrite`` false: a request that already has the header, even an empty one, keeps its first value. True: all
    of its values go and exactly one is injected. The other headers of ``CLIENT_CREDENTIALS`` are dropped, but for
    those that ``passes`` names (text). With ``only`` no other header of the request passes than those that it and
    ``passes`` name, and what frames a body or opens a WebSocket.

    Raises ``ConfigurationError`` for a header that frames or routes a message;
    ``on_request`` raises ``SecretUnavailable`` when the source has nothing.
    """

    source: SecretSource
    header: str = "Authorization"
    overwrite: bool = field(default=False, kw_only=True)
    passes: tuple[str, ...] = field(default=(), kw_only=True)
    only: tuple[str, ...] | None = field(default=None, kw_only=True)
    _name: bytes = field(init=False, repr=False, compare=False)
    _dropped: Container[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = header_name(self.header)
        if name in _NOT_A_CREDENTIAL:
            raise ConfigurationError(f"header {self.header!r} cannot carry a credential")
        passes = frozenset(map(header_name, self.passes))
        dropped: Container[bytes] = (CLIENT_CREDENTIALS - passes) | {name}
        if self.only is not None:
            dropped = AllBut(passes.union(map(header_name, self.only)) - {name})
        settle(self, _name=name, _dropped=dropped)

    @property
    def waits(self) -> bool:
        """Only a remote source makes requests wait."""
        return type(self.source).prepare is not SecretSource.prepare

    @property
    def hears_refusals(self) -> bool:
        """Only a source that can do something about it is told."""
        return type(self.source).refused is not SecretSource.refused

    async def prepare(self, head: RequestHead) -> None:
        """Let a remote source fetch what it lacks."""
        del head
        await self.source.prepare()

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head with the credential, or as it is where the client's own value may stand."""
        own = None if self.overwrite else head.first(self._name)
        if own is not None:
            kept = [pair for pair in head.headers if pair[0] not in self._dropped]
            return head.with_headers((*kept, (self._name, own)))
        return head.with_credential(self._name, self.source.current().reveal(), self._dropped)

    def on_refusal(self, sent: RequestHead) -> None:
        """Tell the source which of its secrets the upstream refused; a client's own is not its business."""
        value = sent.first(self._name)
        if value is not None and value in sent.injected:
            self.source.refused(Secret(value))
