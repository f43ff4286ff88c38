"""The benchmarks' harness works: real processes for one short round, and tables and a chart from canned numbers.

No figure is judged here: how fast anything is, ``scripts/benchmark`` says.
"""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks import h2load, load
from benchmarks.__main__ import run
from benchmarks.chart import chart
from benchmarks.load import Load
from benchmarks.measurement import Memory, Outcome, Results, Sample, rate_ratio
from benchmarks.peers import ENVOY, HELLO, OURS, OURS_RUN, PEERS
from benchmarks.report import ROUTES_MARK, as_markdown, as_text, write_page
from benchmarks.scenarios import Plan, Scenario, plan
from benchmarks.traffic import ANSWER, CHAT, EVENT, QUESTION


def sample(rate: float, p50: float = 1000.0) -> Sample:
    """A sample of which only rate and latency matter."""
    return Sample(rate, p50, 2000.0, 30.0, 1.0, 0.5, 0)


CANNED = Outcome(
    "Seed POST, c=32",
    "requests",
    {OURS: [sample(800), sample(900), sample(500)], ENVOY: [sample(1000, 500), sample(1000, 500), sample(1000, 500)]},
)
ROUTES = Outcome(
    "Routes", "requests", {f"{OURS}{ROUTES_MARK}1": [sample(1000)], f"{OURS}{ROUTES_MARK}10,000": [sample(800)]}
)
RESULTS = Results(
    [CANNED, ROUTES],
    {OURS: Memory(50_000_000, 52_000_000, 20_000, 1000, 1000, 16_500, 4990, 0.14), HELLO: Memory(1, 2, 3)},
    {"nginx": "not installed"},
)


@pytest.mark.timeout(120)
@pytest.mark.skipif(load.missing() is not None, reason=str(load.missing()))
def test_a_short_race_measures_real_processes() -> None:
    """One round, two peers, a few slow streams: every request is answered through the upstream, without an error."""
    seed = Scenario("Seed POST", "few", Load((CHAT,), 2, 1.0, QUESTION), rounds=1)
    short = Plan((seed,), (), (), (1,), 1, 1.0, 5, 0.5, 1, 1.0)
    results = run(short, [peer for peer in PEERS if peer.name in (OURS, OURS_RUN)], ["seed", "memory"])
    assert results.skipped == {}
    (outcome,) = results.outcomes
    assert outcome.samples.keys() == results.memory.keys() == {OURS, OURS_RUN}
    for name, (measured,) in outcome.samples.items():
        assert measured.rate > 0 and measured.p50 > 0 and measured.errors == 0, name
        assert results.memory[name].rest > 0 and results.memory[name].flowing == 5, name


@pytest.mark.timeout(120)
@pytest.mark.skipif(load.missing() is not None, reason=str(load.missing()))
@pytest.mark.skipif(h2load.missing() is not None, reason=str(h2load.missing()))
def test_a_short_race_over_http2() -> None:
    """One process, in both versions: every request is answered, with figures for each."""
    lanes = (
        Scenario("HTTP/1.1", "few", Load((CHAT,), 2, 1.0, QUESTION)),
        Scenario("HTTP/2", "few", Load((CHAT,), 2, 1.0, QUESTION, streams=3)),
    )
    results = run(Plan((), (), (), (1,), 1, 1.0, 5, 0.5, 1, 1.0, lanes), PEERS, ["http2"])
    assert results.skipped == {}
    (outcome,) = results.outcomes
    assert [*outcome.samples] == [f"{OURS_RUN}{ROUTES_MARK}HTTP/1.1", f"{OURS_RUN}{ROUTES_MARK}HTTP/2"]
    for (measured,) in outcome.samples.values():
        assert measured.rate > 0 and 0 < measured.p50 <= measured.p99 and measured.errors == 0


def test_traffic_has_the_sizes_that_are_told() -> None:
    """Sizes are part of what is measured."""
    assert (len(QUESTION), len(ANSWER), len(EVENT)) == (88, 500, 170)


def test_ratios_are_taken_within_a_round() -> None:
    """The median of the ratios, not the ratio of the medians; a peer that dropped out counts while it was there."""
    ratio = rate_ratio([sample(100), sample(50), sample(30)], [sample(50), sample(50)])
    assert ratio is not None
    assert (ratio.middle, ratio.low, ratio.high) == (1.5, 1.0, 2.0)
    assert rate_ratio([], [sample(1)]) is None


@pytest.mark.parametrize(
    "told",
    [
        "0.80 [0.50–0.90]",  # ours against Envoy
        "2.00 [2.00–2.00]",  # its latency
        "1.25 [1.25–1.25]",  # what 10,000 routes cost
        "1,000 of 1,000",
        "16.5",
        "nginx: not installed",
    ],
)
@pytest.mark.parametrize("render", [as_text, as_markdown])
def test_report_tells(render: Callable[[Results], str], told: str) -> None:
    """Both forms say the same."""
    assert told in render(RESULTS)


def test_page_changes_between_its_markers_only(tmp_path: Path) -> None:
    """Prose around the results stays; a page without markers is refused."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    write_page(page, "new")
    assert page.read_text() == "before\n<!-- results -->\n\nnew\n\n<!-- /results -->\nafter\n"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="lacks <!-- results -->"):
        write_page(page, "new")


def test_chart_has_a_bar_for_each_peer_fastest_first() -> None:
    """The chart is well-formed, and its bars carry names and rates."""
    root = ET.fromstring(chart(CANNED))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["Seed POST, c=32: requests/s on one core", ENVOY, "1,000", OURS, "800"]


@pytest.mark.parametrize(("full", "connections"), [(False, [1, 32]), (True, [1, 32, 256, 1000])])
def test_plans(*, full: bool, connections: list[int]) -> None:
    """The default leaves out what takes long."""
    assert [scenario.load.connections for scenario in plan(full=full).seed] == connections
