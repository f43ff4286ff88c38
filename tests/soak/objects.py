"""Manifests of the gateways that are judged."""

import json
from collections.abc import Iterable


def text(*objects: dict[str, object]) -> str:
    """Objects as one file, in which ``PORT`` stands for the port of its Gateway; JSON is YAML."""
    return "\n---\n".join(json.dumps(each) for each in objects).replace('"PORT"', "PORT")


def entrance() -> dict[str, object]:
    """A Gateway at the port that ``PORT`` stands for."""
    listener = {"name": "http", "protocol": "HTTP", "port": "PORT"}
    return _object(
        "gateway.networking.k8s.io/v1", "Gateway", "g", {"gatewayClassName": "ours", "listeners": [listener]}
    )


def backend(name: str, *ports: int) -> dict[str, object]:
    """A Backend with an endpoint at each of ``ports`` of this machine."""
    endpoints = [{"ip": {"address": "127.0.0.1", "port": port}} for port in ports]
    return _object("gateway.envoyproxy.io/v1alpha1", "Backend", name, {"endpoints": endpoints})


def route(
    name: str, prefix: str, to: str, *, replacement: str | None = None, key: str | None = None
) -> dict[str, object]:
    """A route from a prefix to a backend; the prefix is replaced and a key injected where one is named."""
    filters = list[dict[str, object]]()
    if replacement is not None:
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": replacement}
        filters.append({"type": "URLRewrite", "urlRewrite": {"path": path}})
    if key is not None:
        injector = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": f"inject-{key}"}
        filters.append({"type": "ExtensionRef", "extensionRef": injector})
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "filters": filters,
        "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": to}],
    }
    spec: dict[str, object] = {"parentRefs": [{"name": "g"}], "rules": [rule]}
    return _object("gateway.networking.k8s.io/v1", "HTTPRoute", name, spec)


def injector(key: str) -> dict[str, object]:
    """What injects the credential of the Secret ``key``."""
    spec: dict[str, object] = {"credentialInjection": {"overwrite": True, "credential": {"valueRef": {"name": key}}}}
    return _object("gateway.envoyproxy.io/v1alpha1", "HTTPRouteFilter", f"inject-{key}", spec)


def secrets(values: Iterable[tuple[str, str]]) -> list[dict[str, object]]:
    """Secrets by their names."""
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"credential": value}}
        for name, value in values
    ]


def _object(version: str, kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
