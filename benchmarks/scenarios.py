"""The scenarios, one row each; the default keeps under three minutes, ``full`` takes what it needs."""

from dataclasses import dataclass

from benchmarks import traffic
from benchmarks.load import Load

_ROUTE_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Scenario:
    """``trait``: which peers take part. ``factor``: units in one request, such as events or megabytes."""

    title: str
    trait: str
    load: Load
    unit: str = "requests"
    factor: float = 1.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does: scenarios by kind, and the numbers that belong to no single one."""

    seed: tuple[Scenario, ...]
    bodies: tuple[Scenario, ...]
    tls: tuple[Scenario, ...]
    routes: tuple[int, ...]
    route_rounds: int
    seconds: float
    streams: int
    stream_seconds: float
    memory_requests: int
    memory_seconds: float
    http2: tuple[Scenario, ...] = ()


def plan(*, full: bool) -> Plan:
    """The default plan or the whole one."""
    rounds, seconds = (7, 2.0) if full else (3, 1.0)
    megabytes = traffic.LARGE / 1e6
    return Plan(
        seed=tuple(_seed(each, rounds, seconds) for each in ((1, 32, 256, 1000) if full else (1, 32))),
        bodies=(
            Scenario(
                "SSE, 50 events of 170 bytes, c=8",
                "streams",
                Load((traffic.EVENTS,), 8, seconds),
                "events",
                traffic.EVENT_COUNT,
                rounds,
            ),
            Scenario(
                "10 MB up, c=4",
                "large",
                Load((traffic.UPLOAD,), 4, seconds, large=traffic.LARGE),
                "MB",
                megabytes,
                rounds,
            ),
            Scenario("10 MB down, c=4", "large", Load((traffic.DOWNLOAD,), 4, seconds), "MB", megabytes, rounds),
        ),
        tls=(
            Scenario(
                "Seed POST, TLS upstream, c=32",
                "tls",
                Load((traffic.CHAT,), 32, seconds, traffic.QUESTION),
                rounds=rounds,
            ),
        ),
        routes=(1, 100, 10_000) if full else (1, 10_000),
        route_rounds=rounds,
        seconds=seconds,
        streams=1000,
        stream_seconds=5.0 if full else 2.0,
        memory_requests=100_000 if full else 20_000,
        memory_seconds=60.0 if full else 1.0,
        http2=(
            Scenario("HTTP/1.1, c=32", "few", Load((traffic.CHAT,), 32, seconds, traffic.QUESTION), rounds=rounds),
            *(
                Scenario(
                    f"HTTP/2, c={connections}, {streams} at a time",
                    "few",
                    Load((traffic.CHAT,), connections, seconds, traffic.QUESTION, streams=streams),
                    rounds=rounds,
                )
                for connections, streams in ((32, 1), (4, 8), (1, 32))
            ),
        ),
    )


def route_load(routes: int, seconds: float) -> Load:
    """Requests that take turns over paths spread evenly over the routes."""
    if routes == 1:
        return Load((traffic.CHAT,), 32, seconds, traffic.QUESTION)
    # The same number of prepared requests whatever the number of routes.
    paths = tuple(traffic.routed(index * routes // _ROUTE_SAMPLES) for index in range(_ROUTE_SAMPLES))
    return Load(paths, 32, seconds, traffic.QUESTION)


def _seed(connections: int, rounds: int, seconds: float) -> Scenario:
    trait = "few" if connections <= 32 else "many"
    load = Load((traffic.CHAT,), connections, seconds, traffic.QUESTION)
    return Scenario(f"Seed POST, c={connections}", trait, load, rounds=rounds)
