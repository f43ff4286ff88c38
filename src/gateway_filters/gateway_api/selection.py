"""Which namespaces may attach: all, the same one, or those that a selector picks by their labels."""

from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import LabelSelector, Namespace, Resource
from gateway_filters.gateway_api.translation import Context


def selected(context: Context, scope: str, selector: LabelSelector | None, guest: Resource, host: Resource) -> bool:
    """Whether the namespace of ``guest`` may attach to ``host`` under ``scope`` (All, Same, Selector, None)."""
    match scope:
        case "All":
            return True
        case "Same":
            return namespace_of(guest) == namespace_of(host)
        case "Selector":
            return selector is not None and selects(selector, _labels(context, namespace_of(guest)))
        case _:
            return False


def _labels(context: Context, namespace: str) -> dict[str, str]:
    found = context.objects.find("", "Namespace", "", namespace)
    labels = found.metadata.labels if isinstance(found, Namespace) else {}
    # Kubernetes sets this one on every Namespace.
    return {**labels, "kubernetes.io/metadata.name": namespace}


def selects(selector: LabelSelector, labels: dict[str, str]) -> bool:
    """Whether all conditions of ``selector`` hold for ``labels``."""
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
