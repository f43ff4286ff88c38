"""The seed's route as manifests, with an upstream on this machine."""

import json

from run.gateway_run import documents, gateway


def seed_manifests(port: int, upstream_port: int) -> str:
    """A Gateway at ``port`` that sends ``/v1`` on with another Host, another prefix and a credential."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
        "filters": [
            {
                "type": "URLRewrite",
                "urlRewrite": {
                    "hostname": "dashscope.aliyuncs.com",
                    "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/compatible-mode/v1"},
                },
            },
            {
                "type": "ExtensionRef",
                "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "key"},
            },
        ],
        "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "b"}],
    }
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r"},
        "spec": {"parentRefs": [{"name": "g"}], "rules": [rule]},
    }
    injection = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "HTTPRouteFilter",
        "metadata": {"name": "key"},
        "spec": {"credentialInjection": {"overwrite": True, "credential": {"valueRef": {"name": "key"}}}},
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "stringData": {"credential": "Bearer k"},
    }
    to = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "b"},
        "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": upstream_port}}]},
    }
    return documents(gateway(port), *map(json.dumps, (route, injection, secret, to)))
