"""A rule of an HTTPRoute into what its routes have in common: filters, backends, and everything besides."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, product
from typing import TypeVar

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import Filter, Refusal, URLRewrite
from gateway_filters.gateway_api import extensions as _extensions  # adds its row
from gateway_filters.gateway_api.destinations import WARNING, in_plain_text, unfit
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.filters import Step, translate_filter
from gateway_filters.gateway_api.matches import Cookies
from gateway_filters.gateway_api.resources import HTTPBackendRef, HTTPRoute, HTTPRouteRule, RouteFilter
from gateway_filters.gateway_api.resources.scalars import seconds
from gateway_filters.gateway_api.sessions import session_of
from gateway_filters.gateway_api.site import Site, UnsupportedError
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.routing import (
    Backend,
    ExternalAuth,
    Mirror,
    Retry,
    Route,
    SessionPersistence,
    Timeouts,
    Unusable,
    WeightedBackend,
)

__all__ = ["RuleTranslator", "RuleView", "_extensions"]

T = TypeVar("T")

_MOST_GROUPS = 64

STREAM_ERRORS = "gateway-filters/stream-errors"
"""An annotation of HTTPRoutes (``openai``): streams of events that break off tell of the error first."""


@dataclass
class RuleView:
    """What a rule means, as a route without a match, and what is wrong with it."""

    route: Route
    cookies: tuple[Cookies, ...] = ((),)
    unresolved: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    unsupported: list[str] = field(default_factory=list[str])
    incomplete: list[str] = field(default_factory=list[str])

    @property
    def fault(self) -> str:
        """Why the rule cannot do what is written, in one sentence; empty when it can."""
        return next(iter((*self.unsupported, *self.incomplete)), "")

    def served(self, route: Route) -> Route:
        """A route of the rule as it may be served: all of them refuse when something of it is not understood."""
        if not self.unsupported:
            return route
        refusal = Refusal(f"rule {self.route.name} is not supported as it is written")
        return replace(route, filters=(refusal,), auth=())


class RuleTranslator:
    """Translates one rule for listeners on one port."""

    def __init__(self, context: Context, tls: UpstreamTLS, route: HTTPRoute, index: int, listener_port: int) -> None:
        self._context = context
        self._tls = tls
        self._route = route
        self._rule: HTTPRouteRule = route.spec.rules[index]
        self._location: Location = ("spec", "rules", index)
        self._port = listener_port
        self._view = RuleView(Route(f"{qualified(route)}/rules/{index}"))
        self._hosts_of_backends: set[Location] = set()

    def view(self) -> RuleView:
        """The rule's meaning."""
        rule, view = self._rule, self._view
        steps = self._steps(rule.filters, self._location)
        view.route = replace(
            view.route,
            filters=_of(Filter, steps),
            mirrors=_of(Mirror, steps),
            auth=_of(ExternalAuth, steps),
            backends=tuple(self._backend(index, ref) for index, ref in enumerate(rule.backend_refs)),
            timeouts=self._timeouts(),
            retry=self._retry(),
            session=self._session(),
            stream_errors=self._stream_errors(),
        )
        self._credentials_go(view.route)
        return view

    def _credentials_go(self, route: Route) -> None:
        """Look at where the rule's credentials are sent to."""
        for place, sentence in unfit(route):
            self._context.problem(self._route, (*self._location, "backendRefs", place), sentence)
            self._view.unresolved.append(("UnsupportedValue", sentence))
        for place, backend in in_plain_text(route):
            location = (*self._location, "backendRefs", place)
            self._context.advise(self._route, location, f"{WARNING}: {backend.name}")

    def _stream_errors(self) -> bool:
        written = self._route.metadata.annotations.get(STREAM_ERRORS)
        if written not in (None, "openai"):
            self._unsupported(("metadata", "annotations", STREAM_ERRORS), f"{written!r} is not known, openai is")
        return written is not None

    def _session(self) -> SessionPersistence | None:
        site = self._site(*self._location)
        session = session_of(self._rule, self._view.route.name, site)
        self._take(site, self._location)
        return session

    def _steps(self, written: tuple[RouteFilter, ...], location: Location) -> tuple[Step, ...]:
        """What the filters of the rule or of one of its backendRefs mean."""
        steps = tuple(chain.from_iterable(self._step(each, index, location) for index, each in enumerate(written)))
        if len(_of(URLRewrite, steps)) > 1:
            self._unsupported(location, "two filters rewrite the URL")
        return steps

    def _step(self, written: RouteFilter, index: int, owner: Location) -> tuple[Step, ...]:
        site = self._site(*owner, "filters", index)
        steps: tuple[Step, ...] = ()
        try:
            steps = tuple(translate_filter(written, site))
        except ConfigurationError as error:
            # What the schema takes and the text of the specification forbids is a condition, not an error.
            below = error.below if isinstance(error, UnsupportedError) else ()
            self._unsupported((*site.location, *below), str(error))
        self._take(site, owner)
        return steps

    def _site(self, *location: str | int) -> Site:
        # A rule with ReplacePrefixMatch has exactly one match, so the filter can carry that match's prefix.
        path = self._rule.matches[0].path
        prefix = path.value if path.type == "PathPrefix" and len(self._rule.matches) == 1 else None
        return Site(self._context, self._tls, self._route, location, prefix, self._port)

    def _take(self, site: Site, owner: Location) -> None:
        self._view.unresolved.extend(site.unresolved)
        self._view.unsupported.extend(site.unsupported)
        if owner == self._location:
            self._view.incomplete.extend(site.incomplete)
        else:
            # It is that backend's share only that cannot be served, as without the backend itself.
            self._view.unresolved.extend(("BackendNotFound", sentence) for sentence in site.incomplete)
        if site.host_of_backend:
            self._hosts_of_backends.add(owner)
        if site.cookies and owner != self._location:
            self._unsupported(site.location, "a filter with matches must stand on a rule, not on a backendRef")
        elif site.cookies:
            self._also(site)

    def _also(self, site: Site) -> None:
        """All filters' conditions must hold: one group of each."""
        groups = self._view.cookies
        if len(groups) * len(site.cookies) > _MOST_GROUPS:
            self._unsupported(site.location, f"the matches of the rule's filters have over {_MOST_GROUPS} combinations")
            return
        self._view.cookies = tuple((*one, *other) for one, other in product(groups, site.cookies))

    def _unsupported(self, location: Location, sentence: str) -> None:
        self._view.unsupported.append(self._context.problem(self._route, location, sentence))

    def _backend(self, index: int, ref: HTTPBackendRef) -> WeightedBackend:
        site = self._site(*self._location, "backendRefs", index)
        steps = self._steps(ref.filters, site.location)
        backend = site.backend(ref)
        self._take(site, site.location)
        filters = (*self._host(backend, site.location), *_of(Filter, steps))
        return WeightedBackend(backend, ref.weight, filters, _of(Mirror, steps), _of(ExternalAuth, steps))

    def _host(self, backend: Backend | Unusable, location: Location) -> Iterator[Filter]:
        """The rewrite of a hostname of type Backend, which only the chosen backend knows."""
        if isinstance(backend, Unusable) or self._hosts_of_backends.isdisjoint((self._location, location)):
            return
        hosts = {each.host for each in backend.endpoints}
        if len(hosts) > 1:
            self._unsupported(location, "a hostname of type Backend needs a backend with one host")
        elif hosts:
            yield URLRewrite(hostname=hosts.pop())

    def _timeouts(self) -> Timeouts:
        written = self._rule.timeouts
        return Timeouts() if written is None else Timeouts(seconds(written.request), seconds(written.backend_request))

    def _retry(self) -> Retry | None:
        written = self._rule.retry
        if written is None:
            return None
        default = Retry()
        attempts = default.attempts if written.attempts is None else written.attempts
        return Retry(attempts, frozenset(written.codes), seconds(written.backoff) or default.backoff)


def _of(kind: type[T], steps: Iterable[object]) -> tuple[T, ...]:
    return tuple(each for each in steps if isinstance(each, kind))
