"""APIKeyAuth: only who shows a key of the roll comes in (Envoy Gateway, SecurityPolicy, apiKeyAuth).

Facts
- The places are asked in order, and the first one where anything stands decides: a wrong key there is not made
  up for by a right one elsewhere. ``Bearer`` before a key in a header is no part of it. Both as in Envoy.
- The key is the gateway's and no business of whoever is behind it: it is taken off every place, unless
  ``sanitize`` is false. Envoy Gateway sends it on by default.
- Nothing of a key is in a message, a ``repr`` or the variables of a frame that raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_filters.credentials.roll import Roll, RollSource
from gateway_filters.errors import ConfigurationError, Unauthenticated
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.places import InHeader, Place, forwarded_name
from gateway_filters.message.client import Client
from gateway_filters.message.head import RequestHead
from gateway_filters.message.secret import Secret
from gateway_filters.message.text import settle

_BEARER = b"Bearer "


@dataclass(frozen=True, slots=True)
class APIKeyAuth(Filter):
    """Lets requests pass that show a key of ``clients``, and refuses all others with 401.

    ``clients`` are names and their keys (text, bytes or ``Secret``), of which only digests are kept, or a source
    of a ``Roll``. ``places`` say where a key may stand. ``forward_client_id_header`` gets the client's name, in
    place of whatever the client has written there itself. Raises ``ConfigurationError`` for a key that no header
    can carry or that two clients have, and for no place at all.
    """

    clients: Mapping[str, str | bytes | Secret] | RollSource
    places: tuple[Place, ...] = (InHeader("Authorization"),)
    forward_client_id_header: str | None = None
    sanitize: bool = field(default=True, kw_only=True)
    _forwarded: bytes | None = field(init=False, repr=False, compare=False)
    _challenge: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.clients, Mapping):
            settle(self, clients=_roll(self.clients))
        if not self.places:
            raise ConfigurationError("an API key needs a place where it may stand")
        bearer = any(isinstance(each, InHeader) and each.name.lower() == "authorization" for each in self.places)
        # RFC 9110 15.5.2 asks for a challenge; keys in places of their own have no registered scheme.
        settle(
            self,
            places=tuple(self.places),
            _forwarded=forwarded_name(self.forward_client_id_header),
            _challenge="Bearer" if bearer else "ApiKey",
        )

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head of a client that is known, without its key; raises ``Unauthenticated`` for any other."""
        name = self._name(head)
        if name is None:
            shown = any(place.find(head) is not None for place in self.places)
            what = "the API key is not a client's" if shown else "there is no API key"
            raise Unauthenticated(what, self._challenge)
        for place in self.places if self.sanitize else ():
            head = place.clear(head)
        if self._forwarded is not None:
            head = head.with_header(self._forwarded, name.encode())
        return head.with_client((head.client or Client()).named(name))

    def _name(self, head: RequestHead) -> str | None:
        """The name of the client whose key the request shows, or None."""
        assert not isinstance(self.clients, Mapping)
        roll = self.clients.current()
        for place in self.places:
            key = place.find(head)
            if key is not None:
                return roll.of_key(key.removeprefix(_BEARER) if isinstance(place, InHeader) else key)
        return None


def _roll(clients: Mapping[str, str | bytes | Secret]) -> Roll:
    def secret(name: str, key: str | bytes | Secret) -> Secret:
        return key if isinstance(key, Secret) else Secret(key, what=f"the key of client {name!r}")

    return Roll.of_keys((name, secret(name, key).reveal()) for name, key in clients.items())
