"""One race: peers started side by side, measured in turn, round after round, and ended whatever happens."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import h2load, load, streams, traffic
from benchmarks.measurement import Memory, Outcome, Sample
from benchmarks.peers import HELLO, Peer
from benchmarks.processes import SERVER_CORE, Process, free_port, wait_for
from benchmarks.scenarios import Scenario
from benchmarks.setting import Setting

_START_SECONDS = 90.0
Tell = Callable[[str], None]


@dataclass(slots=True)
class Runner:
    """A peer that serves; ``requests``: how many it has answered so far, ``rest``: its memory before the first."""

    name: str
    peer: Peer
    process: Process
    port: int
    rest: int = 0
    requests: int = 0


@contextmanager
def started(
    peers: Iterable[Peer], setting: Setting, skipped: dict[str, str], label: str = ""
) -> Generator[list[Runner]]:
    """The ``peers`` that can serve in ``setting``; the others are named in ``skipped``."""
    with ExitStack() as stack:
        runners: list[Runner] = []
        for peer in peers:
            reason = peer.missing()
            if reason is None:
                runners.append(_start(peer, setting, label, stack))
            else:
                skipped[peer.name] = reason
        ready: list[Runner] = []
        for runner in runners:
            reason = wait_for(runner.port, runner.process, _START_SECONDS) or _refusal(runner, setting)
            if reason is None:
                runner.rest = runner.process.memory()
                ready.append(runner)
            else:
                skipped[runner.name] = reason
        yield ready


def race(scenario: Scenario, runners: Sequence[Runner], setting: Setting, tell: Tell) -> Outcome:
    """The scenario's rounds, A B C A B C; a peer that fails is out from then on."""
    taking_part = [runner for runner in runners if scenario.trait in runner.peer.traits]
    tell(f"{scenario.title}: {', '.join(runner.name for runner in taking_part)}")
    samples: dict[str, list[Sample]] = {runner.name: [] for runner in taking_part}
    for _ in range(scenario.rounds):
        for runner in tuple(taking_part):
            try:
                samples[runner.name].append(measure(scenario, runner, setting))
            except (RuntimeError, OSError) as error:
                tell(f"  {runner.name} is out: {error}")
                taking_part.remove(runner)
    return Outcome(scenario.title, scenario.unit, {name: found for name, found in samples.items() if found})


def measure(scenario: Scenario, runner: Runner, setting: Setting) -> Sample:
    """One peer's turn."""
    cpu, load_cpu, began = runner.process.cpu(), setting.load_cpu(), time.monotonic()
    generator = h2load if scenario.load.streams else load
    counted = generator.run(scenario.load, runner.port, setting.folder)
    took = time.monotonic() - began
    cpu, load_cpu = runner.process.cpu() - cpu, setting.load_cpu() - load_cpu
    runner.requests += counted.requests
    units = counted.requests * scenario.factor
    return Sample(
        rate=units / counted.seconds,
        p50=counted.p50,
        p99=counted.p99,
        cpu=cpu * 1e6 / units if units else 0.0,
        busy=cpu / took,
        load_busy=load_cpu / took,
        errors=counted.errors,
    )


def memory_of(runner: Runner, scenario: Scenario, wanted: int, seconds: float, setting: Setting) -> Memory:
    """Memory after ``wanted`` requests at least, or after as many as there are in ``seconds`` more."""
    end = time.monotonic() + seconds
    while runner.requests < wanted and time.monotonic() < end:
        measure(scenario, runner, setting)
    return Memory(runner.rest, runner.process.memory(), runner.requests)


def watch_streams(runner: Runner, known: Memory, count: int, seconds: float) -> Memory:
    """``known`` with what ``count`` slow streams cost while they are open."""
    before, cpu, began = runner.process.memory(), runner.process.cpu(), time.monotonic()
    seen = streams.watch(runner.port, count, seconds, runner.process.memory)
    busy = (runner.process.cpu() - cpu) / (time.monotonic() - began)
    each = (seen.memory - before) // count
    return Memory(known.rest, known.after, known.requests, count, seen.flowing, each, seen.events, busy)


def _start(peer: Peer, setting: Setting, label: str, stack: ExitStack) -> Runner:
    name = f"{peer.name}{label}"
    port = free_port()
    folder = setting.folder / f"peer-{port}"
    folder.mkdir()
    start = peer.start(setting, port, folder)
    process = Process(start.command, SERVER_CORE, folder / "log", start.settings)
    stack.callback(process.end)
    return Runner(name, peer, process, port)


def _refusal(runner: Runner, setting: Setting) -> str | None:
    """Why the peer does not do what is to be measured: the right answer, from upstream."""
    path = traffic.CHAT if setting.routes == 1 else traffic.routed(setting.routes - 1)
    request = urllib.request.Request(
        f"http://127.0.0.1:{runner.port}{path}", traffic.QUESTION, {"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            body: bytes = response.read()
    except urllib.error.HTTPError as error:
        return f"answers {error.code}: {error.read()[:200].decode(errors='replace')}"
    except OSError as error:
        return f"does not answer: {error}"
    right = runner.peer.name == HELLO or b"I am a benchmark" in body
    return None if right else f"answers something else: {body[:100]!r}"
