"""Ingress: one canonical form of the path, made before matching, so that what was matched is what is sent."""

from gateway_filters.message.canonical import canonical_path
from gateway_filters.message.head import RequestHead


def ingress_head(head: RequestHead) -> RequestHead:
    """The head with its path in canonical form, the very same one when it is that already.

    Raises ``BadRequest`` for a path that has no canonical form.
    """
    path = canonical_path(head.path)
    return head if path is head.path else head.with_path(path)
