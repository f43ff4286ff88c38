"""The ``tls`` of a Backend as Envoy Gateway has it: authorities, names, our certificate, and which TLS is spoken.

What cannot be done as it is written is refused, never done in another way.
"""

import ssl
from collections.abc import Iterator

from gateway_filters.gateway_api.certificates import authorities_of, certificate_of
from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import Backend
from gateway_filters.gateway_api.resources import BackendTLS as WrittenTLS
from gateway_filters.gateway_api.translation import Context
from gateway_filters.routing import SPOKEN, BackendTLS, CertificatePair, TLSParameters


def own_tls(context: Context, backend: Backend, tls: WrittenTLS, conditions: Conditions) -> BackendTLS | None:
    """What ``tls`` of ``backend`` means; None where it cannot be met, which then fails ``Accepted``."""
    for sentence in (*_refused(backend, tls), *_unknown_ciphers(tls)):
        conditions.fail("Accepted", "Invalid", sentence)
    cas = authorities_of(context, backend, tls.ca_certificate_refs, conditions) if tls.ca_certificate_refs else None
    certificate = _certificate(context, backend, tls, conditions)
    faults = [each.message for each in conditions if not each.holds]
    if faults:
        conditions.fail("Accepted", "Invalid", faults[0])
        return None
    verified = not tls.insecure_skip_verify
    return BackendTLS(tls.sni, cas, verified=verified, certificate=certificate, parameters=_parameters(tls))


def says_whom_to_trust(tls: WrittenTLS) -> bool:
    """Whether ``tls`` is enough without a policy: it names authorities, or wants none."""
    return bool(tls.ca_certificate_refs or tls.well_known_ca_certificates or tls.insecure_skip_verify)


def _refused(backend: Backend, tls: WrittenTLS) -> Iterator[str]:
    if tls.max_version in ("1.0", "1.1"):
        yield f"maxVersion is {tls.max_version}, and TLS before 1.2 is not spoken"
    if tls.well_known_ca_certificates not in (None, "System"):
        yield "wellKnownCACertificates must be System"
    if tls.sni is not None and backend.spec.type == "DynamicResolver":
        yield "sni may not be given for a DynamicResolver, whose hosts are asked for by their own names"
    if tls.alpn_protocols and not set(tls.alpn_protocols) & set(SPOKEN):
        yield f"of alpnProtocols only {', '.join(SPOKEN)} can be spoken"
    for field, given in (("ecdhCurves", tls.ecdh_curves), ("signatureAlgorithms", tls.signature_algorithms)):
        if given:
            yield f"{field} cannot be chosen"


def _unknown_ciphers(tls: WrittenTLS) -> Iterator[str]:
    try:
        _parameters(tls).load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except (ssl.SSLError, ValueError) as error:
        yield f"ciphers: {error}"


def _parameters(tls: WrittenTLS) -> TLSParameters:
    return TLSParameters(
        least="1.3" if tls.min_version == "1.3" else "1.2",
        most="1.2" if tls.max_version == "1.2" else "1.3",
        ciphers=tls.ciphers,
        alpn=tls.alpn_protocols if "alpn_protocols" in tls.model_fields_set else None,
    )


def _certificate(context: Context, backend: Backend, tls: WrittenTLS, conditions: Conditions) -> CertificatePair | None:
    ref = tls.client_certificate_ref
    if ref is None:
        return None
    if ref.namespace not in (None, namespace_of(backend)):
        conditions.fail("ResolvedRefs", "RefNotPermitted", "clientCertificateRef must be in the Backend's namespace")
        return None
    return certificate_of(context, backend, ref, conditions, "InvalidClientCertificateRef")
