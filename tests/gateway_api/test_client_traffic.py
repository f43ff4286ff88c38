"""ClientTrafficPolicies: what the CRD takes, and paths with escaped slashes at the listeners that they are for."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from asgi_driver import exchange, http_scope
from effort import LONG
from gateway_api.crd_oracle import AVAILABLE, custom_resources
from gateway_api.resource_rows import manifest, places
from gateway_filters import Gateway
from gateway_filters.cli import main
from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.load import translate_files
from gateway_filters.gateway_api.resources import ClientTrafficPolicy
from gateway_filters.gateway_api.resources.client_traffic_policy import ClientTrafficPolicySpec

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
LABELLED = {"kind": "Gateway", "matchLabels": {"a": "b"}}
ACTIONS = ("KeepUnchanged", "RejectRequest", "UnescapeAndForward", "UnescapeAndRedirect")

SPECS: list[tuple[str, dict[str, Any], bool]] = [
    ("one target", {"targetRef": GATEWAY}, True),
    ("several targets", {"targetRefs": [GATEWAY, {**GATEWAY, "sectionName": "http"}]}, True),
    ("a listener set", {"targetRefs": [{**GATEWAY, "kind": "ListenerSet"}]}, True),
    ("labels", {"targetSelectors": [LABELLED]}, True),
    ("no target", {}, False),
    ("both ways to name targets", {"targetRef": GATEWAY, "targetRefs": [GATEWAY]}, False),
    ("a route", {"targetRefs": [{**GATEWAY, "kind": "HTTPRoute"}]}, False),
    ("a route in the old way", {"targetRef": {**GATEWAY, "kind": "HTTPRoute"}}, False),
    ("another group", {"targetRefs": [{**GATEWAY, "group": "example.com"}]}, False),
    ("labels of another group", {"targetSelectors": [{**LABELLED, "group": "example.com"}]}, False),
    *((f"action {each}", {"targetRef": GATEWAY, "path": {"escapedSlashesAction": each}}, True) for each in ACTIONS),
    ("another action", {"targetRef": GATEWAY, "path": {"escapedSlashesAction": "Unescape"}}, False),
    ("a field of path that there is not", {"targetRef": GATEWAY, "path": {"slashes": True}}, False),
    ("text for a truth", {"targetRef": GATEWAY, "path": {"disableMergeSlashes": "true"}}, False),
    ("a field that there is not", {"targetRef": GATEWAY, "paths": {}}, False),
    ("what is not supported here", {"targetRef": GATEWAY, "http1": {"enableTrailers": True}}, True),
]


@pytest.mark.parametrize(("spec", "good"), [pytest.param(spec, good, id=name) for name, spec, good in SPECS])
def test_the_model_takes_what_the_crd_takes(spec: dict[str, Any], good: bool) -> None:
    """Of the parts that are read; unknown fields are refused by strict validation, as kubectl's."""
    written = manifest("ClientTrafficPolicy", {"spec": spec})
    if AVAILABLE:
        assert bool(custom_resources()["ClientTrafficPolicy"].faults(written)) is not good
    if good:
        ClientTrafficPolicy.model_validate(written)
    else:
        with pytest.raises(ValueError, match="validation error"):
            ClientTrafficPolicy.model_validate(written)


def _one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


SECTION: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"group": st.sampled_from(("gateway.networking.k8s.io", "", "example.com", "Group"))},
    optional={
        "kind": st.sampled_from(("Gateway", "ListenerSet", "HTTPRoute", "", "gate way")),
        "name": st.sampled_from(("g", "", "n" * 253, "n" * 254, 1)),
        "sectionName": st.sampled_from(("http", "", "-a", "s" * 253, "s" * 254, None)),
        "port": st.just(80),
    },
)
EXPRESSION: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"key": st.just("a")},
    optional={"operator": st.sampled_from(("In", "Exists", "Is")), "values": _one_of(["a"], [], "a")},
)
SELECTOR: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"kind": st.sampled_from(("Gateway", "ListenerSet", "HTTPRoute", ""))},
    optional={
        "group": st.sampled_from(("gateway.networking.k8s.io", "example.com")),
        "matchLabels": _one_of({}, {"a": "b"}, {"a": 1}, []),
        "matchExpressions": st.lists(EXPRESSION, max_size=2),
        "namespaces": _one_of({"from": "All"}, {"from": "None"}, {"from": "Selector"}, {}, {"selector": {}}),
    },
)
WRITTEN: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "targetRef": st.just(GATEWAY) | SECTION,
        "targetRefs": st.lists(st.just(GATEWAY) | SECTION, max_size=2),
        "targetSelectors": st.lists(st.just(LABELLED) | SELECTOR, max_size=2),
        "path": st.fixed_dictionaries(
            {},
            optional={
                "escapedSlashesAction": st.sampled_from((*ACTIONS, "keepunchanged", "", None, True)),
                "disableMergeSlashes": st.sampled_from((True, False, None, "true", 0)),
                "merge": st.just(True),
            },
        ),
    },
)


@pytest.mark.skipif(not AVAILABLE, reason="the CRDs are not beside the project")
@settings(derandomize=True, max_examples=5_000 if LONG else 200)
@given(spec=WRITTEN)
def test_generated_policies(spec: dict[str, Any]) -> None:
    """The model and the CRD accept the same ones, in what both read."""
    written = manifest("ClientTrafficPolicy", {"spec": spec})
    reasons = custom_resources()["ClientTrafficPolicy"].faults(written)
    assert bool(places(ClientTrafficPolicy, written)) is bool(reasons), (spec, reasons)


def test_every_field_of_the_crd_is_known() -> None:
    """A field that we did not know would be refused as a mistake, not as something that is not supported."""
    if not AVAILABLE:
        pytest.skip("the CRDs are not beside the project")
    fields = {field.alias or name for name, field in ClientTrafficPolicySpec.model_fields.items()}
    assert fields == set(custom_resources()["ClientTrafficPolicy"].spec["properties"])


MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec:
  gatewayClassName: any
  listeners:
  - {name: own, port: 80, protocol: HTTP, hostname: own.example}
  - {name: any, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 80}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g, sectionName: own}]
  path: {escapedSlashesAction: %s}
"""


async def _answered(folder: Path, action: str, target: str, host: str = "own.example") -> tuple[int | None, str]:
    """The status, with the path that arrives at the upstream or the Location that the client gets."""
    (folder / "all.yaml").write_text(MANIFESTS % action)
    came: list[bytes] = []

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        came.append(scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b""))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    gateway = Gateway.from_manifests(folder, upstreams=lambda _: upstream)
    answer = await exchange(gateway, http_scope(target, headers=[(b"host", host.encode())]))
    location = dict(answer.headers).get(b"location", b"")
    return answer.status, (came[0] if came else location).decode()


PATHS = [
    # As Envoy was seen to answer, and what the other actions make of the same.
    pytest.param("UnescapeAndRedirect", "/v1%2Fx", (307, "/v1/x"), id="a slash is redirected"),
    pytest.param("UnescapeAndRedirect", "/v1/a%2Fb?x=%2F", (307, "/v1/a/b?x=%2F"), id="the query stays as it is"),
    pytest.param("UnescapeAndRedirect", "/v1/%5cx", (307, "/v1/x"), id="a backslash is redirected"),
    pytest.param("UnescapeAndRedirect", "/v1/..%2fadmin", (307, "/admin"), id="to where it leads"),
    pytest.param("UnescapeAndRedirect", "/%2F%2Fevil.example/", (307, "/evil.example/"), id="never to another host"),
    pytest.param("UnescapeAndRedirect", "/%5C%5Cevil.example/", (307, "/evil.example/"), id="nor by backslashes"),
    pytest.param("UnescapeAndRedirect", "/v1/x", (200, "/v1/x"), id="nothing to redirect"),
    pytest.param("UnescapeAndRedirect", "/v1/%252Fx", (200, "/v1/%252Fx"), id="an escaped per cent sign is none"),
    pytest.param("UnescapeAndForward", "/v1%2Fx", (200, "/v1/x"), id="a slash is a slash"),
    pytest.param("UnescapeAndForward", "/v1/a%2Fb?x=%2F", (200, "/v1/a/b?x=%2F"), id="in the path alone"),
    pytest.param("UnescapeAndForward", "/v1/..%2fadmin", (404, ""), id="what is matched is what it means"),
    pytest.param("UnescapeAndForward", "/v1/%252Fx", (200, "/v1/%252Fx"), id="nothing is decoded twice"),
    pytest.param("UnescapeAndForward", "/v1/%%32F", (200, "/v1/%252F"), id="nor made up of what was decoded"),
    pytest.param("KeepUnchanged", "/v1/a%2fb%5C", (200, "/v1/a%2fb%5C"), id="it stays as it is"),
    pytest.param("KeepUnchanged", "/v1%2Fx", (404, ""), id="and is no slash for a match"),
    pytest.param("KeepUnchanged", "/v1/%00", (400, ""), id="other bad escapes are bad"),
    pytest.param("RejectRequest", "/v1/a%2Fb", (400, ""), id="it is refused"),
]


@pytest.mark.parametrize(("action", "target", "expected"), PATHS)
async def test_escaped_slashes(tmp_path: Path, action: str, target: str, expected: tuple[int, str]) -> None:
    """At the listener that the policy is for."""
    assert await _answered(tmp_path, action, target) == expected


@pytest.mark.parametrize("action", ACTIONS)
async def test_other_listeners_refuse_them(tmp_path: Path, action: str) -> None:
    """Also on the same port: the Host decides whose way it is."""
    assert await _answered(tmp_path, action, "/v1/a%2Fb", "else.example") == (400, "")


def test_a_policy_that_asks_for_more_is_told(tmp_path: Path) -> None:
    """Its listener is closed, and each field that is not supported is named."""
    (tmp_path / "all.yaml").write_text(MANIFESTS % "KeepUnchanged" + "  http3: {}\n  tls: {minVersion: '1.3'}\n")
    translation = translate_files([tmp_path])
    assert [each.name for each in translation.listeners] == ["default/g/any"]
    told = [str(each) for each in translation.problems]
    assert sum(each.endswith("http3, tls of ClientTrafficPolicy default/p is not supported") for each in told) == 2


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    """As ``kubectl apply`` does."""
    (tmp_path / "all.yaml").write_text(MANIFESTS % "KeepUnchanged" + "  slashes: {}\n")
    with pytest.raises(ManifestError, match=r"spec\.slashes: the field is not known"):
        translate_files([tmp_path])


def test_explain_knows_the_listeners_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is explained is what happens."""
    (tmp_path / "all.yaml").write_text(MANIFESTS % "UnescapeAndForward")
    assert main(["explain", str(tmp_path), "GET", "http://own.example/v1%2Fx"]) == 0
    assert "Canonical path\n  /v1/x\n" in capsys.readouterr().out
    (tmp_path / "all.yaml").write_text(MANIFESTS % "UnescapeAndRedirect")
    main(["explain", str(tmp_path), "GET", "http://own.example/v1%2Fx"])
    assert "307" in capsys.readouterr().out
