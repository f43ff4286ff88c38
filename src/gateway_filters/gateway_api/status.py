"""Status as a controller writes it: the standard shapes of Gateway API, as plain JSON values."""

from collections.abc import Iterator
from typing import Any

from gateway_filters.gateway_api.client_traffic import ClientTraffic
from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.listeners import CONTROLLER, GatewayView, ListenerView
from gateway_filters.gateway_api.objects import Key, key_of, namespace_of
from gateway_filters.gateway_api.policy_status import Ancestors, PolicyStatus
from gateway_filters.gateway_api.resources import (
    GATEWAY_GROUP,
    Backend,
    BackendTLSPolicy,
    ClientTrafficPolicy,
    Gateway,
    GatewayClass,
    ListenerSet,
    SecurityPolicy,
)
from gateway_filters.gateway_api.routes import RouteView
from gateway_filters.gateway_api.tls_policies import TLSPolicies
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.message.client import is_address

Json = dict[str, Any]

# What the CRDs have room for. What is beyond is served all the same.
_MOST_PARENTS = 32
_MOST_ANCESTORS = 16
_LONGEST_MESSAGE = 32_768


def statuses(
    context: Context,
    gateways: list[GatewayView],
    routes: list[RouteView],
    tls: UpstreamTLS,
    security: PolicyStatus,
    now: str,
) -> dict[Key, Json]:
    """The status of every object that has one; ``now`` is the time of the conditions, RFC 3339."""
    writer = _Writer(context, now)
    status: dict[Key, Json] = {}
    for each in context.objects.of(GatewayClass):
        if each.spec.controller_name == CONTROLLER:
            status[key_of(each)] = writer.gateway_class(each)
    for view in gateways:
        status[key_of(view.resource)] = writer.gateway(view, gateways)
    for route in routes:
        # Of a route that stays as it is nothing else can be said.
        route.status = route.status or writer.route(route)
        status[key_of(route.resource)] = route.status
    policies = context.objects.of(BackendTLSPolicy)
    ancestors = _ancestors(routes) if policies else {}
    for policy in policies:
        status[key_of(policy)] = writer.policy(policy, tls.policies, ancestors)
    traffic = ClientTraffic(context)
    owners = [view.resource for view in gateways]
    for policy in traffic.policies:
        said = list(traffic.ancestors(policy, owners))
        _tell(context, policy, said)
        status[key_of(policy)] = writer.ancestors(policy, said)
    for guard, said in security.all():
        status[key_of(guard.resource)] = writer.ancestors(guard.resource, said)
    for backend in context.objects.of(Backend):
        status[key_of(backend)] = writer.conditions(backend, tls.backends.conditions[key_of(backend)])
    return status


def _tell(context: Context, policy: ClientTrafficPolicy, said: Ancestors) -> None:
    for condition in (each for _, conditions in said for each in conditions):
        if not condition.holds:
            context.problem(policy, ("spec",), condition.message)


class _Writer:
    """Writes statuses that carry the time and the generation of what they are about."""

    def __init__(self, context: Context, now: str) -> None:
        self._context = context
        self._now = now

    def gateway_class(self, resource: GatewayClass) -> Json:
        conditions = Conditions("Accepted", "SupportedVersion")
        if resource.spec.parameters_ref is not None:
            conditions.fail("Accepted", "InvalidParameters", "parametersRef is not supported")
        return {"conditions": self._conditions(conditions, self._context.generation(resource))}

    def gateway(self, view: GatewayView, views: list[GatewayView]) -> Json:
        generation = self._context.generation(view.resource)
        status: Json = {"conditions": self._conditions(view.conditions, generation)}
        if isinstance(view.resource, Gateway):
            status["addresses"] = [
                {"type": "IPAddress" if is_address(value) else "Hostname", "value": value}
                for value in view.addresses.bound
            ]
            status["attachedListenerSets"] = sum(_attached(each, view) for each in views)
        status["listeners"] = [self._listener(each, generation) for each in view.listeners]
        return status

    def route(self, view: RouteView) -> Json:
        generation = self._context.generation(view.resource)
        parents = [
            {
                "parentRef": {
                    "group": parent.ref.group,
                    "kind": parent.ref.kind,
                    **_given(namespace=parent.ref.namespace),
                    "name": parent.ref.name,
                    **_given(sectionName=parent.ref.section_name, port=parent.ref.port),
                },
                "controllerName": CONTROLLER,
                "conditions": self._conditions(parent.conditions, generation),
            }
            for parent in view.parents[:_MOST_PARENTS]
        ]
        return {"parents": parents}

    def policy(
        self, policy: BackendTLSPolicy, policies: TLSPolicies, ancestors: dict[tuple[str, ...], dict[str, Json]]
    ) -> Json:
        conditions = policies.conditions[key_of(policy)]
        written = self._conditions(conditions, self._context.generation(policy))
        found = {name: ref for target in policies.targets_of(policy) for name, ref in ancestors.get(target, {}).items()}
        return {
            "ancestors": [
                {"ancestorRef": ref, "controllerName": CONTROLLER, "conditions": written}
                for ref in list(found.values())[:_MOST_ANCESTORS]
            ]
        }

    def ancestors(self, policy: SecurityPolicy | ClientTrafficPolicy, said: Ancestors) -> Json:
        generation = self._context.generation(policy)
        return {
            "ancestors": [
                {
                    "ancestorRef": ref,
                    "controllerName": CONTROLLER,
                    "conditions": self._conditions(conditions, generation),
                }
                for ref, conditions in said[:_MOST_ANCESTORS]
            ]
        }

    def conditions(self, resource: Backend, conditions: Conditions) -> Json:
        return {"conditions": self._conditions(conditions, self._context.generation(resource))}

    def _listener(self, view: ListenerView, generation: int) -> Json:
        return {
            "name": view.spec.name,
            "supportedKinds": [{"group": GATEWAY_GROUP, "kind": kind} for kind in view.kinds],
            "attachedRoutes": len(view.attached),
            "conditions": self._conditions(view.conditions, generation),
        }

    def _conditions(self, conditions: Conditions, generation: int) -> list[Json]:
        return [
            {
                "type": each.type,
                "status": "True" if each.holds else "False",
                "reason": each.reason,
                "message": each.message[:_LONGEST_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": self._now,
            }
            for each in conditions
        ]


def _given(**fields: object) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _attached(each: GatewayView, gateway: GatewayView) -> bool:
    return (
        isinstance(each.resource, ListenerSet)
        and each.conditions.holds("Accepted")
        and any(listener.gateway is gateway for listener in each.listeners)
    )


def _ancestors(routes: list[RouteView]) -> dict[tuple[str, ...], dict[str, Json]]:
    """By target of a policy: the Gateways whose routes lead there, by name."""
    found: dict[tuple[str, ...], dict[str, Json]] = {}
    for view in routes:
        gateways = {
            qualified(listener.gateway.resource): listener.gateway.resource
            for parent in view.parents
            for listener, _ in parent.listeners
        }
        for target in _targets(view):
            refs = found.setdefault(target, {})
            refs.update({name: _reference(gateway) for name, gateway in gateways.items()})
    return found


def _targets(view: RouteView) -> Iterator[tuple[str, str, str, str]]:
    for rule in view.resource.spec.rules:
        filters = [*rule.filters, *(each for ref in rule.backend_refs for each in ref.filters)]
        mirrored = [each.request_mirror.backend_ref for each in filters if each.request_mirror]
        asked = [each.external_auth.backend_ref for each in filters if each.external_auth]
        for ref in (*rule.backend_refs, *mirrored, *asked):
            yield (ref.namespace or namespace_of(view.resource), ref.group, ref.kind, ref.name)


def _reference(gateway: Gateway | ListenerSet) -> Json:
    return {
        "group": GATEWAY_GROUP,
        "kind": "Gateway",
        "namespace": namespace_of(gateway),
        "name": gateway.metadata.name,
    }
