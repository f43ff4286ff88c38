"""Options, the parallel runs behind the tests, and the closing table."""

import socket
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from .cases import Test, read_cases
from .certificates import make_certificates
from .runner import Outcome, Runner
from .summary import closing_lines

HERE = Path(__file__).parent
DEFAULT_CASES = Path(__file__).parents[3] / "shared" / "conformance"
PATIENCE = 10.0
AT_ONCE = 2
T = TypeVar("T")
_OUTCOMES = pytest.StashKey[dict[str, Outcome]]()
_SELECTED = pytest.StashKey[list[Test]]()
# Deadlines of some hundred milliseconds are measured alone, when nothing else keeps the machine busy.
_TIMED = ("Retry", "Timeout")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--cases``, ``--patience`` and ``--at-once``."""
    group = parser.getgroup("conformance")
    group.addoption("--cases", type=Path, default=DEFAULT_CASES, help="folder with cases.json and manifests/")
    group.addoption("--patience", type=float, default=PATIENCE, help="seconds until a case has failed; the suite's: 30")
    group.addoption("--at-once", type=int, default=AT_ONCE, help="gateways that run at the same time")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a test of the folder; a skipped one when it cannot be replayed here."""
    if "case_test" not in metafunc.fixturenames:
        return
    reason = _obstacle(_folder(metafunc.config))
    if reason:
        metafunc.parametrize("case_test", [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none")])
        return
    expected = _expected_failures()
    tests = read_cases(_folder(metafunc.config))
    parameters = [pytest.param(each, marks=_marks(each, metafunc.config, expected), id=each.test) for each in tests]
    metafunc.parametrize("case_test", parameters)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remembers the selected tests, so that they can be run before they are asked for."""
    parameters = [getattr(item, "callspec").params for item in session.items if hasattr(item, "callspec")]  # noqa: B009
    found = [each.get("case_test") for each in parameters]
    session.config.stash[_SELECTED] = [each for each in found if isinstance(each, Test)]


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, Future[Outcome]]]:
    """The outcome of every selected test, by name, as soon as it is there."""
    config = request.config
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    runner = Runner(_folder(config), certificates, _option(config, "patience", PATIENCE))
    with ThreadPoolExecutor(_option(config, "at_once", AT_ONCE)) as many, ThreadPoolExecutor(1) as alone:
        started = _start(runner, config.stash[_SELECTED], many, alone)
        yield started
        for each in started.values():
            each.cancel()
    done = {name: each for name, each in started.items() if not each.cancelled() and not each.exception()}
    config.stash[_OUTCOMES] = {name: each.result() for name, each in done.items()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table by feature and the closing line."""
    outcomes = config.stash.get(_OUTCOMES, dict[str, Outcome]())
    if outcomes:
        terminalreporter.section("conformance")
        for line in closing_lines(list(outcomes.values()), verbose=config.option.verbose > 0):
            terminalreporter.write_line(line)


def _start(
    runner: Runner, tests: Sequence[Test], many: ThreadPoolExecutor, alone: ThreadPoolExecutor
) -> dict[str, Future[Outcome]]:
    timed = [each for each in tests if any(word in each.test for word in _TIMED)]
    started = {each.test: many.submit(runner.run, each) for each in tests if each not in timed}
    others = list(started.values())
    return started | {each.test: alone.submit(_after, others, runner, each) for each in timed}


def _after(others: Iterable[Future[Outcome]], runner: Runner, test: Test) -> Outcome:
    for each in others:
        each.exception()
    return runner.run(test)


def _folder(config: pytest.Config) -> Path:
    return _option(config, "cases", DEFAULT_CASES)


def _option(config: pytest.Config, name: str, default: T) -> T:
    # Our options are unknown when pytest came upon this folder only while it collected.
    found = config.getoption(name, default)
    return default if found is None else found


def _obstacle(folder: Path) -> str | None:
    if not (folder / "cases.json").exists():
        return f"there are no conformance cases in {folder}"
    with socket.socket() as probe:
        try:
            probe.bind(("127.1.0.1", 80))
        except OSError as error:
            return f"127.1.0.1:80 cannot be bound here: {error}"
    return None


def _marks(test: Test, config: pytest.Config, expected: dict[str, str]) -> list[pytest.MarkDecorator]:
    # A test may have to wait for all the others that run before it.
    limit: pytest.MarkDecorator = pytest.mark.timeout(600 + 60 * _option(config, "patience", PATIENCE))
    marks = [limit]
    if test.test in expected:
        marks.append(pytest.mark.xfail(strict=True, reason=expected[test.test]))
    return marks


def _expected_failures() -> dict[str, str]:
    lines = (HERE / "expected_failures.txt").read_text().splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return {name: reason for name, reason in pairs}  # noqa: C416  a line without a reason is an error
