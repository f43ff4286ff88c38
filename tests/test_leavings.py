"""Whoever leaves something behind is told so, and nobody else."""

import pytest

LEAVING = {
    "a_variable": "os.environ['LEFT'] = 'yes'",
    "a_folder": "os.chdir('/')",
    "a_handler": "signal.signal(signal.SIGUSR2, signal.SIG_IGN)",
    "a_limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))",
    "a_level": "LOGGER.setLevel(logging.CRITICAL)",
    "a_logger_that_is_off": "LOGGER.disabled = True",
    "a_collector": "gc.set_debug(gc.DEBUG_SAVEALL)",
    "a_filter": "warnings.filters.append(('ignore', None, DeprecationWarning, None, 0))",
}


def test_the_test_that_leaves_something_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """And those after it do not."""
    tests = [f"def test_{name}():\n    {code}\ndef test_after_{name}(): pass\n" for name, code in LEAVING.items()]
    calm = "def test_calm(monkeypatch):\n    monkeypatch.setenv('SET', 'back'); logging.getLogger('new').debug('x')\n"
    pytester.makepyfile(
        f"import gc, logging, os, resource, signal, warnings\nLOGGER = logging.getLogger('x')\n{''.join(tests)}{calm}"
    )
    monkeypatch.setenv("PYTHONPATH", str(__file__).rpartition("/")[0])
    ended = pytester.runpytest_subprocess("-p", "leavings", "-p", "no:cacheprovider", "--tb=line", "-rN")
    ended.assert_outcomes(passed=2 * len(LEAVING) + 1, errors=len(LEAVING))
    ended.stdout.fnmatch_lines(["*it leaves behind: the variable LEFT was None and is 'yes'*"])
