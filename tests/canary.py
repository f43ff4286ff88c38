"""One key that every test may use, and that nothing may show: a plugin of pytest, loaded for the whole suite.

Facts
- All loggers are at DEBUG. A record counts that was made while code of the package ran: what doubles of upstreams
  and clients log of what they are sent, libraries of theirs included, is theirs.
- What tests have captured, what processes that they start have said (``look``), and the files in a test's folder
  are searched as well, but for files that tests have written themselves: manifests and Secrets.
- A hit is a fragment of eight characters, backwards or percent-encoded too, and base64 or hexadecimal digits of
  more than that.
"""

import base64
import inspect
import logging
import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from types import FrameType
from typing import Any, cast
from urllib.parse import unquote

import pytest

KEY = "sk-not-a-real-key"
"""The key; where a test needs several, they begin or end in it."""

_FRAGMENT = 8
_SOURCE = str(Path(__file__).parents[1] / "src" / "gateway_filters")
_TESTS = str(Path(__file__).parent)
_LARGEST_FILE = 20_000_000


def _windows(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def _encoded(key: str) -> set[str]:
    """Base64 of the key wherever it stands in a longer text, without the digits that its neighbours have a part in."""
    found = set[str]()
    for before in range(3):
        digits = base64.b64encode(b"\0" * before + key.encode()).decode().rstrip("=")
        found |= _windows(digits[-(-before * 4 // 3) : len(digits) - 1], 12)
    return found


def marks(key: str) -> re.Pattern[str]:
    """What shows a key."""
    plain = _windows(key, _FRAGMENT)
    digits = _windows(key.encode().hex(), 2 * _FRAGMENT)
    each = {*plain, *(mark[::-1] for mark in plain), *_encoded(key), *digits}
    return re.compile("|".join(map(re.escape, sorted(each))))


_MARKS = marks(KEY)
_leaks: list[str] = []


def shown(text: str, pattern: re.Pattern[str] = _MARKS) -> str | None:
    """What of the key ``text`` shows, plain or percent-encoded; None where it shows nothing."""
    found = pattern.search(text) or ("%" in text and pattern.search(unquote(text)))
    return found[0] if found else None


def look(text: str, where: str) -> None:
    """Have the running test fail if ``text`` shows the key."""
    mark = shown(text)
    if mark is not None:
        _leaks.append(f"{where} shows {mark!r} of the key")


class Listener(logging.Handler):
    """Looks at every record that is made while the package runs, with its traceback and its arguments."""

    def __init__(self, tell: Callable[[str, str], None] = look, source: str = _SOURCE) -> None:
        super().__init__(logging.DEBUG)
        self._tell = tell
        self._source = source
        self._form = logging.Formatter("%(name)s %(levelname)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        if _from(self._source, inspect.currentframe()):
            self._tell(self._form.format(record), f"the logger {record.name}")
            self._tell(repr(record.args), f"an argument of the logger {record.name}")


def _from(folder: str, frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(folder):
            return True
        frame = frame.f_back
    return False


class Files:
    """Which files tests have written, by their identity: they may be moved afterwards."""

    def __init__(self) -> None:
        self._ours = set[tuple[int, int]]()

    def note(self, path: Path) -> None:
        """A test has written this one."""
        try:
            found = path.stat()
        except OSError:
            return
        self._ours.add((found.st_dev, found.st_ino))

    def of_others(self, folder: Path) -> Iterable[Path]:
        """The files below ``folder`` that no test has written."""
        for path in folder.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            found = path.stat()
            if (found.st_dev, found.st_ino) not in self._ours and found.st_size < _LARGEST_FILE:
                yield path


FILES = Files()


def search(folder: Path, files: Files = FILES, tell: Callable[[str, str], None] = look) -> None:
    """Look into the files below ``folder`` that no test has written."""
    for path in files.of_others(folder):
        try:
            tell(path.read_text("latin-1"), f"the file {path.name}")
        except OSError:
            continue  # a secret that nobody may read, say


def _noting(write: Callable[..., Any]) -> Callable[..., Any]:
    def noted(path: Path, *arguments: Any, **named: Any) -> Any:
        written = write(path, *arguments, **named)
        caller = cast("FrameType", cast("FrameType", inspect.currentframe()).f_back)
        if caller.f_code.co_filename.startswith(_TESTS):
            FILES.note(path)
        return written

    return noted


def _looking(read: Callable[..., Any]) -> Callable[..., Any]:
    def looked(fixture: object) -> Any:
        captured = read(fixture)
        look(f"{captured.out}", "stdout")
        look(f"{captured.err}", "stderr")
        return captured

    return looked


def pytest_configure() -> None:
    """Begin."""
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    root.addHandler(Listener())
    path, fixture = cast("Any", Path), cast("Any", pytest.CaptureFixture)
    path.write_text, path.write_bytes = _noting(Path.write_text), _noting(Path.write_bytes)
    fixture.readouterr = _looking(fixture.readouterr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """The test itself."""
    outcome = yield
    folder = cast("dict[str, Any]", getattr(item, "funcargs", {})).get("tmp_path")
    if folder is not None:
        search(folder)
    _judge()
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    """What its fixtures leave: processes that end, most of all."""
    outcome = yield
    _judge()
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was captured of a test that has passed; one that fails may show what it likes."""
    report = yield
    now = "".join(text for name, text in report.sections if name.endswith(report.when or "") and "log" not in name)
    mark = shown(now) if report.passed else None
    if mark is not None:
        report.outcome = "failed"
        report.longrepr = f"what was captured shows {mark!r} of the key"
    return report


def _judge() -> None:
    found, _leaks[:] = list(_leaks), []
    assert not found, "; ".join(dict.fromkeys(found))
