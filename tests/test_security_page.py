"""docs/security.md: every threat and every fault has one row, and every test that the page names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/security.md").read_text()
LINES = [line for line in TEXT.splitlines() if re.match(r"\| [TF]\d", line)]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in LINES]
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
IDS = [f"T{number}" for number in range(1, 61)] + [f"F{number}" for number in range(1, 60)]


def test_every_threat_and_every_fault_has_one_row() -> None:
    """In their order, each once."""
    assert [row[0] for row in ROWS] == IDS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_shows_what_it_claims(row: list[str]) -> None:
    """What is tested names a test; what is so in part says what is missing, too; other rows say why not."""
    _, what, answer, state, shown = row
    assert what and answer
    assert state in {"tested", "in part", "open", "non-goal"}
    assert ("::test_" in shown) == (state in {"tested", "in part"})
    assert ("missing: " in shown) == (state in {"in part", "open"})


@pytest.mark.parametrize(("file", "name"), TESTS, ids=lambda part: part)
def test_a_named_test_exists(file: str, name: str) -> None:
    """The file is there and has a function of that name."""
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_nothing_else_looks_like_a_test() -> None:
    """Whatever is named with two colons was looked at above."""
    assert TEXT.count("::") == len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT))


def test_the_count_at_the_top_is_that_of_the_rows() -> None:
    """The page says how many rows are in which state."""
    for state in ("tested", "in part", "open", "non-goal"):
        assert f"| {state} | {sum(row[3] == state for row in ROWS)} |" in TEXT
