"""Certificates that Gateways name: whether a reference leads to a usable pair."""

import ssl
from collections.abc import Sequence

from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.grants import granted
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    ConfigMap,
    LocalObjectReference,
    ObjectReference,
    Resource,
    Secret,
    SecretObjectReference,
)
from gateway_filters.gateway_api.translation import Context, text_of
from gateway_filters.routing import CertificatePair

CA_KEY = "ca.crt"
"""The key under which a ConfigMap or Secret holds CA certificates."""


def certificate_of(
    context: Context, owner: Resource, ref: SecretObjectReference, conditions: Conditions, reason: str
) -> CertificatePair | None:
    """The certificate and key in the Secret that ``ref`` names; without them fails ``ResolvedRefs``.

    ``reason`` is for a reference that leads nowhere; one that no ReferenceGrant allows is ``RefNotPermitted``.
    """
    namespace = ref.namespace or namespace_of(owner)
    subject = f"{ref.kind} {namespace}/{ref.name}"
    if (ref.group, ref.kind) != ("", "Secret"):
        conditions.fail("ResolvedRefs", reason, f"a certificate cannot be in a {ref.kind}")
    elif not granted(context.objects, owner, "", "Secret", namespace, ref.name):
        conditions.fail("ResolvedRefs", "RefNotPermitted", f"no ReferenceGrant allows {subject}")
    else:
        found = context.objects.find("", "Secret", namespace, ref.name)
        pair = _pair(found)
        if pair is None:
            lack = "does not exist" if found is None else "has no certificate with its key"
            conditions.fail("ResolvedRefs", reason, f"{subject} {lack}")
        return pair
    return None


def authorities_of(
    context: Context,
    owner: Resource,
    refs: Sequence[LocalObjectReference],
    conditions: Conditions,
    reason: str = "InvalidKind",
) -> str | None:
    """CA certificates as PEM text; None where one of ``refs`` leads to none, which fails ``ResolvedRefs``.

    ``reason`` is for one to another kind of object. If all of them fail, so does ``Accepted``.
    """
    found = [_authority(context, owner, ref, conditions, reason) for ref in refs]
    if not any(found):
        conditions.fail("Accepted", "NoValidCACertificate", conditions.message("ResolvedRefs"))
    # A certificate that was to be trusted and is not there must fail connections (Gateway API, CACertificateRefs).
    return "\n".join(each for each in found if each) if all(found) else None


def _authority(
    context: Context, owner: Resource, ref: LocalObjectReference, conditions: Conditions, reason: str
) -> str | None:
    elsewhere = ref.namespace if isinstance(ref, ObjectReference) else None
    namespace = elsewhere or namespace_of(owner)
    subject = f"{ref.kind} {namespace}/{ref.name}"
    if (ref.group, ref.kind) not in (("", "ConfigMap"), ("", "Secret")):
        conditions.fail("ResolvedRefs", reason, f"CA certificates cannot be in a {ref.kind}")
        return None
    if not granted(context.objects, owner, ref.group, ref.kind, namespace, ref.name):
        conditions.fail("ResolvedRefs", "RefNotPermitted", f"no ReferenceGrant allows {subject}")
        return None
    found = context.objects.find(ref.group, ref.kind, namespace, ref.name)
    text = authorities_in(found)
    if text is None:
        lack = "does not exist" if found is None else f"has no CA certificates under {CA_KEY}"
        conditions.fail("ResolvedRefs", "InvalidCACertificateRef", f"{subject} {lack}")
    return text


def authorities_in(found: Resource | None) -> str | None:
    """The CA certificates that a ConfigMap or Secret holds, as PEM text; None where there are none."""
    text = text_of(found, CA_KEY) if isinstance(found, (ConfigMap, Secret)) else None
    if text is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return None
    return text


def _pair(found: Resource | None) -> CertificatePair | None:
    if not isinstance(found, Secret):
        return None
    certificate, key = text_of(found, "tls.crt"), text_of(found, "tls.key")
    if certificate is None or key is None:
        return None
    pair = CertificatePair(certificate, key)
    try:
        pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except (ssl.SSLError, ValueError):
        return None
    return pair
