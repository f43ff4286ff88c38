"""Weights under ``gateway-filters run``: backends that cannot be had keep their share and answer for it themselves."""

from collections import Counter
from collections.abc import Iterator

import pytest

from run.gateway_run import NamedServer, backend, documents, free_port, gateway, get, running

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {ports: [{port: 80}]}
"""
EMPTY = "{name: empty, port: 80}"
BACKEND = "{group: gateway.envoyproxy.io, kind: Backend, name: %s, weight: %d}"
REQUESTS = 400

RULES = {
    "/mixed": f"{BACKEND % ('missing', 1)}, {EMPTY}, {BACKEND % ('one', 2)}, {BACKEND % ('two', 0)}",
    "/nothing-weighs": f"{BACKEND % ('one', 0)}, {BACKEND % ('two', 0)}",
    "/empty": EMPTY,
    "/missing": BACKEND % ("missing", 1),
    "/none": "",
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, one: NamedServer, two: NamedServer) -> Iterator[int]:
    """Where a gateway with all these rules is served."""
    folder, port = tmp_path_factory.mktemp("shares"), free_port()
    rules = [f"{{matches: [{{path: {{value: {path}}}}}], backendRefs: [{refs}]}}" for path, refs in RULES.items()]
    route = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r}}
spec: {{parentRefs: [{{name: g}}], rules: [{", ".join(rules)}]}}
"""
    text = documents(gateway(port), route, SERVICE, backend("one", one), backend("two", two))
    (folder / "all.yaml").write_text(text)
    with running(folder):
        yield port


@pytest.mark.parametrize(
    ("path", "shares"),
    [
        pytest.param(
            "/mixed", {500: 0.25, 503: 0.25, 200: 0.5}, id="missing, without endpoints, there, without weight"
        ),
        pytest.param("/nothing-weighs", {500: 1.0}, id="nobody has any weight"),
        pytest.param("/empty", {503: 1.0}, id="a Service without endpoints alone"),
        pytest.param("/missing", {500: 1.0}, id="a backend that is missing alone"),
        pytest.param("/none", {500: 1.0}, id="no backend at all"),
    ],
)
def test_shares(port: int, path: str, shares: dict[int, float]) -> None:
    """500 for what cannot be resolved, 503 for what has nobody (Gateway API, HTTPRouteRule.backendRefs)."""
    answers = [get(port, path) for _ in range(REQUESTS if len(shares) > 1 else 5)]
    found = Counter(status for status, _ in answers)
    assert found.keys() == shares.keys()
    # Six standard deviations: by chance once in a billion runs.
    assert all(abs(count - shares[status] * len(answers)) < 60 for status, count in found.items())
    assert {body for status, body in answers if status == 200} <= {"one"}
