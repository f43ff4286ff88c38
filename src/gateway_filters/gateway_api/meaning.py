"""What a set of objects means, made of the meaning of the set before."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Self

from gateway_filters.gateway_api.attachment import Attachment
from gateway_filters.gateway_api.listeners import GatewayView, view_gateways
from gateway_filters.gateway_api.noted import Noted, Since, noted
from gateway_filters.gateway_api.objects import Key, Objects, Question, key_of
from gateway_filters.gateway_api.routes import RouteRules, RouteView, attach_route, by_age
from gateway_filters.gateway_api.security_policies import SecurityPolicies
from gateway_filters.gateway_api.translation import Context, Problem
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS

KnownRoute = tuple[RouteRules, Noted[RouteView]]
"""An HTTPRoute's rules, and where they are attached."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """TLS to backends, policies, Gateways and routes, with what they stand on.

    A route stays as it was translated while nothing that it asked for has changed: a change of one object costs
    what it touches, however many others there are.
    """

    context: Context
    tls: Noted[UpstreamTLS]
    security: Noted[SecurityPolicies]
    gateways: Noted[list[GatewayView]]
    routes: dict[Key, KnownRoute]

    @classmethod
    def of_nothing(cls, context: Context) -> Self:
        """The meaning of no objects at all."""
        nothing = replace(context, objects=Objects(()))
        tls = noted(nothing, UpstreamTLS.of)
        security = noted(nothing, partial(SecurityPolicies, tls.value, None))
        return cls(nothing, tls, security, noted(nothing, view_gateways), {})

    @property
    def views(self) -> list[RouteView]:
        """All routes, in the order in which equal ones win."""
        return [view.value for _, view in self.routes.values()]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, each once."""
        of_routes = (view.problems for _, view in self.routes.values())
        return tuple(
            dict.fromkeys(chain(self.tls.problems, self.security.problems, self.gateways.problems, *of_routes))
        )

    def is_for(self, context: Context) -> bool:
        """Whether ``context`` is like this one's in all but the objects."""
        return self.context.settings == context.settings

    def followed_by(self, context: Context) -> "Meaning":
        """The meaning of the context's objects."""
        since = Since(self.context.objects, context.objects)
        tls = self.tls if since.hold(self.tls.asked) else noted(context, UpstreamTLS.of)
        security = self.security
        if tls is not self.tls or not since.hold(security.asked):
            security = noted(context, partial(SecurityPolicies, tls.value, self.security.value))
        same = self.context.taken == context.taken and since.hold(self.gateways.asked)
        gateways = self.gateways if same else noted(context, view_gateways)
        return Meaning(context, tls, security, gateways, dict(self._routes(context, tls, security, gateways)))

    def let_go(self) -> None:
        """Let go of the routes, one by one: nothing else can run while very many go at once."""
        while self.routes:
            self.routes.popitem()

    def _routes(
        self,
        context: Context,
        tls: Noted[UpstreamTLS],
        security: Noted[SecurityPolicies],
        gateways: Noted[list[GatewayView]],
    ) -> Iterator[tuple[Key, KnownRoute]]:
        def tls_differs(target: Question) -> bool:
            if tls is self.tls:
                return False
            return tls.value.said_of(target) != self.tls.value.said_of(target)

        since = Since(self.context.objects, context.objects, tls_differs)
        attachment = Attachment(gateways.value)
        same = gateways is self.gateways and security.value.guards == self.security.value.guards
        for route in by_age(context):
            rules, view = self.routes.get(key_of(route), (None, None))
            if rules is None or rules.route is not route or not since.hold(rules.asked):
                rules, view = RouteRules(route), None
            if view is None or not same or not since.hold(view.asked):
                view = noted(context, partial(attach_route, attachment, tls.value, security.value, rules))
            yield key_of(route), (rules, view)
