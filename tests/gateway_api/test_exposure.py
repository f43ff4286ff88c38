"""Credentials for whoever comes: which manifests inject one beyond this machine with nobody at the door."""

from pathlib import Path
from textwrap import indent

import pytest
import trustme

from gateway_api.manifests import ALL, changed
from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.controller import Controller
from gateway_filters.gateway_api.exposure import exposures
from gateway_filters.gateway_api.load import translate_files
from tls_manifests import bundle, secret

CA = trustme.CA()
KEYS = '{"keys":[{"kty":"oct","kid":"k","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}]}'
SECRETS = """
---
apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {.htpasswd: 'a:{SHA}w3QkzGJswDXW5OKZHAJw0FELjfM='}
---
apiVersion: v1
kind: Secret
metadata: {name: clients}
stringData: {team: sk-team}
"""
REFERENCE = "{group: gateway.envoyproxy.io, kind: Backend, name: bailian}"


def policy(spec: str, kind: str = "HTTPRoute", name: str = "bailian-route", section: str = "") -> str:
    """The route's manifests with a SecurityPolicy."""
    target = f"{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}{section}}}"
    return f"""{ALL}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: door}}
spec: {{targetRefs: [{target}], {spec}}}{SECRETS}"""


def principals(*texts: str) -> str:
    """An authorization that allows these."""
    rules = ", ".join(f"{{action: Allow, principal: {each}}}" for each in texts)
    return f"authorization: {{rules: [{rules}]}}"


def tokens(more: str = "") -> str:
    """A jwt with keys of its own."""
    return f"jwt: {{providers: [{{name: p, localJWKS: {{inline: '{KEYS}'}}}}]{more}}}"


def over_tls(mode: str) -> str:
    """The Gateway with an HTTPS listener that asks clients for certificates."""
    text = changed("protocol: HTTP\n", "protocol: HTTPS\n    tls: {certificateRefs: [{name: own}]}\n")
    validation = f"{{caCertificateRefs: [{{group: '', kind: ConfigMap, name: cas}}], mode: {mode}}}"
    frontend = f"  tls: {{frontend: {{default: {{validation: {validation}}}}}}}\n"
    text = changed("  listeners:\n", f"{frontend}  listeners:\n", text)
    return "\n---".join((text, secret("own", CA.issue_cert("a.example")), bundle("cas", CA)))


def asking(service: str) -> str:
    """The route with an ExternalAuth filter of its own."""
    step = f"- {{type: ExternalAuth, externalAuth: {{protocol: HTTP, backendRef: {service}, http: {{}}}}}}\n"
    return changed("      filters:\n", f"      filters:\n        {step}")


API_KEY = "apiKeyAuth: {credentialRefs: [{name: clients}], extractFrom: [{headers: [X-Api-Key]}]}"
ASKED = f"http: {{backendRefs: [{REFERENCE}]}}"
CORS = "cors: {allowOrigins: ['https://a.example']}"
STEP = """        - type: ExtensionRef
          extensionRef:
            group: gateway.envoyproxy.io
            kind: HTTPRouteFilter
            name: credential-injection
"""
NOT_INJECTING = changed(STEP, "")
ON_BACKEND = changed(
    "          name: bailian\n", f"          name: bailian\n          filters:\n{indent(STEP, '  ')}", NOT_INJECTING
)
SECOND = "  - {name: other, protocol: HTTP, port: 8081}\n"

CLOSED = {
    "a key must be shown": policy(API_KEY),
    "at the Gateway": policy(API_KEY, "Gateway", "bailian-gateway"),
    "at the listener": policy(API_KEY, "Gateway", "bailian-gateway", ", sectionName: http-bailian"),
    "a password": policy("basicAuth: {users: {name: users}}"),
    "a token": policy(tokens()),
    "a token that may be left out, with rules that ask for it": policy(
        f"{tokens(', optional: true')}, {principals('{jwt: {provider: p, scopes: [a]}}')}"
    ),
    "some addresses only": policy(principals("{clientCIDRs: [10.0.0.0/8]}")),
    "nobody at all": policy("authorization: {defaultAction: Deny}"),
    "a service that must permit": policy(f"extAuth: {{{ASKED}}}"),
    "a service of the route itself": asking(REFERENCE),
    "a policy that cannot be met, which refuses all": policy("basicAuth: {users: {name: missing}}"),
    "certificates of clients": over_tls("AllowValidOnly"),
    "nothing is injected": NOT_INJECTING,
}

OPEN = {
    "nobody is at the door": ALL,
    "its Secret has not come yet": changed("name: bailian-credential\ndata", "name: another\ndata"),
    "only pages of origins are told apart": policy(CORS),
    "a token that may be left out": policy(tokens(", optional: true")),
    "rules that all are allowed by": policy("authorization: {defaultAction: Allow}"),
    "rules that go by what anybody may write in a header": policy(
        principals("{headers: [{name: X-Role, values: [a]}]}")
    ),
    "addresses that are all": policy(principals("{clientCIDRs: [0.0.0.0/1, 128.0.0.0/1]}")),
    "one rule of two that asks for nothing": policy(
        principals("{clientCIDRs: [10.0.0.0/8]}", "{clientCIDRs: ['::/0']}")
    ),
    "a service that may be away": policy(f"extAuth: {{{ASKED}, failOpen: true}}"),
    "certificates that clients may leave out": over_tls("AllowInsecureFallback"),
    "a policy for another route": policy(API_KEY, name="other"),
    "injected on a backendRef": ON_BACKEND,
}


def found(tmp_path: Path, text: str, host: str = "0.0.0.0") -> list[str]:
    """The sentences about a set of manifests."""
    (tmp_path / "all.yaml").write_text(text)
    return [str(each) for each in exposures(translate_files([tmp_path], host=host))]


@pytest.mark.parametrize("text", CLOSED.values(), ids=CLOSED)
def test_who_is_known_may_come_from_anywhere(tmp_path: Path, text: str) -> None:
    """Somebody looks at clients, so every address will do."""
    assert found(tmp_path, text) == []


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_strangers_spend_the_credential(tmp_path: Path, text: str) -> None:
    """The rule, the listener and the address are named, and nothing of the credential."""
    (sentence,) = found(tmp_path, text)
    assert sentence.startswith(f"{tmp_path}/all.yaml:")
    assert sentence.endswith(
        ": HTTPRoute bailian-route, spec.rules[0]: it injects a credential for whoever reaches listener "
        "default/bailian-gateway/http-bailian at 0.0.0.0:8080, and nothing authenticates them"
    )


@pytest.mark.parametrize(
    ("host", "place"),
    [
        pytest.param("127.0.0.1", None, id="this machine"),
        pytest.param("127.1.2.3", None, id="another name of this machine"),
        pytest.param("::1", None, id="this machine in IPv6"),
        pytest.param("localhost", None, id="this machine by name"),
        pytest.param("0.0.0.0", "0.0.0.0:8080", id="all addresses"),
        pytest.param("::", "[::]:8080", id="all addresses in IPv6"),
        pytest.param("10.1.2.3", "10.1.2.3:8080", id="one address"),
        pytest.param("gateway.example", "gateway.example:8080", id="a name that may be anywhere"),
    ],
)
def test_only_this_machine_needs_no_door(tmp_path: Path, host: str, place: str | None) -> None:
    """The manifests of the reference route run as they are on loopback."""
    sentences = found(tmp_path, ALL, host)
    assert [f"at {place}," in each for each in sentences] == ([] if place is None else [True])


def test_the_listener_that_somebody_guards_is_not_told(tmp_path: Path) -> None:
    """A route on two listeners is told of for the one where strangers come in."""
    text = policy(API_KEY, "Gateway", "bailian-gateway", ", sectionName: http-bailian")
    (sentence,) = found(tmp_path, changed("    port: 8080\n", f"    port: 8080\n{SECOND}", text))
    assert "default/bailian-gateway/other at 0.0.0.0:8081" in sentence


def test_a_controller_refuses_until_it_is_told_otherwise(tmp_path: Path) -> None:
    """One sentence for all; where it is meant, each is a problem and everything is served."""
    (tmp_path / "all.yaml").write_text(changed("    port: 8080\n", f"    port: 8080\n{SECOND}"))
    with pytest.raises(ManifestError, match=r"\(and 1 more like it\); --allow-unauthenticated serves it all the same$"):
        Controller([tmp_path], host="0.0.0.0").look({})
    meant = Controller([tmp_path], host="0.0.0.0", allow_unauthenticated=True).look({})
    assert meant is not None
    assert sum("nothing authenticates them" in str(each) and each.advice for each in meant.problems) == 2
    assert all(listener.routes for listener in meant.listeners)
