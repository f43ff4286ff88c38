"""Attaching routes to listeners: which host names a route answers for (Gateway API, ParentReference)."""

from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    GATEWAY_GROUP,
    Gateway,
    HTTPRoute,
    LabelSelector,
    Listener,
    Namespace,
    ParentReference,
)
from gateway_filters.gateway_api.translation import Context
from gateway_filters.matching.hostname import intersection


def hostnames(context: Context, route: HTTPRoute) -> tuple[str | None, ...]:
    """The host names that ``route`` answers for on all HTTP listeners it attaches to; None stands for any.

    Empty when it attaches to none, which is noted as a problem.
    """
    found: dict[str | None, None] = {}
    for index, ref in enumerate(route.spec.parent_refs):
        names = [name for listener in _listeners(context, route, ref) for name in _meeting(listener, route)]
        if not names:
            parent = f"{ref.kind} {ref.namespace or namespace_of(route)}/{ref.name}"
            sentence = f"no HTTP listener of {parent} takes this route"
            context.problem(route, ("spec", "parentRefs", index), sentence)
        found.update(dict.fromkeys(names))
    return tuple(found)


def _listeners(context: Context, route: HTTPRoute, ref: ParentReference) -> list[Listener]:
    if (ref.group, ref.kind) != (GATEWAY_GROUP, "Gateway"):
        return []
    namespace = ref.namespace or namespace_of(route)
    gateway = context.objects.find(GATEWAY_GROUP, "Gateway", namespace, ref.name)
    if not isinstance(gateway, Gateway):
        return []
    return [each for each in gateway.spec.listeners if _named(each, ref) and _allowed(context, gateway, each, route)]


def _named(listener: Listener, ref: ParentReference) -> bool:
    return (
        listener.protocol == "HTTP" and ref.section_name in (None, listener.name) and ref.port in (None, listener.port)
    )


def _allowed(context: Context, gateway: Gateway, listener: Listener, route: HTTPRoute) -> bool:
    allowed = listener.allowed_routes
    if allowed.kinds and not any((kind.group, kind.kind) == (GATEWAY_GROUP, "HTTPRoute") for kind in allowed.kinds):
        return False
    match allowed.namespaces.from_:
        case "All":
            return True
        case "Same":
            return namespace_of(route) == namespace_of(gateway)
        case "Selector":
            labels = _labels(context, namespace_of(route))
            return allowed.namespaces.selector is not None and _selects(allowed.namespaces.selector, labels)


def _labels(context: Context, namespace: str) -> dict[str, str]:
    found = context.objects.find("", "Namespace", "default", namespace)
    labels = found.metadata.labels if isinstance(found, Namespace) else {}
    # Kubernetes sets this one on every Namespace.
    return {**labels, "kubernetes.io/metadata.name": namespace}


def _selects(selector: LabelSelector, labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(each.operator, labels.get(each.key), each.values) for each in selector.match_expressions
    )


def _holds(operator: str, label: str | None, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return label in values
        case "NotIn":
            return label not in values
        case "Exists":
            return label is not None
        case "DoesNotExist":
            return label is None
        case _:
            return False


def _meeting(listener: Listener, route: HTTPRoute) -> list[str | None]:
    names: list[str | None] = []
    for hostname in route.spec.hostnames or (None,):
        try:
            names.append(intersection(listener.hostname, hostname))
        except ValueError:
            continue
    return names
