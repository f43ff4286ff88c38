"""What a test leaves behind in its process fails it: a plugin of pytest, loaded for the whole suite.

Which tests run later in the same process is chance, and so would be what becomes of those that meet it.
"""

import gc
import logging
import os
import resource
import signal
import sys
import warnings
from collections.abc import Generator, Iterator, Mapping

import pytest

_LIMITS = {"open files": resource.RLIMIT_NOFILE, "core files": resource.RLIMIT_CORE, "files": resource.RLIMIT_FSIZE}
_STATE = pytest.StashKey[Mapping[str, object]]()


def left(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """What is not as it was, a few words each."""
    # A logger that nobody had asked for is its library's own matter.
    known = (name for name in before.keys() | after.keys() if name in before or not name.startswith("the logger "))
    changed = [name for name in known if before.get(name) != after.get(name)]
    return [f"{name} was {before.get(name)!r} and is {after.get(name)!r}" for name in sorted(changed)]


def state() -> dict[str, object]:
    """What tests and the code under them share in this process, as far as somebody may set it."""
    return {
        "the working directory": str(os.getcwd()),  # noqa: PTH109 - what it is may have been removed
        "the umask": _umask(),
        "the cores to run on": os.sched_getaffinity(0),
        "the collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "the switch interval": sys.getswitchinterval(),
        "the filters of warnings": tuple(warnings.filters),
        **{f"the limit of {name}": resource.getrlimit(each) for name, each in _LIMITS.items()},
        **{f"the handler of {signal.Signals(each).name}": signal.getsignal(each) for each in _signals()},
        **{f"the variable {name}": value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        **{f"the logger {name}": how for name, how in _loggers()},
    }


def _umask() -> int:
    now = os.umask(0o22)
    os.umask(now)
    return now


def _signals() -> Iterator[int]:
    # That of the clock is the one by which each test has its limit.
    return (each for each in signal.Signals if each not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGALRM))


def _loggers() -> Iterator[tuple[str, tuple[object, ...]]]:
    known = {"root": logging.root, **logging.root.manager.loggerDict}
    for name, each in known.items():
        if isinstance(each, logging.Logger):
            yield name, (each.level, tuple(filter(_counts, each.handlers)), each.propagate, each.disabled)


def _counts(handler: logging.Handler) -> bool:
    """Unless pytest puts it on and takes it off again, or it stands for none."""
    return not isinstance(handler, logging.NullHandler) and not type(handler).__module__.startswith("_pytest.")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Before its fixtures."""
    item.stash[_STATE] = state()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """After its fixtures."""
    outcome = yield
    found = left(item.stash[_STATE], state())
    assert not found, f"it leaves behind: {'; '.join(found)}"
    return outcome
