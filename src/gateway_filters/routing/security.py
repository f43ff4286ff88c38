"""Who may come in: what a SecurityPolicy (Envoy Gateway) asks of the clients of a route."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from gateway_filters.credentials import KeySet, KeySource
from gateway_filters.errors import KeysUnavailable
from gateway_filters.filters import CORS, APIKeyAuth, Authorization, BasicAuth, Filter, JWTAuth
from gateway_filters.routing.backend import Backend
from gateway_filters.routing.policies import ExternalAuth


@dataclass(frozen=True, slots=True)
class RemoteJWKS:
    """Keys that a ``backend`` publishes under ``target`` (path and query) for ``authority``.

    Stands for a source until somebody fetches them: again after ``cache`` seconds, and ``retry`` seconds after a
    failure.
    """

    backend: Backend
    authority: str
    target: str
    cache: float = 300.0
    retry: float = 1.0

    def current(self) -> KeySet:
        """Raises ``KeysUnavailable``: nobody has fetched them."""
        raise KeysUnavailable(f"the keys of {self.authority} have not been fetched")

    async def prepare(self) -> None:
        """Nothing: that is for whoever fetches."""

    async def renew(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """What is asked of a client before anything of its rule happens, each part where it is given.

    In this order, which is Envoy's: preflights of ``cors`` are answered, the service of ``ext_auth`` is asked, the
    client must show a key, a password and a token, and ``authorization`` must let it. ``name`` is for people.
    """

    name: str
    cors: CORS | None = None
    ext_auth: ExternalAuth | None = None
    api_key_auth: APIKeyAuth | None = None
    basic_auth: BasicAuth | None = None
    jwt: JWTAuth | None = None
    authorization: Authorization | None = None
    filters: tuple[Filter, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        asked = (self.api_key_auth, self.basic_auth, self.jwt, self.authorization)
        object.__setattr__(self, "filters", tuple(each for each in asked if each is not None))

    @property
    def authenticates(self) -> bool:
        """Whether nobody passes whom nothing is known of but what anybody could say.

        A key, a password, a token that is neither optional nor forgiven, a service that must permit, or rules that
        allow nobody but by address or token.
        """
        token = self.jwt is not None and not (self.jwt.optional or self.jwt.fail_open)
        asks = self.ext_auth is not None and not self.ext_auth.fail_open
        return bool(self.api_key_auth or self.basic_auth or token or asks or _knows_everybody(self.authorization))

    def before_a_provider(self) -> "SecurityPolicy":
        """The same policy for requests that go on with somebody else's credential: no client's goes along."""
        return replace(
            self,
            basic_auth=self.basic_auth and replace(self.basic_auth, sanitize=True),
            jwt=self.jwt and replace(self.jwt, sanitize=True),
        )

    def with_keys(self, keys: Callable[[RemoteJWKS], KeySource]) -> "SecurityPolicy":
        """The same policy, with a source that ``keys`` gives for each set of keys that somebody publishes."""
        if self.jwt is None:
            return self
        providers = tuple(
            replace(each, keys=keys(each.keys)) if isinstance(each.keys, RemoteJWKS) else each
            for each in self.jwt.providers
        )
        return replace(self, jwt=replace(self.jwt, providers=providers))


def _knows_everybody(rules: Authorization | None) -> bool:
    """Whether rules let nobody pass but clients at certain addresses and holders of tokens."""
    if rules is None or rules.default == "Allow":
        return False
    allowing = [each for each in rules.rules if each.action == "Allow"]
    return all(each.token is not None or _narrows(each.client_cidrs) for each in allowing)


def _narrows(networks: tuple[str, ...]) -> bool:
    """Whether there are networks, and they are not together everything."""
    parsed = [ip_network(each, strict=False) for each in networks]
    whole = (
        *collapse_addresses(each for each in parsed if isinstance(each, IPv4Network)),
        *collapse_addresses(each for each in parsed if isinstance(each, IPv6Network)),
    )
    return bool(whole) and all(each.prefixlen for each in whole)
