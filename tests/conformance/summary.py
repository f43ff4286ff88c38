"""The closing table: what passed, feature by feature, and the line that counts it all."""

from collections.abc import Iterator, Sequence

from .replay import Verdict
from .runner import Outcome


def closing_lines(outcomes: Sequence[Outcome], *, verbose: bool) -> Iterator[str]:
    """A line a feature, then, when verbose, a line a failure, then the counts."""
    features = sorted({feature for outcome in outcomes for feature in outcome.test.features})
    width = max(map(len, features), default=0)
    yield f"{'feature':{width}}  {'tests':>9} {'cases':>9} {'status':>9}"
    for feature in features:
        concerned = [each for each in outcomes if feature in each.test.features]
        yield f"{feature:{width}}  {_tests(concerned):>9} {_cases(concerned, '/'):>9} {_assertions(concerned, '/'):>9}"
    if verbose:
        yield from (f"{each.test.test}: {problem}" for each in outcomes for problem in each.problems)
    yield f"conformance: {_cases(outcomes, ' of ')} cases, {_assertions(outcomes, ' of ')} status assertions"


def _tests(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(not each.problems for each in outcomes)}/{len(outcomes)}"


def _cases(outcomes: Sequence[Outcome], between: str) -> str:
    return _count([each for outcome in outcomes for each in outcome.cases], between)


def _assertions(outcomes: Sequence[Outcome], between: str) -> str:
    return _count([each for outcome in outcomes for each in outcome.assertions], between)


def _count(verdicts: Sequence[Verdict], between: str) -> str:
    return f"{sum(not each.problem for each in verdicts)}{between}{len(verdicts)}"
