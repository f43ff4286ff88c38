"""A short search for bytes that break something, in four places; ``scripts/fuzz`` makes it ten million."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import SEEDS, TARGETS

ATHERIS = importlib.util.find_spec("atheris") is not None
RUNS = 3_000


@pytest.mark.timeout(180)
@pytest.mark.skipif(not ATHERIS, reason="atheris has no wheel for this Python")
def test_a_search_finds_nothing() -> None:
    """In any of the targets, guided by the code that is reached."""
    command = [sys.executable, "-m", "fuzz", "all", str(RUNS)]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=170, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert f"Done {RUNS} runs" in ended.stderr, ended.stderr[-300:]


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_search_begins_with_holds(name: str) -> None:
    """And every beginning of it."""
    for seed in SEEDS[name]:
        step = max(1, len(seed) // 40)
        for end in range(0, len(seed) + 1, step):
            TARGETS[name](seed[:end])


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_that_nobody_guides(name: str) -> None:
    """Where atheris is not there, hypothesis still is."""

    @settings(max_examples=100)
    @given(st.binary(max_size=200), st.sampled_from(SEEDS[name]), st.integers(0, 400))
    def run(data: bytes, seed: bytes, at: int) -> None:
        TARGETS[name](seed[:at] + data + seed[at:])

    run()
