"""What the gateway's translation takes: a sample for each feature that cases use only where it is there."""

import functools
import tempfile
from pathlib import Path

import yaml

from gateway_filters import ManifestError, Refusal, routes_of

_REDIRECT: dict[str, object] = {
    "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "provider.test"}}]
}
_REGEX: dict[str, object] = {"matches": [{"path": {"type": "RegularExpression", "value": "/v[0-9]"}}]}
_CORS: dict[str, object] = {"filters": [{"type": "CORS", "cors": {"allowOrigins": ["*"]}}]}
SAMPLES: dict[str, dict[str, object]] = {"RequestRedirect": _REDIRECT, "RegularExpression": _REGEX, "CORS": _CORS}
"""Rules of which each holds one feature and nothing else that could be refused."""


@functools.cache
def available(feature: str) -> bool:
    """Whether a rule with this feature is translated into something that does not refuse every request."""
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway"},
        "spec": {"gatewayClassName": "any", "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}]},
    }
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": [SAMPLES[feature]]},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sample.yaml"
        file.write_text(yaml.safe_dump_all([gateway, route]))
        try:
            routes = routes_of(file)
        except ManifestError:
            return False
    return bool(routes) and not any(isinstance(each, Refusal) for route in routes for each in route.filters)
