"""HTTPRoutes into routes on listeners: one route for each match of each rule and each host name."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.attachment import Attachment, Parent
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.listeners import ListenerView
from gateway_filters.gateway_api.matches import match_of
from gateway_filters.gateway_api.resources import HTTPRoute, HTTPRouteMatch
from gateway_filters.gateway_api.rules import RuleTranslator, RuleView
from gateway_filters.gateway_api.tls_policies import TLSPolicies
from gateway_filters.gateway_api.translation import Context, age, qualified
from gateway_filters.routing import Route


@dataclass
class RouteView:
    """An HTTPRoute with its parents, whose conditions say what became of it, and its routes on listeners."""

    resource: HTTPRoute
    parents: list[Parent]
    routes: list[tuple[ListenerView, tuple[Route, ...]]] = field(
        default_factory=list[tuple[ListenerView, tuple[Route, ...]]]
    )

    def join(self) -> None:
        """Add the routes to their listeners."""
        for parent in self.parents:
            if parent.conditions.holds("Accepted"):
                for listener, _ in parent.listeners:
                    listener.attached.add(qualified(self.resource))
        for listener, routes in self.routes:
            listener.routes.extend(routes)


def attach_route(context: Context, attachment: Attachment, policies: TLSPolicies, route: HTTPRoute) -> RouteView:
    """Find the route's listeners and translate its rules for them."""
    return _Attaching(context, policies, route).attach(attachment.parents(context, route))


def by_age(context: Context) -> list[HTTPRoute]:
    """All HTTPRoutes, older ones first, then by name: the order in which equal ones win."""
    return sorted(context.objects.of(HTTPRoute), key=age)


class _Attaching:
    """Attaches one route; its rules are translated once for each port."""

    def __init__(self, context: Context, policies: TLSPolicies, route: HTTPRoute) -> None:
        self._context = context
        self._policies = policies
        self._route = route
        self._rules: dict[int, list[tuple[RuleView, list[Route]]]] = {}

    def attach(self, parents: list[Parent]) -> RouteView:
        """Attach to the listeners of all parents and state the conditions."""
        view = RouteView(self._route, parents)
        for parent in parents:
            ports = [listener.spec.port for listener, _ in parent.listeners] or [0]
            self._state(parent, self._translated(ports[0]))
            for listener, hostnames in parent.listeners:
                view.routes.append((listener, tuple(self._on(listener.spec.port, hostnames))))
        return view

    def _on(self, port: int, hostnames: tuple[str | None, ...]) -> Iterator[Route]:
        for hostname, (_, routes) in product(hostnames, self._translated(port)):
            yield from (route if hostname is None else replace(route, hostname=hostname) for route in routes)

    def _translated(self, port: int) -> list[tuple[RuleView, list[Route]]]:
        if port not in self._rules:
            self._rules[port] = [self._rule(index, port) for index in range(len(self._route.spec.rules))]
        return self._rules[port]

    def _rule(self, index: int, port: int) -> tuple[RuleView, list[Route]]:
        view = RuleTranslator(self._context, self._policies, self._route, index, port).view()
        routes = [
            route
            for at, written in enumerate(self._route.spec.rules[index].matches)
            for route in self._matched(view, at, written, ("spec", "rules", index, "matches", at))
        ]
        return view, [view.served(route) for route in routes]

    def _matched(self, view: RuleView, at: int, written: HTTPRouteMatch, location: Location) -> Iterator[Route]:
        name = f"{view.route.name}/matches/{at}"
        try:
            for cookies in view.cookies:
                yield replace(view.route, name=name, match=match_of(written, cookies))
        except ConfigurationError as error:
            # What cannot be asked cannot be answered: without the match, nothing of it is served.
            view.unsupported.append(self._context.problem(self._route, location, str(error)))

    def _state(self, parent: Parent, rules: list[tuple[RuleView, list[Route]]]) -> None:
        for view, _ in rules:
            for reason, sentence in view.unresolved:
                parent.conditions.fail("ResolvedRefs", reason, sentence)
        bad = [view for view, _ in rules if view.unsupported]
        if bad and len(bad) == len(rules):
            parent.conditions.fail("Accepted", "UnsupportedValue", bad[0].unsupported[0])
        elif bad:
            sentence = f"Dropped Rule(s): {'; '.join(view.unsupported[0] for view in bad)}"
            parent.conditions.state("PartiallyInvalid", "UnsupportedValue", sentence)
