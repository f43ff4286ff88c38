"""Gateways and ListenerSets into listeners, with their conditions.

A Gateway is ours when its GatewayClass is not among the objects or names our controller.
"""

from dataclasses import dataclass, field

from gateway_filters.gateway_api.addresses import Addresses, addresses_of
from gateway_filters.gateway_api.certificates import certificate_of
from gateway_filters.gateway_api.client_traffic import ClientTraffic, EscapedSlashesAction, escaped_slashes, flaw
from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.listener_tls import lets_anybody_in, listener_tls
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.overlaps import state_overlaps
from gateway_filters.gateway_api.resources import (
    GATEWAY_GROUP,
    Gateway,
    GatewayClass,
    Listener,
    ListenerSet,
)
from gateway_filters.gateway_api.selection import selected
from gateway_filters.gateway_api.translation import Context, age, qualified
from gateway_filters.gateway_api.upstream_tls import NOTHING, Shown
from gateway_filters.message.client import is_address
from gateway_filters.routing import ListenerTLS, Route

CONTROLLER = "gateway-filters/controller"
PROTOCOLS = ("HTTP", "HTTPS")


@dataclass
class ListenerView:
    """A listener while routes attach to it: who it belongs to, what is said of it, what it serves."""

    owner: Gateway | ListenerSet
    gateway: "GatewayView"
    spec: Listener
    location: Location
    conditions: Conditions
    kinds: tuple[str, ...] = ()
    tls: ListenerTLS | None = None
    escaped_slashes: EscapedSlashesAction = "reject"
    attached: set[str] = field(default_factory=set[str])
    routes: list[Route] = field(default_factory=list[Route])

    @property
    def name(self) -> str:
        """Namespace, owner and listener."""
        return f"{qualified(self.owner)}/{self.spec.name}"

    @property
    def serves(self) -> bool:
        """Whether requests may come in here."""
        return self.conditions.holds("Programmed")


@dataclass
class GatewayView:
    """A Gateway or ListenerSet with its listeners."""

    resource: Gateway | ListenerSet
    conditions: Conditions
    addresses: Addresses
    shown: Shown = NOTHING
    listeners: list[ListenerView] = field(default_factory=list[ListenerView])


def view_gateways(context: Context) -> list[GatewayView]:
    """All Gateways that are ours, then all ListenerSets of them, older ones first, conflicts settled."""
    gateways = [
        _gateway(context, each) for each in sorted(context.objects.of(Gateway), key=age) if _ours(context, each)
    ]
    parents = {qualified(view.resource): view for view in gateways}
    sets: list[GatewayView] = []
    for each in sorted(context.objects.of(ListenerSet), key=age):
        ref = each.spec.parent_ref
        parent = parents.get(f"{ref.namespace or namespace_of(each)}/{ref.name}")
        if parent is not None and (ref.group, ref.kind) == (GATEWAY_GROUP, "Gateway"):
            sets.append(_listener_set(context, each, parent))
    _treat(context, [*gateways, *sets])
    _settle_conflicts([*gateways, *sets])
    _compare_hostnames([*gateways, *sets])
    for view in (*gateways, *sets):
        _conclude(context, view)
    return [*gateways, *sets]


def _ours(context: Context, gateway: Gateway) -> bool:
    found = context.objects.find(GATEWAY_GROUP, "GatewayClass", "", gateway.spec.gateway_class_name)
    return not isinstance(found, GatewayClass) or found.spec.controller_name == CONTROLLER


def _gateway(context: Context, gateway: Gateway) -> GatewayView:
    conditions = Conditions("Accepted", "Programmed", "ResolvedRefs")
    view = GatewayView(gateway, conditions, addresses_of(gateway, context.host))
    for reason, sentence in view.addresses.unsupported:
        view.conditions.fail("Accepted", reason, sentence)
    for reason, sentence in view.addresses.unusable:
        view.conditions.fail("Programmed", reason, sentence)
    view.shown = _shown(context, gateway, view.conditions)
    if gateway.spec.infrastructure and gateway.spec.infrastructure.parameters_ref:
        view.conditions.fail("Accepted", "InvalidParameters", "parametersRef of infrastructure is not supported")
    if lets_anybody_in(gateway):
        view.conditions.state("InsecureFrontendValidationMode", "ConfigurationChanged")
    view.listeners = [
        _listener(context, gateway, view, each, ("spec", "listeners", index))
        for index, each in enumerate(gateway.spec.listeners)
    ]
    return view


def _shown(context: Context, gateway: Gateway, conditions: Conditions) -> Shown:
    """The certificate for backends, if there is to be one (Gateway API, GatewayBackendTLS)."""
    backend = gateway.spec.tls and gateway.spec.tls.backend
    if not backend or not backend.client_certificate_ref:
        return NOTHING
    pair = certificate_of(context, gateway, backend.client_certificate_ref, conditions, "InvalidClientCertificateRef")
    fault = f"the certificate that Gateway {qualified(gateway)} shows to backends cannot be had"
    return Shown(pair) if pair is not None else Shown(fault=fault)


def _listener_set(context: Context, each: ListenerSet, parent: GatewayView) -> GatewayView:
    view = GatewayView(each, Conditions("Accepted", "Programmed"), parent.addresses)
    assert isinstance(parent.resource, Gateway)
    allowed = parent.resource.spec.allowed_listeners
    scope = allowed.namespaces if allowed else None
    if scope is None or not selected(context, scope.from_, scope.selector, each, parent.resource):
        for name in ("Accepted", "Programmed"):
            view.conditions.fail(name, "NotAllowed", f"Gateway {qualified(parent.resource)} does not allow it")
    elif not parent.conditions.holds("Accepted"):
        for name in ("Accepted", "Programmed"):
            view.conditions.fail(name, "ParentNotAccepted", "its Gateway is not accepted")
    view.listeners = [
        _listener(context, each, parent, listener, ("spec", "listeners", index))
        for index, listener in enumerate(each.spec.listeners)
    ]
    return view


def _listener(
    context: Context, owner: Gateway | ListenerSet, gateway: GatewayView, spec: Listener, location: Location
) -> ListenerView:
    conditions = Conditions("Accepted", "Programmed", "ResolvedRefs")
    conditions.state("Conflicted", "NoConflicts", holds=False)
    view = ListenerView(owner, gateway, spec, location, conditions)
    if spec.protocol not in PROTOCOLS:
        conditions.fail("Accepted", "UnsupportedProtocol", f"protocol {spec.protocol} is not supported")
        return view
    if spec.hostname is not None and is_address(spec.hostname):
        conditions.fail("Accepted", "UnsupportedValue", f"host name {spec.hostname} is an address")
    view.kinds = _kinds(spec, conditions)
    if spec.protocol == "HTTPS":
        assert isinstance(gateway.resource, Gateway)
        view.tls = listener_tls(context, owner, gateway.resource, spec, conditions)
    return view


def _kinds(spec: Listener, conditions: Conditions) -> tuple[str, ...]:
    asked = spec.allowed_routes.kinds
    unknown = [each.kind for each in asked if (each.group, each.kind) != (GATEWAY_GROUP, "HTTPRoute")]
    if unknown:
        conditions.fail("ResolvedRefs", "InvalidRouteKinds", f"routes of kind {', '.join(unknown)} are not supported")
    return () if asked and len(unknown) == len(asked) else ("HTTPRoute",)


def _treat(context: Context, views: list[GatewayView]) -> None:
    """What ClientTrafficPolicies say; the listener of one that cannot be met is not served."""
    traffic = ClientTraffic(context)
    for each in (listener for view in views for listener in view.listeners):
        policy = traffic.for_listener(each.owner, each.gateway.resource, each.spec.name)
        each.escaped_slashes = escaped_slashes(policy)
        if policy is not None and (sentence := flaw(policy)):
            each.conditions.fail("Accepted", "UnsupportedValue", sentence)


def _settle_conflicts(views: list[GatewayView]) -> None:
    """Of listeners that cannot share a socket the first one stays; within one object, none does."""
    taken: dict[tuple[str, int], list[ListenerView]] = {}
    for view in views:
        if not view.conditions.holds("Accepted"):
            continue
        for listener in view.listeners:
            for address in view.addresses.bound:
                _settle(listener, taken.setdefault((address, listener.spec.port), []))


def _settle(listener: ListenerView, earlier: list[ListenerView]) -> None:
    for other in earlier:
        reason = _conflict(listener, other)
        if reason is None:
            continue
        _lose(listener, reason, other)
        if other.owner is listener.owner:
            _lose(other, reason, listener)
            continue
        return
    if not listener.conditions.holds("Conflicted"):
        earlier.append(listener)


def _compare_hostnames(views: list[GatewayView]) -> None:
    sockets: dict[tuple[str, int], dict[str | None, tuple[str, Conditions]]] = {}
    for each in (listener for view in views for listener in view.listeners):
        if each.spec.protocol == "HTTPS" and not each.conditions.holds("Conflicted"):
            for address in each.gateway.addresses.bound:
                named = sockets.setdefault((address, each.spec.port), {})
                named[each.spec.hostname] = (each.name, each.conditions)
    for named in sockets.values():
        state_overlaps(named)


def _conflict(one: ListenerView, other: ListenerView) -> str | None:
    if one.spec.protocol != other.spec.protocol:
        return "ProtocolConflict"
    if one.spec.hostname == other.spec.hostname:
        return "HostnameConflict"
    return "ProtocolConflict" if one.tls and other.tls and not one.tls.judges_like(other.tls) else None


def _lose(listener: ListenerView, reason: str, other: ListenerView) -> None:
    what = "the port and the host name" if reason == "HostnameConflict" else f"port {other.spec.port}"
    sentence = f"listener {other.name} has {what} already"
    listener.conditions.state("Conflicted", reason, sentence)
    if isinstance(listener.owner, ListenerSet):
        listener.conditions.fail("Accepted", reason, sentence)


def _conclude(context: Context, view: GatewayView) -> None:
    """Programmed, and what the listeners mean for the whole."""
    for listener in view.listeners:
        _check_sockets(context, view, listener)
        _conclude_listener(view, listener)
    good = sum(_is_valid(listener) for listener in view.listeners)
    if not good:
        view.conditions.fail("Accepted", "ListenersNotValid", "none of its listeners is valid")
        view.conditions.fail("Programmed", _reason(view), "none of its listeners is valid")
    elif not view.conditions.holds("Accepted"):
        view.conditions.fail("Programmed", _reason(view), "it is not accepted")
    elif good < len(view.listeners):
        view.conditions.state("Accepted", "ListenersNotValid", "some of its listeners are not valid")
    if isinstance(view.resource, Gateway):
        _conclude_references(view)
    _tell(context, view)


def _conclude_references(view: GatewayView) -> None:
    """ResolvedRefs of a Gateway speaks for its listeners too."""
    unresolved = [each.spec.name for each in view.listeners if not each.conditions.holds("ResolvedRefs")]
    if unresolved:
        sentence = f"references of its listeners are not resolved: {', '.join(unresolved)}"
        view.conditions.fail("ResolvedRefs", "ListenersNotResolved", sentence)


def _tell(context: Context, view: GatewayView) -> None:
    """What does not hold of the view or of its listeners is a problem."""
    for listener in view.listeners:
        for condition in listener.conditions:
            if condition.holds == (condition.type == "Conflicted"):
                context.problem(listener.owner, listener.location, condition.message or condition.reason)
    for condition in view.conditions:
        if not condition.holds:
            context.problem(view.resource, ("spec",), condition.message or condition.reason)


def _reason(view: GatewayView) -> str:
    return "ListenersNotValid" if isinstance(view.resource, ListenerSet) else "Invalid"


def _check_sockets(context: Context, view: GatewayView, listener: ListenerView) -> None:
    """A listener that can have none of its sockets is not accepted; one that has some of them serves there."""
    reasons = [context.taken.get((address, listener.spec.port)) for address in view.addresses.bound]
    if reasons and all(reasons):
        listener.conditions.fail("Accepted", "PortUnavailable", "; ".join(each for each in reasons if each))


def _conclude_listener(view: GatewayView, listener: ListenerView) -> None:
    conditions = listener.conditions
    if not view.conditions.holds("Accepted") or not view.conditions.holds("Programmed"):
        conditions.fail("Programmed", "Pending", f"{view.resource.kind} {qualified(view.resource)} is not programmed")
    elif not _is_valid(listener):
        conditions.fail("Programmed", "Invalid", _cause(conditions))


def _cause(conditions: Conditions) -> str:
    """Why a listener is not valid, in the words that were said of it already."""
    return next(
        each.message
        for each in conditions
        if each.message and each.holds == (each.type == "Conflicted") and each.type != "Programmed"
    )


def _is_valid(listener: ListenerView) -> bool:
    conditions = listener.conditions
    resolved = conditions.holds("ResolvedRefs") or bool(listener.kinds and listener.spec.protocol == "HTTP")
    return conditions.holds("Accepted") and resolved and not conditions.holds("Conflicted")
