"""One test from beginning to end: stage, procedure, assertions, cases."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .cases import Case, StatusAssertion, Test
from .certificates import Certificates
from .gateway import Misbehaved
from .procedures import PROCEDURES, Procedure, Step
from .replay import Verdict, replay
from .stage import Stage, Unmet, staged

SUITE_PATIENCE = 30.0
# What reading a status raises that has not the shape of one.
_UNREADABLE = (LookupError, TypeError, AttributeError)
_BROKEN = (Misbehaved, OSError, subprocess.TimeoutExpired)


@dataclass(frozen=True)
class Outcome:
    """All verdicts of a test; the procedure's count for the test alone."""

    test: Test
    cases: Sequence[Verdict]
    assertions: Sequence[Verdict]
    procedure: Sequence[Verdict] = ()

    @property
    def problems(self) -> list[str]:
        """A line for each failure."""
        verdicts = [*self.procedure, *self.assertions, *self.cases]
        return [f"{each.subject}: {each.problem}" for each in verdicts if each.problem]


@dataclass(frozen=True)
class Runner:
    """Runs tests of one folder of cases."""

    cases: Path
    certificates: Certificates
    patience: float

    def run(self, test: Test) -> Outcome:
        """The outcome, also when the gateway does not start or does not end."""
        try:
            with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
                return self._staged(test, Path(folder))
        except _BROKEN as error:
            reason = f"{type(error).__name__}: {error}"
            cases = [Verdict(f"{each.request.method} {each.request.path}", reason) for each in test.cases]
            assertions = [Verdict(str(each), reason) for each in test.status_assertions]
            return Outcome(test, cases, assertions, [Verdict("gateway", reason)])

    def _staged(self, test: Test, folder: Path) -> Outcome:
        procedure = PROCEDURES.get(test.test, Procedure())
        with staged(test, self.cases, folder, self.patience, self.certificates) as stage:
            before = self._step(procedure.before, stage, test)
            assertions = self._assertions(stage, test)
            cases = self._cases(stage, test)
            after = self._step(procedure.after, stage, test)
        return Outcome(test, cases, assertions, [before, after])

    def _step(self, step: Step, stage: Stage, test: Test) -> Verdict:
        try:
            step(stage, test, self.certificates)
        except (Unmet, OSError, *_UNREADABLE) as error:
            return Verdict("procedure", str(error) if isinstance(error, Unmet) else repr(error))
        return Verdict("procedure")

    def _assertions(self, stage: Stage, test: Test) -> list[Verdict]:
        verdicts = [self._assertion(stage, each) for each in test.status_assertions]
        stage.patience = self.patience
        return verdicts

    def _assertion(self, stage: Stage, assertion: StatusAssertion) -> Verdict:
        try:
            stage.until(lambda: list(stage.statuses().complaints(assertion)))
        except Unmet as unmet:
            stage.patience = self._patience_after_failure
            return Verdict(str(assertion), str(unmet))
        except _UNREADABLE as error:
            return Verdict(str(assertion), f"the status cannot be read: {error!r}")
        return Verdict(str(assertion))

    def _cases(self, stage: Stage, test: Test) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for case in test.cases:
            verdict = replay(_bare(case, test), stage.probe(case.gateway, self.certificates), stage)
            if verdict.problem:
                stage.patience = self._patience_after_failure
            verdicts.append(verdict)
        stage.patience = self.patience
        return verdicts

    @property
    def _patience_after_failure(self) -> float:
        """The gateway has converged or it has not: below the suite's own limit one full wait is enough for a test."""
        return self.patience if self.patience >= SUITE_PATIENCE else self.patience / 10


def _bare(case: Case, test: Test) -> Case:
    """A case of a test that counts its copies does not look for each of them."""
    counted = test.test == "HTTPRouteRequestPercentageMirror"
    return replace(case, expect=replace(case.expect, mirrored_to=())) if counted else case
