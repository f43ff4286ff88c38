"""``scripts/benchmark``: the plan's races, told as they go, and their tables."""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import h2load, load
from benchmarks.chart import chart
from benchmarks.measurement import Memory, Outcome, Results, Sample
from benchmarks.peers import ENVOY, OURS, OURS_RUN, PEERS, Peer
from benchmarks.processes import LOAD_CORE, SERVER_CORE, Process, ended_cpu, other_work, wait_for
from benchmarks.race import Runner, measure, memory_of, race, started, watch_streams
from benchmarks.report import ROUTES_MARK, as_markdown, as_text, write_page
from benchmarks.scenarios import Plan, Scenario, plan, route_load
from benchmarks.setting import Setting, new_setting

_DOCS = Path(__file__).parents[1] / "docs"
_OPEN_FILES = 16_384
_QUIET = 0.1
Kind = Callable[[Plan, Setting, Sequence[Peer], Results], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Race and report; 1 when there is no load generator."""
    parser = argparse.ArgumentParser("scripts/benchmark", description="Our gateway against its peers, on loopback.")
    parser.add_argument("--full", action="store_true", help="all scenarios, more and longer rounds")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md")
    parser.add_argument("--only", choices=_KINDS, action="append", help="these kinds of scenarios (repeatable)")
    parser.add_argument("--peer", dest="peers", choices=[peer.name for peer in PEERS], action="append")
    options = parser.parse_args(arguments)
    reason = load.missing()
    if reason is not None:
        sys.stderr.write(f"{reason}\n")
        return 1
    chosen = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    results = run(plan(full=options.full), chosen, options.only or list(_KINDS))
    sys.stdout.write(as_text(results))
    if options.write:
        _write(results)
    return 0


def run(races: Plan, peers: Sequence[Peer], kinds: Sequence[str]) -> Results:
    """Run the ``kinds`` of scenarios that are asked for. All processes have ended when it returns or raises."""
    began = time.monotonic()
    others = other_work()
    if others > _QUIET:
        tell(f"others keep {others:.0%} of the cores busy: expect noise")
    results = Results([], {}, {})
    with _bounded(), tempfile.TemporaryDirectory() as folder, upstream(Path(folder)) as setting:
        for kind in kinds:
            _KINDS[kind](races, setting, peers, results)
    tell(f"took {time.monotonic() - began:.0f} s")
    return results


@contextmanager
def upstream(folder: Path) -> Generator[Setting]:
    """The upstream, on the load's core."""
    setting = new_setting(folder)
    command = [sys.executable, "-m", "benchmarks.upstream"]
    places = [str(setting.plain_port), str(setting.tls_port), str(setting.pem)]
    process = Process([*command, *places], LOAD_CORE, folder / "upstream.log", {})
    try:
        reason = wait_for(setting.plain_port, process, 20)
        if reason is not None:
            raise RuntimeError(f"the upstream {reason}")
        yield replace(setting, load_cpu=lambda: process.cpu() + ended_cpu())
    finally:
        process.end()


def tell(line: str) -> None:
    """Say how far it is; results alone go to stdout."""
    sys.stderr.write(f"{line}\n")


def _seed(races: Plan, setting: Setting, peers: Sequence[Peer], results: Results) -> None:
    with started(peers, setting, results.skipped) as runners:
        results.outcomes.extend(race(scenario, runners, setting, tell) for scenario in races.seed)


def _memory(races: Plan, setting: Setting, peers: Sequence[Peer], results: Results) -> None:
    """In processes of their own: what a thousand connections have left behind would hide what streams take."""
    with started(peers, setting, results.skipped) as runners:
        _remember(races, runners, setting, results)


def _bodies(races: Plan, setting: Setting, peers: Sequence[Peer], results: Results) -> None:
    able = [peer for peer in peers if not peer.traits.isdisjoint(("streams", "large"))]
    with started(able, setting, results.skipped) as runners:
        results.outcomes.extend(race(scenario, runners, setting, tell) for scenario in races.bodies)


def _remember(races: Plan, runners: Sequence[Runner], setting: Setting, results: Results) -> None:
    """Memory: after requests, and with streams open."""
    tell(f"memory: after {races.memory_requests:,} requests, with {races.streams:,} streams open")
    busiest = next(scenario for scenario in reversed(races.seed) if scenario.load.connections <= 32)
    for runner in runners:
        known = memory_of(runner, busiest, races.memory_requests, races.memory_seconds, setting)
        results.memory[runner.name] = known
        if "streams" in runner.peer.traits:
            results.memory[runner.name] = _streams(runner, known, races)


def _streams(runner: Runner, known: Memory, races: Plan) -> Memory:
    try:
        return watch_streams(runner, known, races.streams, races.stream_seconds)
    except OSError as error:
        tell(f"  {runner.name} has no {races.streams:,} streams: {error}")
        return known


def _tls(races: Plan, setting: Setting, peers: Sequence[Peer], results: Results) -> None:
    able = [peer for peer in peers if "tls" in peer.traits]
    with started(able, replace(setting, tls=True), results.skipped) as runners:
        results.outcomes.extend(race(scenario, runners, setting, tell) for scenario in races.tls)


def _routes(races: Plan, setting: Setting, peers: Sequence[Peer], results: Results) -> None:
    """One process for each number of routes, in turn like peers of their own."""
    able = [peer for peer in peers if peer.name in (OURS, ENVOY)]
    tell(f"routes: {', '.join(map(str, races.routes))}")
    with ExitStack() as stack:
        lanes = [
            (runner.name, runner, Scenario("", "routes", route_load(count, races.seconds)))
            for count in races.routes
            for runner in stack.enter_context(
                started(able, replace(setting, routes=count), results.skipped, f"{ROUTES_MARK}{count:,}")
            )
        ]
        samples = _in_turn(lanes, races.route_rounds, setting)
    results.outcomes.append(Outcome("Routes, seed POST, c=32", "requests", samples))


def _http2(races: Plan, setting: Setting, peers: Sequence[Peer], results: Results) -> None:
    """One process of ours, spoken to in both versions in turn."""
    reason = h2load.missing()
    if reason is not None:
        results.skipped["HTTP/2"] = reason
        return
    tell(f"HTTP/2: {', '.join(scenario.title for scenario in races.http2)}")
    with started([peer for peer in peers if peer.name == OURS_RUN], setting, results.skipped) as runners:
        lanes = [
            (f"{runner.name}{ROUTES_MARK}{scenario.title}", runner, scenario)
            for runner in runners
            for scenario in races.http2
        ]
        samples = _in_turn(lanes, races.route_rounds, setting)
    results.outcomes.append(Outcome("HTTP/2 beside HTTP/1.1, seed POST, 32 at a time", "requests", samples))


def _in_turn(lanes: Sequence[tuple[str, Runner, Scenario]], rounds: int, setting: Setting) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    for _ in range(rounds):
        for name, runner, scenario in lanes:
            samples.setdefault(name, []).append(measure(scenario, runner, setting))
    return samples


_KINDS: dict[str, Kind] = {
    "seed": _seed,
    "memory": _memory,
    "bodies": _bodies,
    "tls": _tls,
    "routes": _routes,
    "http2": _http2,
}


@contextmanager
def _bounded() -> Generator[None]:
    """Enough open files, load on its own core, and an orderly end when ended."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, most = files
    wanted = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    handler = signal.signal(signal.SIGTERM, _ended)
    if LOAD_CORE == SERVER_CORE:
        tell("there is one core only: load and peers share it, and ratios mean little")
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        os.sched_setaffinity(0, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, files)


def _ended(_number: int, _frame: object) -> None:
    sys.exit(143)


def _write(results: Results) -> None:
    text = as_markdown(results)
    shown = next((outcome for outcome in results.outcomes if outcome.title == "Seed POST, c=32"), None)
    if shown is not None:
        (_DOCS / "performance.svg").write_text(chart(shown))
        text = f"![{shown.title}: {shown.unit} per second of each peer](performance.svg)\n\n{text}"
    write_page(_DOCS / "performance.md", text)


if __name__ == "__main__":
    sys.exit(main())
