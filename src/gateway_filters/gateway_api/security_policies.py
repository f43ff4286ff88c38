"""Which SecurityPolicy counts where (Envoy Gateway: the most specific one, and of several for one target the oldest).

From the most specific target on: a rule, its route, the listener, the ListenerSet that it belongs to, the Gateway. A
policy that names a section which its target does not have was meant for some part of it, so it refuses whatever no
policy of a part is for.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway_filters.filters import Refusal
from gateway_filters.gateway_api.listeners import ListenerView
from gateway_filters.gateway_api.objects import Key, key_of, namespace_of
from gateway_filters.gateway_api.resources import (
    Gateway,
    HTTPRoute,
    ListenerSet,
    Resource,
    SecurityPolicy,
)
from gateway_filters.gateway_api.security import Asked, asked_by
from gateway_filters.gateway_api.selection import picked
from gateway_filters.gateway_api.translation import Context, age, qualified
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.routing import Route

Target = tuple[str, str, str, str | None]
"""Kind, namespace, name and section of what a policy is for."""


class Guard:
    """A policy where it counts; each has one for all places, so that guards can be told apart by identity.

    ``stray`` stands where it names a section that does not exist.
    """

    def __init__(self, resource: SecurityPolicy, asked: Asked) -> None:
        self.resource = resource
        self.asked = asked
        self.stray = Stray(resource)
        self._before_a_provider = asked.policy.before_a_provider()

    def guarding(self, route: Route) -> Route:
        """The route behind the policy; one that refuses all requests where the policy is unmet."""
        if self.asked.flaws:
            return replace(route, filters=(Refusal(f"SecurityPolicy {qualified(self.resource)} cannot be met"),))
        return replace(route, security=self._before_a_provider if route.injections else self.asked.policy)


class Stray:
    """A policy for a section that its target does not have."""

    def __init__(self, resource: SecurityPolicy) -> None:
        self.resource = resource

    def guarding(self, route: Route) -> Route:
        """A route that refuses all requests: it may be the one that was meant."""
        sentence = f"SecurityPolicy {qualified(self.resource)} names a section that does not exist"
        return replace(route, filters=(Refusal(sentence),))


Standing = Guard | Stray
"""What stands before a rule."""


class SecurityPolicies:
    """All policies; ``before`` are those of the last time, whose guards stay where nothing has changed."""

    def __init__(self, tls: UpstreamTLS, before: "SecurityPolicies | None", context: Context) -> None:
        known = {key_of(each.resource): each for each in before.guards} if before else {}
        self._guards: dict[Key, Guard] = {}
        for resource in sorted(context.objects.of(SecurityPolicy), key=age):
            asked, guard = asked_by(context, tls, resource), known.get(key_of(resource))
            if guard is None or guard.resource is not resource or guard.asked != asked:
                guard = Guard(resource, asked)
            self._guards[key_of(resource)] = guard
        self._named: dict[Target, list[Guard]] = {}
        for guard in self.guards:
            for ref in guard.resource.spec.targets:
                # In the policy's own namespace (Envoy Gateway, targetRefs).
                target = (ref.kind, namespace_of(guard.resource), ref.name, ref.section_name)
                self._named.setdefault(target, []).append(guard)
        self._selecting = [guard for guard in self.guards if guard.resource.spec.target_selectors]
        self._order = {id(guard): place for place, guard in enumerate(self.guards)}

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The guards of all policies, older ones first."""
        return tuple(self._guards.values())

    def claiming(self, context: Context, resource: Resource, section: str | None = None) -> list[Guard]:
        """The guards of the policies for an object, or for a section of it; the first one counts."""
        named = self._named.get((resource.kind, namespace_of(resource), resource.metadata.name, section), [])
        if section is not None or not self._selecting:
            return named
        selecting = [each for each in self._selecting if each not in named and picked(context, each.resource, resource)]
        return sorted((*named, *selecting), key=lambda guard: self._order[id(guard)])

    def straying(self, resource: Resource, sections: set[str]) -> list[Guard]:
        """The guards of the policies that name a section of an object which is not among ``sections``."""
        if not self._named:
            return []
        mine = (resource.kind, namespace_of(resource), resource.metadata.name)
        return [
            guard
            for (*place, section), guards in self._named.items()
            if tuple(place) == mine and section is not None and section not in sections
            for guard in guards
        ]

    def for_rules(self, context: Context, route: HTTPRoute, listener: ListenerView) -> tuple[Standing | None, ...]:
        """What stands before each rule of a route on a listener."""
        if not self._guards:
            return (None,) * len(route.spec.rules)
        outer = next(self._around(context, listener), None)
        names = {rule.name for rule in route.spec.rules if rule.name is not None}
        whole = next(self._on_whole(context, route, names), outer)
        return tuple(
            next(iter(self.claiming(context, route, rule.name)), whole) if rule.name is not None else whole
            for rule in route.spec.rules
        )

    def _around(self, context: Context, listener: ListenerView) -> Iterator[Standing]:
        """The guards of a listener, the most specific first."""
        owner, gateway = listener.owner, listener.gateway.resource
        yield from self.claiming(context, owner, listener.spec.name)
        yield from self._on_whole(context, owner, sections_of(owner))
        if gateway is not owner:
            yield from self._on_whole(context, gateway, sections_of(gateway))

    def _on_whole(self, context: Context, resource: Resource, sections: set[str]) -> Iterator[Standing]:
        yield from (guard.stray for guard in self.straying(resource, sections))
        yield from self.claiming(context, resource)


def sections_of(resource: Gateway | ListenerSet) -> set[str]:
    """The names of the listeners."""
    return {each.name for each in resource.spec.listeners}
