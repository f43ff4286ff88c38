"""What is asked of a gateway over a long time, and what came of it."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """``seen`` says in figures what was seen, ``faults`` what was not as it has to be."""

    seen: str
    faults: tuple[str, ...] = ()


Run = Callable[[int, Path], Coroutine[Any, Any, Outcome]]
"""Runs a scenario in a size, with a folder for its files."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``promise``: what is to hold. ``full`` and ``short`` are its sizes in ``unit``."""

    name: str
    promise: str
    unit: str
    full: int
    short: int
    run: Run


def faults(rows: Iterable[tuple[bool, str]]) -> tuple[str, ...]:
    """The sentences of the rows that do not hold."""
    return tuple(said for holds, said in rows if not holds)


def percentile(values: Iterable[float], part: float) -> float:
    """The value that ``part`` (0 to 1) of the values are at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
