"""What one round measures, and medians of ratios over rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One peer in one round. ``rate`` per second, latencies and ``cpu`` (for each unit) in microseconds.

    ``busy`` and ``load_busy``: which part of a core the peer, and load with upstream, used.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    busy: float
    load_busy: float
    errors: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median over rounds, with the lowest and the highest."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.middle)} [{_short(self.low)}–{_short(self.high)}]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario's samples by peer, one for each round; ``unit`` is what ``rate`` counts."""

    title: str
    unit: str
    samples: dict[str, list[Sample]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes: at rest, after ``requests``, for each of ``streams`` open ones, with what flowed meanwhile."""

    rest: int
    after: int
    requests: int
    streams: int = 0
    flowing: int = 0
    each_stream: int = 0
    events: float = 0.0
    busy: float = 0.0


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that one run has found; ``skipped``: peers or scenarios with the reason."""

    outcomes: list[Outcome]
    memory: dict[str, Memory]
    skipped: dict[str, str]


def rate_ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> Ratio | None:
    """How many times their throughput ours is, round by round; None without a common round."""
    return _ratio([one.rate / other.rate for one, other in zip(ours, theirs, strict=False) if other.rate])


def latency_ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> Ratio | None:
    """How many times their median latency ours is."""
    return _ratio([one.p50 / other.p50 for one, other in zip(ours, theirs, strict=False) if other.p50])


def middle(samples: Sequence[Sample], name: str) -> float:
    """The median over rounds of one figure."""
    return median(getattr(sample, name) for sample in samples)


def load_bound(samples: Sequence[Sample]) -> bool:
    """Whether load and upstream were the limit, not the peer: their core was full, the peer's was not."""
    return middle(samples, "load_busy") > 0.9 and middle(samples, "busy") < 0.85


def _ratio(ratios: Sequence[float]) -> Ratio | None:
    return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 20 else f"{number:.1f}" if number >= 5 else f"{number:.2f}"
