"""The table of the page: a row for each scenario, replaced when it is run again."""

from dataclasses import dataclass
from pathlib import Path

from soak.scenario import Outcome, Scenario

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario as it was run."""

    scenario: Scenario
    size: int
    outcome: Outcome
    seconds: float


def as_text(row: Row) -> str:
    """For the terminal."""
    verdict = "".join(f"  NOT AS PROMISED: {fault}\n" for fault in row.outcome.faults) or "  as promised\n"
    of = "" if row.size >= row.scenario.full else f" of {row.scenario.full:,}"
    name = f"{row.scenario.name}: {row.size:,}{of} {row.scenario.unit} in {row.seconds:.0f} s"
    return f"{name}\n  promised: {row.scenario.promise}\n  seen: {row.outcome.seen}\n{verdict}"


def as_row(row: Row) -> str:
    """For the page."""
    of = "" if row.size >= row.scenario.full else f" (of {row.scenario.full:,} asked for)"
    seen = row.outcome.seen if not row.outcome.faults else f"**not as promised**: {row.outcome.seen}"
    size = f"{row.size:,}{of} {row.scenario.unit}"
    return f"| {row.scenario.name} | {row.scenario.promise} | {size} | {seen} | {row.seconds:.0f} s |"


def write(page: Path, row: Row) -> None:
    """Put the row in the place of the one before, or at the end; raises ``ValueError`` where there is no table."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} lacks {BEGIN} or {END}")
    mark = f"| {row.scenario.name} |"
    lines = table.strip().splitlines()
    if any(line.startswith(mark) for line in lines):
        lines = [as_row(row) if line.startswith(mark) else line for line in lines]
    else:
        lines.append(as_row(row))
    table = "\n".join(lines)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
