"""HTTPRoutes into routes on listeners: one route for each match of each rule and each host name."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.attachment import Attachment, Parent
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.listeners import GatewayView, ListenerView
from gateway_filters.gateway_api.matches import match_of
from gateway_filters.gateway_api.noted import noting
from gateway_filters.gateway_api.objects import Question
from gateway_filters.gateway_api.resources import HTTPRoute, HTTPRouteMatch
from gateway_filters.gateway_api.rules import RuleTranslator, RuleView
from gateway_filters.gateway_api.security_policies import SecurityPolicies, Standing
from gateway_filters.gateway_api.translation import Context, Problem, age, qualified
from gateway_filters.gateway_api.upstream_tls import NOTHING, Shown, UpstreamTLS
from gateway_filters.routing import Route

Standings = tuple[Standing | None, ...]
"""What stands before each rule of a route on a listener."""


@dataclass
class RouteView:
    """An HTTPRoute with its parents, whose conditions say what became of it, and its routes on listeners.

    ``standings`` are what stands before each of its rules on a listener, ``status`` is what was written of it,
    once it was.
    """

    resource: HTTPRoute
    parents: list[Parent]
    routes: list[tuple[ListenerView, tuple[Route, ...]]] = field(
        default_factory=list[tuple[ListenerView, tuple[Route, ...]]]
    )
    standings: list[tuple[ListenerView, Standings]] = field(default_factory=list[tuple[ListenerView, Standings]])
    status: dict[str, Any] | None = None


Place = tuple[int, Shown]
"""The port of a listener, and the certificate that its Gateway shows to backends."""


class RouteRules:
    """The rules of one HTTPRoute as routes for a place and a host name, made when they are first asked for.

    ``asked`` is what was asked of the objects for that. What was wrong is told again to each one who asks.
    """

    def __init__(self, route: HTTPRoute) -> None:
        self.route = route
        self.asked: set[Question] = set()
        self._rules: dict[Place, tuple[list[tuple[RuleView, list[Route]]], dict[Problem, None]]] = {}
        self._hosted: dict[tuple[Place, str | None, Standings], tuple[Route, ...]] = {}

    def views(self, context: Context, tls: UpstreamTLS, place: Place) -> list[RuleView]:
        """What each rule means for listeners there."""
        return [view for view, _ in self._translated(context, tls, place)]

    def routes(
        self, context: Context, tls: UpstreamTLS, place: Place, hostname: str | None, standings: Standings
    ) -> tuple[Route, ...]:
        """The routes of all rules for ``hostname`` at a place, the very same ones each time.

        ``standings`` are what stands before each rule.
        """
        translated = self._translated(context, tls, place)
        found = self._hosted.get((place, hostname, standings))
        if found is None:
            pairs = zip(translated, standings, strict=True)
            each = (_behind(standing, route) for (_, routes), standing in pairs for route in routes)
            found = tuple(route if hostname is None else replace(route, hostname=hostname) for route in each)
            self._hosted[place, hostname, standings] = found
        return found

    def forget_all_but(self, places: set[Place], standings: set[Standings]) -> None:
        """Keep what is for these only: certificates and policies are renewed and old ones may go."""
        self._rules = {place: each for place, each in self._rules.items() if place in places}
        self._hosted = {at: each for at, each in self._hosted.items() if at[0] in places and at[2] in standings}

    def _translated(self, context: Context, tls: UpstreamTLS, place: Place) -> list[tuple[RuleView, list[Route]]]:
        if place not in self._rules:
            port, shown = place
            problems: dict[Problem, None] = {}
            own = noting(context, self.asked, problems)
            shows = replace(tls, shown=shown)
            rules = [self._rule(own, shows, index, port) for index in range(len(self.route.spec.rules))]
            self._rules[place] = (rules, problems)
        rules, problems = self._rules[place]
        context.problems.update(problems)
        return rules

    def _rule(self, context: Context, tls: UpstreamTLS, index: int, port: int) -> tuple[RuleView, list[Route]]:
        view = RuleTranslator(context, tls, self.route, index, port).view()
        routes = [
            route
            for at, written in enumerate(self.route.spec.rules[index].matches)
            for route in self._matched(context, view, at, written, ("spec", "rules", index, "matches", at))
        ]
        return view, [view.served(route) for route in routes]

    def _matched(
        self, context: Context, view: RuleView, at: int, written: HTTPRouteMatch, location: Location
    ) -> Iterator[Route]:
        name = f"{view.route.name}/matches/{at}"
        try:
            for cookies in view.cookies:
                yield replace(view.route, name=name, match=match_of(written, cookies))
        except ConfigurationError as error:
            # What cannot be asked cannot be answered: without the match, nothing of it is served.
            view.unsupported.append(context.problem(self.route, location, str(error)))


def attach_route(
    attachment: Attachment, tls: UpstreamTLS, security: SecurityPolicies, rules: RouteRules, context: Context
) -> RouteView:
    """Find the route's listeners, put its rules on them behind their policies, and state the conditions."""
    view = RouteView(rules.route, attachment.parents(context, rules.route))
    used: set[Place] = set()
    for parent in view.parents:
        places = [(listener.spec.port, listener.gateway.shown) for listener, _ in parent.listeners]
        stated = places[0] if places else (0, NOTHING)
        _state(parent, rules.views(context, tls, stated))
        for place, (listener, hostnames) in zip(places, parent.listeners, strict=True):
            standings = security.for_rules(context, rules.route, listener)
            each = (rules.routes(context, tls, place, hostname, standings) for hostname in hostnames)
            view.routes.append((listener, tuple(chain.from_iterable(each))))
            view.standings.append((listener, standings))
        used.update(places, (stated,))
    rules.forget_all_but(used, {standings for _, standings in view.standings})
    return view


def _behind(standing: Standing | None, route: Route) -> Route:
    return route if standing is None else standing.guarding(route)


def by_age(context: Context) -> list[HTTPRoute]:
    """All HTTPRoutes, older ones first, then by name: the order in which equal ones win."""
    return sorted(context.objects.of(HTTPRoute), key=age)


@contextmanager
def joined(gateways: list[GatewayView], views: list[RouteView]) -> Generator[None]:
    """Listeners with the routes that are attached to them, for as long as somebody looks at them together."""
    for view in views:
        _join(view)
    try:
        yield
    finally:
        for listener in (each for view in gateways for each in view.listeners):
            listener.routes, listener.attached = [], set()


def _join(view: RouteView) -> None:
    for parent in view.parents:
        if parent.conditions.holds("Accepted"):
            for listener, _ in parent.listeners:
                listener.attached.add(qualified(view.resource))
    for listener, routes in view.routes:
        listener.routes.extend(routes)


def _state(parent: Parent, rules: list[RuleView]) -> None:
    for view in rules:
        for reason, sentence in view.unresolved:
            parent.conditions.fail("ResolvedRefs", reason, sentence)
    bad = [view.fault for view in rules if view.fault]
    if bad and len(bad) == len(rules):
        parent.conditions.fail("Accepted", "UnsupportedValue", bad[0])
    elif bad:
        parent.conditions.state("PartiallyInvalid", "UnsupportedValue", f"Dropped Rule(s): {'; '.join(bad)}")
