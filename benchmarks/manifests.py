"""The seed's manifests, with this benchmark's upstream in place of the provider."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.setting import Setting
from benchmarks.traffic import AUTHORIZATION, HOSTNAME, REWRITTEN

_RULES = 16
"""As many as an HTTPRoute may have."""
_GROUP = "gateway.envoyproxy.io"
_SECRET = "bailian-credential"
"""The name that the reference gateway looks for."""


def write_manifests(setting: Setting, port: int, folder: Path) -> Path:
    """Write the manifests of a gateway at ``port`` to ``folder``."""
    folder.mkdir(exist_ok=True)
    # JSON is YAML.
    documents = "\n---\n".join(json.dumps(document) for document in _documents(setting, port))
    (folder / "gateway.yaml").write_text(documents)
    return folder


def _documents(setting: Setting, port: int) -> Iterator[dict[str, Any]]:
    listener = {"name": "http", "protocol": "HTTP", "port": port}
    yield _object(
        "gateway.networking.k8s.io/v1", "Gateway", "gateway", {"gatewayClassName": "any", "listeners": [listener]}
    )
    credential = {"overwrite": True, "credential": {"valueRef": {"name": _SECRET}}}
    yield _object(f"{_GROUP}/v1alpha1", "HTTPRouteFilter", "credential", {"credentialInjection": credential})
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _SECRET},
        "data": {"credential": base64.b64encode(AUTHORIZATION.encode()).decode()},
    }
    endpoint = {"ip": {"address": "127.0.0.1", "port": setting.port}}
    yield _object(f"{_GROUP}/v1alpha1", "Backend", "upstream", {"endpoints": [endpoint]})
    if setting.tls:
        yield from _tls(setting.authority.read_text())
    rules = [_rule(prefix) for prefix in setting.prefixes]
    for start in range(0, len(rules), _RULES):
        spec = {"parentRefs": [{"name": "gateway"}], "rules": rules[start : start + _RULES]}
        yield _object("gateway.networking.k8s.io/v1", "HTTPRoute", f"route-{start}", spec)


def _rule(prefix: str) -> dict[str, Any]:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": REWRITTEN}
    reference = {"group": _GROUP, "kind": "HTTPRouteFilter", "name": "credential"}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "filters": [
            {"type": "URLRewrite", "urlRewrite": {"hostname": HOSTNAME, "path": path}},
            {"type": "ExtensionRef", "extensionRef": reference},
        ],
        "backendRefs": [{"group": _GROUP, "kind": "Backend", "name": "upstream"}],
    }


def _tls(authority: str) -> Iterator[dict[str, Any]]:
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "authority"},
        "data": {"ca.crt": authority},
    }
    validation = {
        "hostname": HOSTNAME,
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "authority"}],
    }
    target = {"group": _GROUP, "kind": "Backend", "name": "upstream"}
    spec = {"targetRefs": [target], "validation": validation}
    yield _object("gateway.networking.k8s.io/v1alpha3", "BackendTLSPolicy", "tls", spec)


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
