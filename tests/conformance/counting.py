"""Tests that count: shares of weights and of mirrors over many requests."""

import contextlib
import functools
import json
import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from .cases import Case, Test
from .certificates import Certificates
from .stage import Manifest, Stage, Unmet

_REQUESTS = 500
_AT_ONCE = 10
# The suite counts ten times; with four, chance alone fails once in ten million runs.
_COUNTS = 4


class OffShare(Unmet):
    """A share is not as asked for: by chance, which takes one count in seventy, or because it never is."""


def _counted_again(
    count: Callable[[Stage, Test, Certificates], None],
) -> Callable[[Stage, Test, Certificates], None]:
    @functools.wraps(count)
    def counted(stage: Stage, test: Test, certificates: Certificates) -> None:
        for _ in range(_COUNTS - 1):
            with contextlib.suppress(OffShare):
                return count(stage, test, certificates)
        return count(stage, test, certificates)

    return counted


def backend_header_fits(stage: Stage, test: Test, certificates: Certificates) -> None:
    """100 answers, each by the backend that the only Backend header of the request names."""
    for _ in range(100):
        echoed = _echoed(stage, test.cases[0], certificates)
        values: list[str] = echoed["headers"].get("Backend", [])
        if len(values) != 1 or not echoed["pod"].startswith(values[0]):
            raise Unmet(f"Backend: {values} at {echoed['pod']}")


@_counted_again
def weighted_share(stage: Stage, test: Test, certificates: Certificates) -> None:
    """500 answers shared as the weights say, give or take 5 points; weight 0 gets nothing."""
    references = [each for rule in _rules(stage) for each in rule["backendRefs"]]
    weights = {each["name"]: each.get("weight", 1) for each in references}
    pods = Counter(_echoed_many(stage, test.cases[0], certificates))
    for name, weight in weights.items():
        wanted = weight / sum(weights.values())
        share = pods[name + "-0"] / _REQUESTS
        if share and not weight:
            raise Unmet(f"{name} got {share:.1%} of weight zero")
        if abs(share - wanted) > 0.05:
            raise OffShare(f"{name} got {share:.1%} instead of {wanted:.1%}")


@_counted_again
def mirrored_share(stage: Stage, test: Test, certificates: Certificates) -> None:
    """Of 500 requests each mirror gets its share, give or take three standard deviations."""
    for case in test.cases:
        marked = replace(case, request=replace(case.request, path=f"{case.request.path}?{uuid.uuid4()}"))
        _echoed_many(stage, marked, certificates)
        for mirror in _mirrors(stage, case.request.path):
            wanted, reference = _share(mirror), mirror["backendRef"]
            namespace = reference.get("namespace") or case.gateway.partition("/")[0]
            echo = stage.backend(namespace, reference["name"]).echo
            _await_share(stage, wanted, lambda echo=echo, path=marked.request.path: echo.targets[path])


def _await_share(stage: Stage, wanted: float, count: Callable[[], int]) -> None:
    allowed = 3 * math.sqrt(_REQUESTS * wanted * (1 - wanted))

    def wrong() -> list[str]:
        found = count()
        off = abs(found - _REQUESTS * wanted) > allowed
        return [f"{found} of {_REQUESTS} were mirrored instead of {wanted:.0%}"] if off else []

    try:
        stage.until(wrong)
    except Unmet as unmet:
        raise OffShare(str(unmet)) from None


def _mirrors(stage: Stage, path: str) -> Iterator[Manifest]:
    for rule in _rules(stage):
        if any(match.get("path", {}).get("value") == path for match in rule.get("matches", ())):
            yield from (each["requestMirror"] for each in rule.get("filters", ()) if "requestMirror" in each)


def _share(mirror: Manifest) -> float:
    if "fraction" in mirror:
        return mirror["fraction"]["numerator"] / mirror["fraction"].get("denominator", 100)
    return mirror.get("percent", 100) / 100


def _rules(stage: Stage) -> list[Manifest]:
    return [rule for each in stage.objects if each["kind"] == "HTTPRoute" for rule in each["spec"]["rules"]]


def _echoed_many(stage: Stage, case: Case, certificates: Certificates) -> list[str]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pending = [pool.submit(_echoed, stage, case, certificates) for _ in range(_REQUESTS)]
        return [each.result()["pod"] for each in pending]


def _echoed(stage: Stage, case: Case, certificates: Certificates) -> dict[str, Any]:
    answer = stage.probe(case.gateway, certificates).send(case.request).answer
    if answer.status != 200:
        raise Unmet(f"status {answer.status} instead of 200 while counting")
    return json.loads(answer.body)
