"""A route: one match of one rule for one host name, with what happens to its requests."""

from dataclasses import dataclass, field

from gateway_filters.filters.credential_injection import CredentialInjection
from gateway_filters.filters.filter import Filter
from gateway_filters.matching.hostname import covers
from gateway_filters.matching.hostname import precedence as hostname_precedence
from gateway_filters.matching.match import Match
from gateway_filters.message.head import RequestHead
from gateway_filters.routing.policies import ExternalAuth, Mirror, Retry, SessionPersistence, Timeouts
from gateway_filters.routing.security import SecurityPolicy
from gateway_filters.routing.weighted import WeightedBackend


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to the requests that one match takes.

    Precedence is over matches, so a rule with several matches is several routes. ``name`` says where the
    route comes from, ``hostname`` (lower case, ``*.`` for a wildcard, None for any) and ``match`` which
    requests it takes, ``filters`` run in order, and ``backends`` share the requests by weight. The rest is
    what Gateway API gives a rule besides; ``stream_errors``: streams of events that break off tell of it first.
    """

    name: str
    match: Match = field(default_factory=Match)
    hostname: str | None = None
    filters: tuple[Filter, ...] = ()
    backends: tuple[WeightedBackend, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    auth: tuple[ExternalAuth, ...] = ()
    security: SecurityPolicy | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: Retry | None = None
    session: SessionPersistence | None = None
    stream_errors: bool = False

    @property
    def precedence(self) -> tuple[tuple[int, ...], ...]:
        """Gateway API's order as a tuple: host name before everything, then the match; the smaller one wins."""
        return (hostname_precedence(self.hostname), self.match.precedence)

    @property
    def injections(self) -> tuple[CredentialInjection, ...]:
        """What injects credentials into its requests, whichever backend they go to."""
        steps = (*self.filters, *(each for backend in self.backends for each in backend.filters))
        return tuple(each for each in steps if isinstance(each, CredentialInjection))

    def mismatch(self, host: str, head: RequestHead) -> str | None:
        """Why a request for ``host`` is not this route's; None when it is."""
        if not covers(self.hostname, host):
            return f"host is not {self.hostname}"
        return self.match.mismatch(head)
