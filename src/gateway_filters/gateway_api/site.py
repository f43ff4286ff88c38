"""Where a filter or a backendRef of a rule stands, and what is found out about it there."""

from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import Refusal
from gateway_filters.gateway_api.backends import UnusableBackendError, resolve_backend
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.matches import Cookies
from gateway_filters.gateway_api.resources import BackendObjectReference, HTTPRoute, Resource
from gateway_filters.gateway_api.translation import Context
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.routing import Backend, Unusable


class UnsupportedError(ConfigurationError):
    """A value that the schema takes and nothing can be made of; ``below`` is its place below that of its filter."""

    def __init__(self, error: ConfigurationError, *below: str | int) -> None:
        super().__init__(str(error))
        self.below = below


@dataclass
class Site:
    """A place in a rule.

    ``prefix`` is the one path prefix that its rule matches, None where there is no such one; ``port`` is the
    listener's. ``cookies`` are further conditions, of which one group must hold; ``host_of_backend`` asks for
    the Host of the chosen backend. ``unresolved`` are reasons and sentences, ``unsupported`` and ``incomplete``
    sentences: what is not supported refuses the rule, what is not complete refuses requests on its own.
    """

    context: Context
    tls: UpstreamTLS
    route: HTTPRoute
    location: Location
    prefix: str | None = None
    port: int = 0
    unresolved: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    unsupported: list[str] = field(default_factory=list[str])
    incomplete: list[str] = field(default_factory=list[str])
    cookies: tuple[Cookies, ...] = ()
    host_of_backend: bool = False

    def backend(self, ref: BackendObjectReference) -> Backend | Unusable:
        """The backend that ``ref`` names; one that cannot be had is noted."""
        try:
            backend = resolve_backend(self.context, self.tls, self.route, ref)
        except UnusableBackendError as error:
            sentence = self.context.problem(self.route, self.location, str(error))
            if error.reason:
                self.unresolved.append((error.reason, sentence))
            return Unusable(ref.name, sentence, fallback=error.fallback)
        if not backend.endpoints and not backend.hosts:
            sentence = f"{ref.kind} {backend.name} has no ready endpoint: it answers 503 until there is one"
            self.context.advise(self.route, self.location, sentence)
        return backend

    def missing(self, reason: str, sentence: str, *below: str | int) -> Refusal:
        """Refuse the requests that would pass a filter that is not there, and say so.

        ``reason`` is one of those that Gateway API has for references of a route.
        """
        self.unresolved.append((reason, self.context.problem(self.route, (*self.location, *below), sentence)))
        return Refusal(sentence)

    def unknown(self, sentence: str, *below: str | int) -> None:
        """Say that a filter is not understood, which refuses its rule."""
        self.unsupported.append(self.context.problem(self.route, (*self.location, *below), sentence))

    def unusable(self, resource: Resource, location: Location, sentence: str) -> Refusal:
        """Refuse the requests that would pass a filter which ``resource`` does not make possible, and say so."""
        self.incomplete.append(self.context.problem(resource, location, sentence))
        return Refusal(sentence)
