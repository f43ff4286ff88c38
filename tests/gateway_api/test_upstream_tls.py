"""gateway_api/upstream_tls: the certificate that is shown to backends, a Gateway's or a Backend's own."""

from pathlib import Path

import pytest
import trustme

from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.routing import Backend, Route, Unusable
from tls_manifests import secret

CA = trustme.CA()


def issued(name: str, namespace: str = "default") -> tuple[str, str]:
    """A certificate in a Secret of its name, and its text."""
    leaf = CA.issue_cert(f"{name}.test")
    return f"\n---{secret(name, leaf, namespace)}", "".join(each.bytes().decode() for each in leaf.cert_chain_pems)


def gateway(name: str, port: int, reference: str = "") -> str:
    """A Gateway that shows the certificate behind the reference."""
    tls = f"\n  tls: {{backend: {{clientCertificateRef: {reference}}}}}" if reference else ""
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: any
  listeners: [{{name: http, port: {port}, protocol: HTTP}}]{tls}
"""


BACKENDS = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: one}, {name: two}]
  rules:
  - matches: [{path: {type: Exact, value: /}}]
    filters:
    - {type: RequestMirror, requestMirror: {backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: policy}}}
    - type: ExternalAuth
      externalAuth:
        protocol: HTTP
        backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: policy}
        http: {}
    backendRefs:
    - {group: gateway.envoyproxy.io, kind: Backend, name: policy}
    - {group: gateway.envoyproxy.io, kind: Backend, name: own}
    - {group: gateway.envoyproxy.io, kind: Backend, name: plain}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: policy}
spec: {endpoints: [{fqdn: {hostname: a.example.com, port: 443}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: own}
spec:
  endpoints: [{fqdn: {hostname: b.example.com, port: 443}}]
  tls: {wellKnownCACertificates: System, clientCertificateRef: {name: backends-own}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: plain}
spec: {endpoints: [{fqdn: {hostname: c.example.com, port: 80}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: policy}]
  validation: {hostname: a.example.com, wellKnownCACertificates: System}
"""
GRANT = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: grant, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}]
  to: [{group: "", kind: Secret}]
"""
OWN, OWN_TEXT = issued("backends-own")
ONES, ONES_TEXT = issued("ones")
FAR, FAR_TEXT = issued("far", "other")


def translated(folder: Path, *texts: str) -> Translation:
    """What manifests mean."""
    (folder / "all.yaml").write_text("".join(texts))
    return translate_files([folder])


def route(translation: Translation, port: int) -> Route:
    """The route as it is on one Gateway."""
    (found,) = (each for listener in translation.listeners if listener.port == port for each in listener.routes)
    return found


def shown(backend: Backend | Unusable) -> str | None:
    """The text of the certificate that a backend is shown, or ``unusable``."""
    if isinstance(backend, Unusable):
        return "unusable"
    return backend.tls and backend.tls.certificate and backend.tls.certificate.certificate


def test_each_gateway_shows_its_own_certificate(tmp_path: Path) -> None:
    """One route on two Gateways: backends over TLS see who sends; a Backend's own certificate goes first."""
    translation = translated(tmp_path, gateway("one", 80, "{name: ones}"), gateway("two", 81), BACKENDS, OWN, ONES)
    one, two = route(translation, 80), route(translation, 81)
    assert [shown(each.backend) for each in one.backends] == [ONES_TEXT, OWN_TEXT, None]
    assert [shown(each.backend) for each in two.backends] == [None, OWN_TEXT, None]
    # Mirrors and those that are asked for permission are backends like any other.
    assert [shown(each.backend) for each in (*one.mirrors, *one.auth)] == [ONES_TEXT, ONES_TEXT]
    assert translation.problems == ()


def test_a_certificate_of_another_namespace(tmp_path: Path) -> None:
    """It needs a ReferenceGrant, as any Secret does."""
    far = gateway("one", 80, "{name: far, namespace: other}")
    allowed = translated(tmp_path, far, gateway("two", 81), BACKENDS, OWN, FAR, GRANT)
    assert shown(route(allowed, 80).backends[0].backend) == FAR_TEXT
    refused = translated(tmp_path, far, gateway("two", 81), BACKENDS, OWN, FAR)
    assert shown(route(refused, 80).backends[0].backend) == "unusable"


BROKEN = [
    pytest.param("{name: missing}", id="a Secret that is not there"),
    pytest.param("{name: half}", id="a certificate without its key"),
    pytest.param("{group: x.io, kind: Other, name: ones}", id="another kind of object"),
]


@pytest.mark.parametrize("reference", BROKEN)
def test_a_certificate_that_cannot_be_had(reference: str, tmp_path: Path) -> None:
    """No request goes to a TLS backend without the certificate that it was to be shown; others are not concerned."""
    half = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: half}\nstringData: {tls.crt: none}\n"
    translation = translated(tmp_path, gateway("one", 80, reference), gateway("two", 81), BACKENDS, OWN, ONES, half)
    one, two = route(translation, 80), route(translation, 81)
    assert [shown(each.backend) for each in one.backends] == ["unusable", OWN_TEXT, None]
    assert one.mirrors == ()
    assert [shown(each.backend) for each in one.auth] == ["unusable"]  # nobody can be asked, so nobody passes
    assert [shown(each.backend) for each in two.backends] == [None, OWN_TEXT, None]


def test_no_key_is_shown_anywhere(tmp_path: Path) -> None:
    """Neither the key nor the certificate is in what a route looks like."""
    translation = translated(tmp_path, gateway("one", 80, "{name: ones}"), gateway("two", 81), BACKENDS, OWN, ONES)
    told = repr(translation.listeners) + str(translation.statuses) + str(translation.problems)
    assert "PRIVATE" not in told and "CERTIFICATE" not in told
