"""The short forms of what docs/reliability.md tells in full; scripts/soak runs those."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from soak.__main__ import PAGE
from soak.page import Row, as_row, as_text, write
from soak.scenario import Outcome, Scenario
from soak.scenarios import SCENARIOS

_BESIDE = 6


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Outcome]"]]:
    """All scenarios in short, some beside one another: most of their time is waiting, but each begins a process."""
    room, loop = asyncio.Semaphore(_BESIDE), asyncio.new_event_loop()

    async def run(scenario: Scenario) -> Outcome:
        async with room:
            return await scenario.run(scenario.short, tmp_path_factory.mktemp(scenario.name))

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield {name: asyncio.run_coroutine_threadsafe(run(each), loop) for name, each in SCENARIOS.items()}
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_promised_holds_in_short(name: str, outcomes: dict[str, "Future[Outcome]"]) -> None:
    """A process, sockets, and nothing that is not as promised."""
    outcome = outcomes[name].result()
    assert outcome.faults == (), outcome.seen


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_page_tells_of_each_scenario(name: str) -> None:
    """What is promised stands there as it was run."""
    assert f"| {name} | {SCENARIOS[name].promise} | " in PAGE.read_text()


async def _nothing(size: int, folder: Path) -> Outcome:
    return Outcome("nothing")


def test_a_row_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """And says where less was run than was asked for, or where it was not as promised."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\n| a | b |\n| --- | --- |\n<!-- /figures -->\nafter\n")
    scenario = Scenario("calm", "nothing happens", "days", 1000, 1, _nothing)
    less = Row(scenario, 10, Outcome("3 storms", ("3 storms",)), 2.4)
    write(page, less)
    assert as_row(less) in page.read_text().splitlines()
    assert "| 10 (of 1,000 asked for) days | **not as promised**: 3 storms | 2 s |" in page.read_text()
    assert "NOT AS PROMISED: 3 storms" in as_text(less)
    full = Row(scenario, 1000, Outcome("0 storms"), 9.0)
    write(page, full)
    assert page.read_text() == (
        "before\n<!-- figures -->\n| a | b |\n| --- | --- |\n"
        "| calm | nothing happens | 1,000 days | 0 storms | 9 s |\n<!-- /figures -->\nafter\n"
    )
