"""What is written as a status is what an API server would take: the CRDs' schemas of it, over all golden manifests."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from gateway_api.crd_oracle import AVAILABLE, CRDS, FILES, Json, Schema, faults
from gateway_filters.gateway_api.load import translate_files

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.in.yaml"))

pytestmark = pytest.mark.skipif(
    not AVAILABLE, reason="the CRDs are not beside the project, or the engines for their rules not installed"
)


@cache
def schemas() -> dict[str, Schema]:
    """The schema of each kind's status."""
    found: dict[str, Schema] = {}
    for name in FILES:
        spec = yaml.load((CRDS / name).read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]
        served = next(each for each in spec["versions"] if each["served"])
        found[spec["names"]["kind"]] = served["schema"]["openAPIV3Schema"]["properties"].get("status", {})
    return found


def refused(folder: Path) -> Iterator[tuple[str, Json]]:
    """The statuses of the manifests there that an API server would refuse, and why."""
    for (_, kind, namespace, name), status in translate_files([folder]).statuses.items():
        for fault in faults(schemas()[kind], status):
            yield f"{kind} {namespace}/{name}", fault


@pytest.mark.parametrize("file", [pytest.param(each, id=each.name.removesuffix(".in.yaml")) for each in GOLDEN])
def test_statuses_of_golden_manifests(file: Path) -> None:
    """Every condition, list and reference is within its bounds."""
    assert list(refused(file)) == []


def gateways(count: int, more: str = "") -> str:
    """Gateways, each on a port of its own."""
    return "".join(
        f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: g{number}}}
spec: {{gatewayClassName: any, {more}listeners: [{{name: http, protocol: HTTP, port: {8000 + number}}}]}}
"""
        for number in range(count)
    )


def routes(count: int, spec: str) -> str:
    """HTTPRoutes to one Service."""
    return "".join(
        f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: a-route-with-a-name-that-is-rather-long-{number}}}
spec: {{{spec}, rules: [{{backendRefs: [{{name: s, port: 80}}]}}]}}
"""
        for number in range(count)
    )


REST = """---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: "", kind: Service, name: s}]
  validation: {hostname: s.example, wellKnownCACertificates: System}
"""


def policy(name: str, target: str) -> str:
    """A SecurityPolicy for one object or several."""
    return f"""---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: {name}}}
spec: {{{target}, cors: {{allowOrigins: ["https://a.example"]}}}}
"""


ALL_ROUTES = "targetSelectors: [{group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {}}]"
ONE_GATEWAY = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g0}]"
PARENTS = ", ".join(f"{{name: g{number}}}" for number in range(20))
MANY = [
    pytest.param(gateways(40, "defaultScope: All, ") + routes(1, "useDefaultGateways: All"), id="default Gateways"),
    pytest.param(gateways(20) + routes(1, f"parentRefs: [{PARENTS}]"), id="Gateways whose routes lead to a backend"),
    pytest.param(
        gateways(1) + routes(900, "parentRefs: [{name: g0}]") + policy("all", ALL_ROUTES) + policy("g", ONE_GATEWAY),
        id="routes that have a policy of their own",
    ),
]


@pytest.mark.parametrize("manifests", MANY)
def test_of_many_there_is_said_no_more_than_fits(tmp_path: Path, manifests: str) -> None:
    """A status has room for 32 parents, 16 ancestors and sentences of 32 KiB; what is beyond is served all the same."""
    (tmp_path / "all.yaml").write_text(manifests + REST)
    assert list(refused(tmp_path)) == []
