"""Every test of the official suite's cases, against a real gateway process."""

from concurrent.futures import Future

import pytest

from .cases import Test
from .runner import Outcome


@pytest.fixture
def outcome(case_test: Test, outcomes: dict[str, Future[Outcome]]) -> Outcome:
    """What came of the test."""
    return outcomes[case_test.test].result()


def test_conformance(outcome: Outcome) -> None:
    """Every case is answered, and every status written, as the suite expects it."""
    if outcome.problems:
        pytest.fail("\n".join(outcome.problems), pytrace=False)
