"""Without the extra ``re2`` a rule with a pattern is refused when it is loaded, and everything beside it is served."""

import sys
from pathlib import Path

import pytest

from gateway_filters.filters import Refusal
from gateway_filters.gateway_api.load import translate_files

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: g}}
spec: {{gatewayClassName: any, listeners: [{{name: http, protocol: HTTP, port: 80}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r}}
spec:
  parentRefs: [{{name: g}}]
  rules:
  - matches: [{{path: {{value: /plain}}}}]
    backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: b}}]
  - {rule}
    backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: b}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b}}
spec: {{endpoints: [{{fqdn: {{hostname: b.example, port: 80}}}}]}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: f}}
spec: {{{extension}}}
"""
EXTENDED = (
    "filters: [{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: f}}]"
)
PATTERN = "{pattern: a, substitution: b}"
ROWS = [
    pytest.param("matches: [{path: {type: RegularExpression, value: /a}}]", "", id="a path"),
    pytest.param("matches: [{headers: [{type: RegularExpression, name: a, value: b}]}]", "", id="a header"),
    pytest.param("matches: [{queryParams: [{type: RegularExpression, name: a, value: b}]}]", "", id="a parameter"),
    pytest.param(EXTENDED, "matches: [{cookies: [{type: RegularExpression, name: a, value: b}]}]", id="a cookie"),
    pytest.param(
        EXTENDED,
        f"urlRewrite: {{path: {{type: ReplaceRegexMatch, replaceRegexMatch: {PATTERN}}}}}",
        id="a rewritten path",
    ),
    pytest.param(EXTENDED, f"urlRewrite: {{hostname: {{type: PathRegex, pathRegex: {PATTERN}}}}}", id="a host"),
]


@pytest.mark.parametrize(("rule", "extension"), ROWS)
def test_a_rule_with_a_pattern_is_refused(
    rule: str, extension: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is dropped with a condition that names the extra, its requests are refused, and no other engine stands in."""
    monkeypatch.setitem(sys.modules, "re2", None)
    (tmp_path / "all.yaml").write_text(MANIFESTS.format(rule=rule, extension=extension))
    translation = translate_files([tmp_path])
    (listener,) = translation.listeners
    refused = {each.name for each in listener.routes if any(isinstance(one, Refusal) for one in each.filters)}
    assert {each.name.split("/")[3] for each in listener.routes if each.name not in refused} == {"0"}
    assert all("/rules/1" in name for name in refused)
    (parent,) = translation.statuses["gateway.networking.k8s.io", "HTTPRoute", "default", "r"]["parents"]
    (dropped,) = (each for each in parent["conditions"] if each["type"] == "PartiallyInvalid")
    assert (dropped["status"], dropped["reason"]) == ("True", "UnsupportedValue")
    assert "needs the extra gateway-filters[re2]" in dropped["message"]
    (problem,) = translation.problems
    assert str(problem).endswith("needs the extra gateway-filters[re2]")
