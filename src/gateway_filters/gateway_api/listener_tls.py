"""TLS of an HTTPS listener: its certificates, and which clients' certificates are taken on its port.

Facts
- The validation of a port is that of its ``perPort`` entry, else the default (Gateway API, FrontendTLSConfig).
- A broken certificate or authority disables the listener that names it, never lets anybody in instead.
"""

from importlib.util import find_spec

from gateway_filters.gateway_api.certificates import authorities_of, certificate_of
from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.resources import FrontendValidation, Gateway, Listener, ListenerSet
from gateway_filters.gateway_api.translation import Context
from gateway_filters.routing import ListenerTLS


def listener_tls(
    context: Context, owner: Gateway | ListenerSet, gateway: Gateway, spec: Listener, conditions: Conditions
) -> ListenerTLS | None:
    """The TLS of a listener of ``owner``; None where it cannot be had, which fails conditions."""
    tls = spec.tls
    if tls is None or not tls.certificate_refs:
        conditions.fail("ResolvedRefs", "InvalidCertificateRef", "an HTTPS listener needs certificateRefs")
        return None
    found = [certificate_of(context, owner, ref, conditions, "InvalidCertificateRef") for ref in tls.certificate_refs]
    pairs = tuple(each for each in found if each is not None)
    validation = _validation(gateway, spec.port)
    if validation is None:
        return ListenerTLS(pairs)
    refs = validation.ca_certificate_refs
    cas = authorities_of(context, gateway, refs, conditions, "InvalidCACertificateKind")
    required = validation.mode == "AllowValidOnly"
    if not required and find_spec("OpenSSL") is None:
        sentence = "AllowInsecureFallback needs the extra gateway-filters[pyopenssl]"
        conditions.fail("Accepted", "UnsupportedValue", sentence)
    return None if cas is None else ListenerTLS(pairs, cas, clients_required=required)


def lets_anybody_in(gateway: Gateway) -> bool:
    """Whether a validation of the Gateway lets in clients whose certificates do not hold."""
    frontend = gateway.spec.tls and gateway.spec.tls.frontend
    if not frontend:
        return False
    written = (frontend.default.validation, *(each.tls.validation for each in frontend.per_port))
    return any(each is not None and each.mode == "AllowInsecureFallback" for each in written)


def _validation(gateway: Gateway, port: int) -> FrontendValidation | None:
    frontend = gateway.spec.tls and gateway.spec.tls.frontend
    if not frontend:
        return None
    own = next((each.tls for each in frontend.per_port if each.port == port), frontend.default)
    return own.validation
