"""What is picked by labels: the namespaces that may attach, and the targets of a policy."""

from gateway_filters.gateway_api.grants import granted
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    GATEWAY_GROUP,
    ClientTrafficPolicy,
    LabelSelector,
    Namespace,
    Resource,
    SecurityPolicy,
    TargetSelector,
)
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


def picked(context: Context, policy: SecurityPolicy | ClientTrafficPolicy, target: Resource) -> bool:
    """Whether a policy's ``targetSelectors`` pick ``target`` (Envoy Gateway; elsewhere if a grant lets them)."""
    return any(_picks(context, policy, each, target) for each in policy.spec.target_selectors)


def _picks(
    context: Context, policy: SecurityPolicy | ClientTrafficPolicy, written: TargetSelector, target: Resource
) -> bool:
    if written.kind != target.kind or not selects(written, target.metadata.labels):
        return False
    scope = written.namespaces
    within = selected(context, scope.from_ if scope else "Same", scope.selector if scope else None, target, policy)
    name, namespace = target.metadata.name, namespace_of(target)
    return within and granted(context.objects, policy, GATEWAY_GROUP, target.kind, namespace, name)


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
