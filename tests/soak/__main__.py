"""``python -m soak [SCENARIO...]``: the scenarios in full, or in another size, and the page that tells of them."""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from soak.page import Row, as_text, write
from soak.scenario import Scenario
from soak.scenarios import SCENARIOS

PAGE = Path(__file__).parents[2] / "docs/reliability.md"


def main() -> int:
    """Run what is asked for; 1 when something did not hold."""
    parser = argparse.ArgumentParser("scripts/soak", description="Runs the long scenarios of docs/reliability.md.")
    parser.add_argument("scenario", nargs="*", help=f"one of {', '.join(SCENARIOS)}; all when none is given")
    parser.add_argument("--size", type=int, help="another size than the full one")
    parser.add_argument("--write", action="store_true", help="write the rows into docs/reliability.md")
    options = parser.parse_args()
    unknown = set(options.scenario) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    _allow_descriptors()
    held = True
    for name in options.scenario or SCENARIOS:
        row = _run(SCENARIOS[name], options.size)
        sys.stdout.write(as_text(row))
        sys.stdout.flush()
        held = held and not row.outcome.faults
        if options.write:
            write(PAGE, row)
    return 0 if held else 1


def _run(scenario: Scenario, size: int | None) -> Row:
    begun = time.monotonic()
    size = size or scenario.full
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        outcome = runner.run(scenario.run(size, Path(folder)))
    return Row(scenario, size, outcome, time.monotonic() - begun)


def _loop_factory():  # noqa: ANN202 - uvloop has no type of its own for it
    import uvloop

    return uvloop.new_event_loop


def _allow_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
