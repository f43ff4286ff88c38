"""Attaching routes to listeners (Gateway API, ParentReference)."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.listeners import GatewayView, ListenerView
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import Gateway, HTTPRoute, ParentReference
from gateway_filters.gateway_api.selection import selected
from gateway_filters.gateway_api.translation import Context
from gateway_filters.matching.hostname import intersection
from gateway_filters.message.client import is_address


@dataclass(frozen=True)
class Parent:
    """One parentRef of a route that is ours: what is said of it, and the listeners it reaches."""

    ref: ParentReference
    conditions: Conditions
    listeners: tuple[tuple[ListenerView, tuple[str | None, ...]], ...]


class Attachment:
    """Finds the listeners of routes among the Gateways and ListenerSets that are ours."""

    def __init__(self, views: list[GatewayView]) -> None:
        self._views = {(v.resource.kind, namespace_of(v.resource), v.resource.metadata.name): v for v in views}
        self._default = {key: view for key, view in self._views.items() if _is_default(view)}

    def parents(self, context: Context, route: HTTPRoute) -> list[Parent]:
        """The parentRefs that are ours; a parent that is not gets no entry at all. Notes problems in ``context``."""
        found = [*self._named(context, route), *self._defaults(context, route)]
        if not found:
            sentence = "none of its parents is a Gateway or ListenerSet that is served here"
            context.problem(route, ("spec",), sentence)
        return found

    def _named(self, context: Context, route: HTTPRoute) -> Iterator[Parent]:
        for index, ref in enumerate(route.spec.parent_refs):
            view = self._views.get(_key(ref, route))
            if view is not None and ref.group == view.resource.api_version.rpartition("/")[0]:
                parent = _parent(context, route, ref, view)
                for condition in parent.conditions:
                    if not condition.holds:
                        context.problem(route, ("spec", "parentRefs", index), condition.message)
                yield parent

    def _defaults(self, context: Context, route: HTTPRoute) -> Iterator[Parent]:
        """The default Gateways that take the route, if it wants them; one that it names is left to that reference."""
        named = {_key(ref, route) for ref in route.spec.parent_refs}
        for key, view in self._default.items() if route.spec.use_default_gateways == "All" else ():
            parent = _parent(context, route, _reference(view), view)
            if key not in named and parent.conditions.holds("Accepted"):
                yield parent


def _key(ref: ParentReference, route: HTTPRoute) -> tuple[str, str, str]:
    return (ref.kind, ref.namespace or namespace_of(route), ref.name)


def _is_default(view: GatewayView) -> bool:
    return isinstance(view.resource, Gateway) and view.resource.spec.default_scope == "All"


def _reference(view: GatewayView) -> ParentReference:
    return ParentReference(name=view.resource.metadata.name, namespace=namespace_of(view.resource))


def _parent(context: Context, route: HTTPRoute, ref: ParentReference, view: GatewayView) -> Parent:
    conditions = Conditions("Accepted", "ResolvedRefs")
    named = [each for each in view.listeners if _named(each, ref)]
    if not named:
        conditions.fail("Accepted", "NoMatchingParent", f"{ref.kind} {ref.name} has no listener{_asked(ref)}")
    allowed = [each for each in named if _allows(context, each, route)]
    if not allowed:
        conditions.fail("Accepted", "NotAllowedByListeners", f"no listener of {ref.kind} {ref.name} allows it")
    addresses = [name for name in route.spec.hostnames if is_address(name)]
    if addresses:
        conditions.fail("Accepted", "UnsupportedValue", f"host name {addresses[0]} is an address")
    meeting = [(each, names) for each in allowed if not addresses and (names := _meeting(each, route))]
    if not meeting:
        sentence = f"no listener of {ref.kind} {ref.name} has a host name in common with it"
        conditions.fail("Accepted", "NoMatchingListenerHostname", sentence)
    return Parent(ref, conditions, tuple(meeting))


def _allows(context: Context, listener: ListenerView, route: HTTPRoute) -> bool:
    scope = listener.spec.allowed_routes.namespaces
    return "HTTPRoute" in listener.kinds and selected(context, scope.from_, scope.selector, route, listener.owner)


def _named(listener: ListenerView, ref: ParentReference) -> bool:
    return ref.section_name in (None, listener.spec.name) and ref.port in (None, listener.spec.port)


def _asked(ref: ParentReference) -> str:
    """Which listener a reference asks for, to be said behind the word; nothing where it asks for any."""
    name = "" if ref.section_name is None else f" {ref.section_name}"
    return name if ref.port is None else f"{name} on port {ref.port}"


def _meeting(listener: ListenerView, route: HTTPRoute) -> tuple[str | None, ...]:
    """The host names that the route answers for on the listener; None stands for any."""
    names: dict[str | None, None] = {}
    for hostname in route.spec.hostnames or (None,):
        try:
            names[intersection(listener.spec.hostname, hostname)] = None
        except ValueError:
            continue
    return tuple(names)
