"""Cases as a folder of manifests for our gateway: one Gateway with a listener for each, one Backend for all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from written_cases import LISTENER_PORT, Case

MOST_LISTENERS = 64
"""How many listeners a Gateway may have, so how many cases one folder takes."""


def write_manifests(cases: Sequence[Case], upstream_port: int, folder: Path) -> None:
    """Write the manifests for ``cases`` in front of ``upstream_port`` into ``folder``."""
    assert len(cases) <= MOST_LISTENERS
    documents = [_gateway(cases), _backend(upstream_port)]
    documents += [each for case in cases for each in (*case.routes, *case.others)]
    text = yaml.safe_dump_all(documents, allow_unicode=True)
    (folder / "manifests.yaml").write_text(text)


def _gateway(cases: Sequence[Case]) -> dict[str, Any]:
    names = [case.routes[0]["spec"]["parentRefs"][0]["sectionName"] for case in cases]
    listeners = [
        {"name": name, "protocol": "HTTP", "port": LISTENER_PORT, "hostname": f"*.{name}.test"} for name in names
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway"},
        "spec": {"gatewayClassName": "any", "listeners": listeners},
    }


def _backend(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "upstream"},
        "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": port}}]},
    }
