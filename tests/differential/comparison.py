"""Runs cases through both gateways and tells where they differ without a reason."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from both_gateways import Envoy, Ours
from differences import expected, for_envoy
from envoy_configuration import MEANT, configuration
from hypothesis import HealthCheck, Phase, given, seed, settings
from our_manifests import MOST_LISTENERS, write_manifests
from outcomes import Exchange, Outcome, announced, outcome, taken_rule
from raw_exchange import Client, Seen
from recorder import Recorder
from written_cases import Case, cases

from gateway_filters import Gateway

_RUN = 50


@dataclass(frozen=True)
class Disagreement:
    """A request of which we made something else than Envoy."""

    exchange: Exchange
    expected: Outcome

    def __str__(self) -> str:
        parts = [f"{self.exchange.request!r}", f"rule {json.dumps(self.exchange.rule)}"]
        return "\n  ".join([*parts, *_unequal(self.expected, self.exchange.ours)])


def generated(number: int, requests: int) -> list[Case]:
    """Different cases, the same ones each time, under numbers of their own."""
    found: dict[str, Case] = {}
    # Hypothesis remembers all that it has drawn: many short runs are twice as quick as a long one.
    runs = count()
    while len(found) < number:
        _collect(found, min(number, len(found) + _RUN), requests, next(runs))
    return [case.numbered(index) for index, case in enumerate(found.values())]


def _collect(found: dict[str, Case], number: int, requests: int, run: int) -> None:
    @seed(run)
    @settings(
        max_examples=4 * _RUN,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(cases(requests))
    def collect(case: Case) -> None:
        if len(found) < number:
            found.setdefault(repr((case.routes, case.others)), case)
        if len(found) == number:
            raise _Enough

    with suppress(_Enough):
        collect()


class _Enough(Exception):
    """Ends the generation of cases."""


def batches(all_cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    """As many cases at a time as one Gateway has listeners for."""
    for start in range(0, len(all_cases), MOST_LISTENERS):
        yield all_cases[start : start + MOST_LISTENERS]


def compare(batch: Sequence[Case], binary: Path, folder: Path) -> list[Disagreement]:
    """Send every request of ``batch`` to both; ``binary`` is Envoy's."""
    with ExitStack() as stack:
        behind_envoy, behind_ours = stack.enter_context(Recorder()), stack.enter_context(Recorder())
        write_manifests(batch, behind_ours.port, folder)
        gateway = Gateway.from_manifests(folder / "manifests.yaml")
        envoy = stack.enter_context(Envoy(binary, configuration(batch, behind_envoy.port), folder))
        ours = stack.enter_context(Ours(gateway))
        to_envoy = stack.enter_context(Client(envoy.port, behind_envoy))
        to_ours = stack.enter_context(Client(ours.port, behind_ours))
        pairs = [(case, request) for case in batch for request in case.requests]
        return [found for case, request in pairs if (found := _disagreement(case, request, to_envoy, to_ours))]


def _disagreement(case: Case, request: bytes, to_envoy: Client, to_ours: Client) -> Disagreement | None:
    by_envoy, by_ours = _by_envoy(case, for_envoy(request), to_envoy), to_ours.ask(request)
    exchange = Exchange(case, request, taken_rule(case, by_envoy), outcome(by_ours))
    wanted = expected(outcome(by_envoy), exchange)
    return None if wanted == exchange.ours else Disagreement(exchange, wanted)


def _by_envoy(case: Case, request: bytes, to_envoy: Client) -> Seen:
    """What Envoy makes of a request; of a preflight it is told which rule it has for what that announces."""
    meant = announced(request)
    rule = None if meant is None else taken_rule(case, to_envoy.ask(meant))
    mark = f"\r\n{MEANT}: {rule['name']}\r\n\r\n" if rule else "\r\n\r\n"
    return to_envoy.ask(request.replace(b"\r\n\r\n", mark.encode(), 1))


def _unequal(envoy: Outcome, ours: Outcome) -> Iterator[str]:
    for part in ("status", "headers", "body", "forwarded"):
        theirs, own = getattr(envoy, part), getattr(ours, part)
        if theirs != own:
            yield f"{part}: Envoy {theirs!r}\n  {' ' * len(part)}  ours  {own!r}"
