"""Which ClientTrafficPolicy counts for a listener (Envoy Gateway), and what became of each.

The most specific one: for the listener, for the ListenerSet that it belongs to, for the Gateway; of several for one
target the oldest. A policy that asks for what is not supported is never met in part: its listeners are not served.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    GATEWAY_GROUP,
    ClientTrafficPolicy,
    Gateway,
    ListenerSet,
)
from gateway_filters.gateway_api.selection import picked
from gateway_filters.gateway_api.translation import Context, age, qualified

EscapedSlashesAction = Literal["reject", "keep", "forward", "redirect"]

Owner = Gateway | ListenerSet
Ancestor = tuple[dict[str, Any], Conditions]
"""A reference to a target, and what is said there."""

Place = tuple[str, str, str]
"""Kind, namespace and name of an owner."""

Target = tuple[Place, str | None]
"""What a policy is for: an owner, or a listener of it by name."""

_ACTIONS: dict[str | None, EscapedSlashesAction] = {
    None: "reject",
    "RejectRequest": "reject",
    "KeepUnchanged": "keep",
    "UnescapeAndForward": "forward",
    "UnescapeAndRedirect": "redirect",
}


class ClientTraffic:
    """All policies, older ones first."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.policies = sorted(context.objects.of(ClientTrafficPolicy), key=age)
        self._selecting = [each for each in self.policies if each.spec.target_selectors]
        self._named: dict[Target, ClientTrafficPolicy] = {}
        for policy in self.policies:
            for target in _targets(policy):
                self._named.setdefault(target, policy)

    def for_listener(self, owner: Owner, gateway: Owner, section: str) -> ClientTrafficPolicy | None:
        """The policy that counts for a listener; None for none."""
        if not self.policies:
            return None
        around = ((owner, section), (owner, None), (gateway, None))
        return next((found for each, part in around if (found := self._counting(each, part)) is not None), None)

    def ancestors(self, policy: ClientTrafficPolicy, owners: Iterable[Owner]) -> Iterator[Ancestor]:
        """The targets of a policy, with what is said of it there; ``owners`` are all that are served."""
        known = {_place(each): each for each in owners}
        selected = [(place, None) for place, each in known.items() if picked(self._context, policy, each)]
        for place, section in dict.fromkeys((*_targets(policy), *selected)):
            conditions = Conditions("Accepted")
            if place in known:
                self._judge(policy, known[place], section, conditions)
            else:
                conditions.fail("Accepted", "TargetNotFound", f"{place[0]} {place[2]} does not exist")
            yield _reference(place, section), conditions

    def _judge(self, policy: ClientTrafficPolicy, owner: Owner, section: str | None, conditions: Conditions) -> None:
        what = f"{owner.kind} {qualified(owner)}"
        if section is not None and section not in {each.name for each in owner.spec.listeners}:
            conditions.fail("Accepted", "TargetNotFound", f"{what} has no listener {section}")
        first = self._counting(owner, section)
        if first is not None and first is not policy:
            sentence = f"ClientTrafficPolicy {qualified(first)} is older and for {what} already"
            conditions.fail("Accepted", "Conflicted", sentence)
        if sentence := flaw(policy):
            conditions.fail("Accepted", "Invalid", sentence)
        inner = [each.name for each in owner.spec.listeners if (_place(owner), each.name) in self._named]
        if section is None and inner and conditions.holds("Accepted"):
            sentence = f"other policies count for listeners of {what}: {', '.join(inner)}"
            conditions.state("Overridden", "Overridden", sentence)

    def _counting(self, owner: Owner, section: str | None) -> ClientTrafficPolicy | None:
        """The policy for an owner, or for a listener of it by name."""
        named = self._named.get((_place(owner), section))
        if section is not None or not self._selecting:
            return named
        picking = (each for each in self._selecting if picked(self._context, each, owner))
        return min((each for each in (named, next(picking, None)) if each), key=age, default=None)


def flaw(policy: ClientTrafficPolicy) -> str:
    """Why a policy cannot be met, in one sentence; empty where it can."""
    fields = ", ".join(policy.spec.unsupported)
    return f"{fields} of ClientTrafficPolicy {qualified(policy)} is not supported" if fields else ""


def escaped_slashes(policy: ClientTrafficPolicy | None) -> EscapedSlashesAction:
    """What becomes of escaped slashes: here they are refused unless a policy says something else."""
    return _ACTIONS[policy.spec.path.escaped_slashes_action if policy and policy.spec.path else None]


def _place(owner: Owner) -> Place:
    return owner.kind, namespace_of(owner), owner.metadata.name


def _targets(policy: ClientTrafficPolicy) -> list[Target]:
    """The targets that are named, which are in the policy's own namespace (Envoy Gateway, targetRefs)."""
    return [((each.kind, namespace_of(policy), each.name), each.section_name) for each in policy.spec.targets]


def _reference(place: Place, section: str | None) -> dict[str, Any]:
    kind, namespace, name = place
    named = {} if section is None else {"sectionName": section}
    return {"group": GATEWAY_GROUP, "kind": kind, "namespace": namespace, "name": name, **named}
