"""Results as tables, in text and in Markdown, and into the page between its markers."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurement import Memory, Outcome, Ratio, Results, latency_ratio, load_bound, middle, rate_ratio
from benchmarks.peers import OURS, OURS_RUN

BEGIN, END = "<!-- results -->", "<!-- /results -->"
ROUTES_MARK = " · "
"""Between a peer's name and its number of routes."""
Rows = list[list[str]]

_NOTE = (
    "One run on one noisy machine with two shared cores: compare within a table only. Ratios are medians over the "
    "rounds with the lowest and the highest; above 1 ours is faster (× rate) or slower (× p50). "
    "CPU is the peer's own, µs for each unit."
)
_BOUND = "† load and upstream were the limit, not this peer; its CPU still compares."


def tables(results: Results) -> list[tuple[str, Rows]]:
    """All tables: a title, and rows of which the first is the head."""
    found = [(outcome.title, outcome_rows(outcome)) for outcome in results.outcomes if outcome.samples]
    if results.memory:
        found.append(("Memory", memory_rows(results.memory)))
    return found


def outcome_rows(outcome: Outcome) -> Rows:
    """One scenario: a row for each peer."""
    head = ["peer", f"{outcome.unit}/s", "p50 ms", "p99 ms", "CPU µs", "errors"]
    if any(ROUTES_MARK in name for name in outcome.samples):
        return [
            [*head, "× cost of its first"],
            *([*_row(name, outcome), _cost(name, outcome)] for name in outcome.samples),
        ]
    head += ["uvicorn × rate", "run × rate", "uvicorn × p50", "run × p50"]
    return [head, *(_row(name, outcome) + _ratios(name, outcome) for name in outcome.samples)]


def memory_rows(memory: dict[str, Memory]) -> Rows:
    """Resident memory: a row for each peer."""
    head = ["peer", "at rest MB", "after", "requests", "streams flowing", "KB each", "events/s", "core busy"]
    return [head, *([name, *_memory(each)] for name, each in memory.items())]


def as_text(results: Results) -> str:
    """For the terminal."""
    parts = [f"{title}\n{_aligned(rows)}" for title, rows in tables(results)]
    return "\n\n".join([*parts, _notes(results)]) + "\n"


def as_markdown(results: Results) -> str:
    """For the page."""
    parts = [f"### {title}\n\n{_piped(rows)}" for title, rows in tables(results)]
    return "\n\n".join([_NOTE, *parts, _notes(results)])


def write_page(page: Path, results: str) -> None:
    """Put ``results`` between the markers of ``page``; raises ``ValueError`` when they are not there."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} lacks {BEGIN} or {END}")
    page.write_text(f"{before}{BEGIN}\n\n{results}\n\n{END}{after}")


def _row(name: str, outcome: Outcome) -> list[str]:
    samples = outcome.samples[name]
    mark = "†" if load_bound(samples) else ""
    latencies = [f"{middle(samples, field) / 1000:.2f}" for field in ("p50", "p99")]
    cpu = middle(samples, "cpu")
    errors = sum(sample.errors for sample in samples)
    return [
        name,
        f"{middle(samples, 'rate'):,.0f}{mark}",
        *latencies,
        f"{cpu:.1f}" if cpu < 100 else f"{cpu:,.0f}",
        str(errors),
    ]


def _ratios(name: str, outcome: Outcome) -> list[str]:
    theirs = outcome.samples[name]
    ours = [outcome.samples.get(each, ()) for each in (OURS, OURS_RUN)]
    found = [*(rate_ratio(each, theirs) for each in ours), *(latency_ratio(each, theirs) for each in ours)]
    return ["-" if ratio is None else str(ratio) for ratio in found]


def _cost(name: str, outcome: Outcome) -> str:
    peer = name.partition(ROUTES_MARK)[0]
    first = next(other for other in outcome.samples if other.startswith(peer + ROUTES_MARK))
    ratio: Ratio | None = rate_ratio(outcome.samples[first], outcome.samples[name])
    return "-" if ratio is None else str(ratio)


def _memory(each: Memory) -> list[str]:
    row = [f"{each.rest / 1e6:.0f}", f"{each.after / 1e6:.0f}", f"{each.requests:,}"]
    if not each.streams:
        return [*row, "-", "-", "-", "-"]
    flowing = f"{each.flowing:,} of {each.streams:,}"
    return [*row, flowing, f"{each.each_stream / 1000:.1f}", f"{each.events:,.0f}", f"{each.busy:.0%}"]


def _notes(results: Results) -> str:
    bound = any(load_bound(samples) for outcome in results.outcomes for samples in outcome.samples.values())
    skipped = [f"Skipped: {name}: {reason}." for name, reason in results.skipped.items()]
    return "\n".join([*([_BOUND] if bound else []), *(skipped or ["Nothing was skipped."])])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _piped(rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in rows[0][1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
