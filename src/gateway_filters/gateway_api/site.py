"""Where a filter or a backendRef of a rule stands, and what is found out about it there."""

from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError, ManifestError
from gateway_filters.filters import Refusal
from gateway_filters.gateway_api.backends import UnusableBackendError, resolve_backend
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.matches import Cookies
from gateway_filters.gateway_api.resources import BackendObjectReference, HTTPRoute
from gateway_filters.gateway_api.translation import Context
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.routing import Backend, Unusable


@dataclass
class Site:
    """A place in a rule.

    ``prefix`` is the one path prefix that its rule matches, None where there is no such one; ``port`` is the
    listener's. ``cookies`` are further conditions, of which one group must hold; ``host_of_backend`` asks for
    the Host of the chosen backend. ``unresolved`` are reasons and sentences, ``unsupported`` sentences.
    """

    context: Context
    tls: UpstreamTLS
    route: HTTPRoute
    location: Location
    prefix: str | None = None
    port: int = 0
    unresolved: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    unsupported: list[str] = field(default_factory=list[str])
    cookies: tuple[Cookies, ...] = ()
    host_of_backend: bool = False

    def backend(self, ref: BackendObjectReference) -> Backend | Unusable:
        """The backend that ``ref`` names; one that cannot be had is noted."""
        try:
            return resolve_backend(self.context, self.tls, self.route, ref)
        except UnusableBackendError as error:
            sentence = self.context.problem(self.route, self.location, str(error))
            if error.reason:
                self.unresolved.append((error.reason, sentence))
            return Unusable(ref.name, sentence, fallback=error.fallback)

    def missing(self, reason: str, sentence: str, *below: str | int) -> Refusal:
        """Refuse the requests that would pass a filter that is not there, and say so."""
        self.unresolved.append((reason, self.context.problem(self.route, (*self.location, *below), sentence)))
        return Refusal(sentence)

    def unknown(self, sentence: str, *below: str | int) -> None:
        """Say that a filter is not understood, which refuses its rule."""
        self.unsupported.append(self.context.problem(self.route, (*self.location, *below), sentence))

    def error(self, error: ConfigurationError, *below: str | int) -> ManifestError:
        """The error for a value that no filter can be made of."""
        return self.context.refused(self.route, (*self.location, *below), error)
