"""References across namespaces: allowed only by a ReferenceGrant in the target's namespace."""

from gateway_filters.gateway_api.objects import Objects, namespace_of
from gateway_filters.gateway_api.resources import ReferenceGrant, ReferenceGrantTo, Resource


def granted(objects: Objects, referrer: Resource, group: str, kind: str, namespace: str, name: str) -> bool:
    """Whether ``referrer`` may name the object: it is in its own namespace, or a grant there says so."""
    if namespace == namespace_of(referrer):
        return True
    origin = (referrer.api_version.rpartition("/")[0], referrer.kind, namespace_of(referrer))
    return any(
        any((each.group, each.kind, each.namespace) == origin for each in grant.spec.from_)
        and any(_covers(each, group, kind, name) for each in grant.spec.to)
        for grant in objects.of(ReferenceGrant)
        if namespace_of(grant) == namespace
    )


def _covers(to: ReferenceGrantTo, group: str, kind: str, name: str) -> bool:
    return (to.group, to.kind) == (group, kind) and to.name in (None, "", name)
