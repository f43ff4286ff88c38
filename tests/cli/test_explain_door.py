"""What ``explain`` says of a security policy: what the door asks, whether this request gets in, and no credential."""

from pathlib import Path

import pytest

from gateway_filters.cli import main

pytest.importorskip("joserfc", reason="the extra gateway-filters[jwt] is not installed")

from credentials.signing import jwks, token

GOLDEN = Path(__file__).parents[1] / "golden"
KEYS = GOLDEN / "a-security-policy-asks-for-api-keys.in.yaml"
RULES = GOLDEN / "a-security-policy-allows-and-denies.in.yaml"
SERVICE = GOLDEN / "a-security-policy-has-a-service-asked.in.yaml"

BASE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec: {endpoints: [{fqdn: {hostname: b.example.com, port: 80}}]}
---
"""


def _explained(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["explain", *map(str, arguments)]) == 0
    return capsys.readouterr().out


ROWS = [
    pytest.param((KEYS, "GET", "http://h/a"), "401 authentication_error: there is no API key", id="no key"),
    pytest.param((KEYS, "GET", "http://h/a?key=bad"), "401 authentication_error: the API key is not", id="a wrong key"),
    pytest.param((KEYS, "GET", "http://h/a?key=sk-alice"), "header x-client: added alice", id="a right key"),
    pytest.param((KEYS, "GET", "http://h/a"), "or header X-Api-Key, or cookie key)", id="all places"),
    pytest.param((RULES, "GET", "http://h/x", "--client", "10.0.0.1"), "URL   http://b.example.com/x", id="inside"),
    pytest.param((RULES, "GET", "http://h/x"), "403 permission_denied: no rule holds, and the default", id="outside"),
    pytest.param(
        (RULES, "DELETE", "http://h/x", "--client", "10.0.0.1"), "rule no deletion denies it", id="a rule that denies"
    ),
    pytest.param((RULES, "GET", "http://h/x"), "Deny (no deletion), Allow, Allow, otherwise Deny", id="all rules"),
    pytest.param((SERVICE, "GET", "http://h/a"), "goes on when it permits or fails", id="a service that may fail"),
    pytest.param((SERVICE, "GET", "http://h/b"), "ExternalAuth(default/auth:80+default/b, path=/all)", id="a path"),
    # A WebSocket comes to the same door.
    pytest.param((KEYS, "GET", "ws://h/a"), "401 authentication_error: there is no API key", id="a handshake, no key"),
    pytest.param((KEYS, "GET", "ws://h/a?key=sk-alice"), "header x-client: added alice", id="a handshake with a key"),
    pytest.param((RULES, "GET", "ws://h/x"), "403 permission_denied: no rule holds", id="a handshake from outside"),
    pytest.param(
        (RULES, "GET", "ws://h/x", "--client", "10.0.0.1"), "URL   ws://b.example.com/x", id="a handshake from inside"
    ),
    pytest.param(
        (SERVICE, "GET", "ws://h/b"),
        "ExternalAuth(default/auth:80+default/b, path=/all)",
        id="a service and a handshake",
    ),
]


@pytest.mark.parametrize(("arguments", "words"), ROWS)
def test_the_door_is_explained(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str | Path, ...], words: str
) -> None:
    """Each part says what it asks and what comes of it."""
    told = _explained(capsys, *arguments)
    assert words in told and "sk-" not in told


def test_no_key_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever a client may show one, its fingerprint stands for it, also in the URL."""
    for output in ("text", "json"):
        told = _explained(
            capsys,
            *(KEYS, "POST", "http://h/a?x=1&key=sk-alice&k%65y=sk-bob", "-o", output),
            *("-H", "X-Api-Key: sk-bob", "-H", "Cookie: key=sk-carol", "-H", "Authorization: Bearer sk-carol"),
        )
        assert "sk-" not in told and "x=1" in told and "fingerprint" in told


def test_a_bad_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With one sentence."""
    assert main(["explain", str(KEYS), "GET", "http://h/a", "--client", "nobody"]) == 2
    assert capsys.readouterr().err.endswith("the client's address is not an IP address\n")


POLICY = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: door}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}]
  jwt: {providers: [{name: p, issuer: "https://issuer.test", KEYS}]}
  authorization: {rules: [{action: Allow, principal: {jwt: {provider: p, scopes: [read]}}}]}
"""


def test_published_keys_are_not_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What only they could tell is left open; what is wrong without them is wrong."""
    file = tmp_path / "gateway.yaml"
    file.write_text(BASE + POLICY.replace("KEYS", 'remoteJWKS: {uri: "https://issuer.test/keys"}'))
    told = _explained(capsys, file, "GET", "http://h/", "-H", f"Authorization: Bearer {token()}")
    assert "goes on when the published keys have signed the token" in told
    assert "goes on when a rule allows what the token says" in told and "URL   http://b.example.com/" in told
    assert "p for issuer https://issuer.test in header Authorization, or query parameter access_token" in told
    for headers in ((), ("-H", "Authorization: Bearer x.y.z")):
        assert "401 authentication_error" in _explained(capsys, file, "GET", "http://h/", *headers)


def test_keys_at_hand_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A token of long ago has expired."""
    file = tmp_path / "gateway.yaml"
    file.write_text(BASE + POLICY.replace("KEYS", f"localJWKS: {{inline: '{jwks('rsa')}'}}"))
    told = _explained(capsys, file, "GET", "http://h/", "-H", f"Authorization: Bearer {token({'exp': 1})}")
    assert "401 authentication_error: the token has expired" in told and "eyJ" not in told


def test_routes_names_what_stands_before_them(capsys: pytest.CaptureFixture[str]) -> None:
    """The table shortly, JSON with all that is asked."""
    assert main(["routes", str(SERVICE)]) == 0
    assert "SecurityPolicy" in capsys.readouterr().out
    assert main(["routes", str(KEYS), "-o", "json"]) == 0
    assert "SecurityPolicy(default/door, APIKeyAuth(in query parameter key, or header" in capsys.readouterr().out
