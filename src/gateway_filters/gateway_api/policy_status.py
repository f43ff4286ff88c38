"""What became of each SecurityPolicy, by the Gateways above its targets (Gateway API, PolicyAncestorStatus).

``Accepted`` fails with ``TargetNotFound`` for a target that does not exist, ``Conflicted`` where an older policy is
for the same one, and with the reason of the first flaw where the policy cannot be met. ``Overridden`` says that
policies of parts of the target count there instead (Envoy Gateway).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.listeners import GatewayView
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import GATEWAY_GROUP, Gateway, HTTPRoute, ListenerSet
from gateway_filters.gateway_api.routes import RouteView
from gateway_filters.gateway_api.security_policies import Guard, SecurityPolicies, Standing, sections_of
from gateway_filters.gateway_api.translation import Context, qualified

Ancestors = list[tuple[dict[str, Any], Conditions]]
"""References to Gateways, or to targets that lead to none, with what is said there."""


class PolicyStatus:
    """What is said of the policies of ``security`` when ``gateways`` and ``routes`` are known; notes problems."""

    def __init__(
        self, context: Context, security: SecurityPolicies, gateways: list[GatewayView], routes: list[RouteView]
    ) -> None:
        self._context = context
        self._security = security
        self._gateways = gateways
        self._routes = routes

    def all(self) -> Iterator[tuple[Guard, Ancestors]]:
        """Each policy with its ancestors."""
        for guard in self._security.guards:
            said: dict[tuple[object, ...], tuple[dict[str, Any], Conditions]] = {}
            for refs, conditions in (*self._of_routes(guard), *self._of_gateways(guard), *self._of_nothing(guard)):
                for ref in refs:
                    _, known = said.setdefault(tuple(ref.values()), (ref, Conditions("Accepted")))
                    known.take(conditions)
            self._tell(guard, [conditions for _, conditions in said.values()])
            yield guard, list(said.values())

    def _of_routes(self, guard: Guard) -> Iterator[tuple[list[dict[str, Any]], Conditions]]:
        for view in self._routes:
            route = view.resource
            names = {rule.name for rule in route.spec.rules if rule.name is not None}
            for section in self._sections(guard, route, names):
                conditions = self._said(guard, route, section, names)
                if section is None:
                    inner = _others(guard, (standing for _, each in view.standings for standing in each))
                    _override(conditions, inner, f"rules of HTTPRoute {qualified(route)}")
                refs = {qualified(each.gateway.resource): _reference(each.gateway.resource) for each in _above(view)}
                yield list(refs.values()) or [_reference(route)], conditions

    def _of_gateways(self, guard: Guard) -> Iterator[tuple[list[dict[str, Any]], Conditions]]:
        for view in self._gateways:
            owner = view.resource
            for section in self._sections(guard, owner, sections_of(owner)):
                conditions = self._said(guard, owner, section, sections_of(owner))
                below = list(self._below(owner, section))
                inner = [name for name, standings in below if _others(guard, standings)]
                _override(conditions, inner, f"routes of {owner.kind} {qualified(owner)}: {', '.join(inner)}")
                yield [{**_reference(owner), **({} if section is None else {"sectionName": section})}], conditions

    def _of_nothing(self, guard: Guard) -> Iterator[tuple[list[dict[str, Any]], Conditions]]:
        """Targets that do not exist, or of kinds that are not served."""
        for ref in guard.resource.spec.targets:
            found = self._context.objects.find(GATEWAY_GROUP, ref.kind, namespace_of(guard.resource), ref.name)
            if found is None:
                conditions = Conditions("Accepted")
                conditions.fail("Accepted", "TargetNotFound", f"{ref.kind} {ref.name} does not exist")
                place = {"group": ref.group, "kind": ref.kind, "namespace": namespace_of(guard.resource)}
                yield [{**place, "name": ref.name}], conditions

    def _sections(self, guard: Guard, target: HTTPRoute | Gateway | ListenerSet, names: set[str]) -> list[str | None]:
        """The sections of a target that a policy is for, None for the whole; also those that do not exist."""
        parts = (None, *sorted(names))
        claimed = [each for each in parts if guard in self._security.claiming(self._context, target, each)]
        mine = (target.kind, namespace_of(target), target.metadata.name)
        strays = {
            ref.section_name
            for ref in guard.resource.spec.targets
            if (ref.kind, namespace_of(guard.resource), ref.name) == mine and ref.section_name is not None
        }
        return [*claimed, *sorted(strays - names)]

    def _said(
        self, guard: Guard, target: HTTPRoute | Gateway | ListenerSet, section: str | None, names: set[str]
    ) -> Conditions:
        conditions = Conditions("Accepted")
        what = f"{target.kind} {qualified(target)}"
        if section is not None and section not in names:
            conditions.fail("Accepted", "TargetNotFound", f"{what} has no section {section}")
            return conditions
        first = self._security.claiming(self._context, target, section)[0]
        if first is not guard:
            what = what if section is None else f"section {section} of {what}"
            sentence = f"SecurityPolicy {qualified(first.resource)} is older and for {what} already"
            conditions.fail("Accepted", "Conflicted", sentence)
        for reason, sentence in guard.asked.flaws:
            conditions.fail("Accepted", reason, sentence)
        return conditions

    def _below(self, owner: Gateway | ListenerSet, section: str | None) -> Iterator[tuple[str, list[Standing | None]]]:
        """The routes on listeners of a Gateway or ListenerSet, with what stands before their rules there."""
        for view in self._routes:
            here = [
                standing
                for listener, standings in view.standings
                if owner in (listener.owner, listener.gateway.resource) and section in (None, listener.spec.name)
                for standing in standings
            ]
            if here:
                yield qualified(view.resource), here

    def _tell(self, guard: Guard, said: list[Conditions]) -> None:
        flaws = {sentence for _, sentence in guard.asked.flaws}
        for conditions in said:
            for condition in conditions:
                if condition.type == "Accepted" and not condition.holds and condition.message not in flaws:
                    self._context.problem(guard.resource, ("spec",), condition.message)


def _others(guard: Guard, standings: Iterable[Standing | None]) -> bool:
    return any(each is not None and each.resource is not guard.resource for each in standings)


def _override(conditions: Conditions, inner: object, where: str) -> None:
    if inner and conditions.holds("Accepted"):
        conditions.state("Overridden", "Overridden", f"other policies count for {where}")


def _above(view: RouteView) -> Iterator[Any]:
    for parent in view.parents:
        yield from (listener for listener, _ in parent.listeners)


def _reference(target: Gateway | ListenerSet | HTTPRoute) -> dict[str, Any]:
    return {
        "group": GATEWAY_GROUP,
        "kind": target.kind,
        "namespace": namespace_of(target),
        "name": target.metadata.name,
    }
