"""The canary sings: whatever way a key takes, it is heard."""

import base64
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

import canary
from canary import KEY, Files, Listener, search, shown

FORMS = [
    pytest.param(KEY, id="as it is"),
    pytest.param(f"{{'authorization': 'Bearer {KEY}'}}", id="in a header"),
    pytest.param(f"...{KEY[4:12]}...", id="eight characters of it"),
    pytest.param(KEY[:8], id="its first eight characters"),
    pytest.param(KEY[-8:], id="its last eight characters"),
    pytest.param(KEY[::-1], id="backwards"),
    pytest.param(base64.b64encode(KEY.encode()).decode(), id="in base64"),
    pytest.param(base64.b64encode(f"Bearer {KEY}".encode()).decode(), id="in base64 behind a scheme"),
    pytest.param(base64.b64encode(f"a:{KEY}".encode()).decode(), id="in base64 behind a user's name"),
    pytest.param(base64.b64encode(f"ab:{KEY}\n".encode()).decode(), id="in base64 with a line end"),
    pytest.param(KEY.encode().hex(), id="in hexadecimal digits"),
    pytest.param("".join(f"%{byte:02x}" for byte in KEY.encode()), id="percent-encoded"),
    pytest.param(quote(KEY.replace("-", "%2d")), id="half of it percent-encoded"),
    pytest.param(repr(KEY.encode()), id="as bytes"),
]


@pytest.mark.parametrize("text", FORMS)
def test_a_leak_is_heard(text: str) -> None:
    """In the midst of other words, too."""
    assert shown(f"a line {text.replace('%252d', '%2d')} and more") is not None


@pytest.mark.parametrize("text", ["", KEY[:7], KEY[-7:], "Bearer ***", base64.b64encode(b"Bearer sk-").decode()])
def test_what_is_no_leak_is_not(text: str) -> None:
    """Seven characters are not told apart from other words."""
    assert shown(text) is None


def _heard(record: tuple[str, object]) -> list[str]:
    heard = list[str]()

    def tell(text: str, where: str) -> None:
        if shown(text):
            heard.append(where)

    logger, handler = logging.getLogger("a.library"), Listener(tell, str(Path(__file__).parent))
    logger.addHandler(handler)
    logger.propagate = False  # else this very test fails
    try:
        logger.debug(*record)
        try:
            int(KEY)
        except ValueError:
            logger.debug("it failed", exc_info=True)
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    return heard


def test_records_are_heard() -> None:
    """In their text, their arguments and their traceback, at DEBUG."""
    assert _heard(("sent %s", KEY)) == [
        "the logger a.library",
        "an argument of the logger a.library",
        "the logger a.library",
    ]
    assert _heard(("sent %.0s", KEY)) == ["an argument of the logger a.library", "the logger a.library"]


def test_records_of_others_are_theirs() -> None:
    """A record counts while code of the package runs."""
    heard = list[str]()
    listener = Listener(lambda text, _: heard.append(text))
    listener.handle(logging.LogRecord("x", logging.DEBUG, "p", 1, KEY, None, None))
    assert heard == []


def test_files_are_searched_but_for_those_of_tests(tmp_path: Path) -> None:
    """A Secret that a test wrote may be moved; what somebody else wrote must not hold the key."""
    files, heard = Files(), list[str]()
    ours = tmp_path / "secret"
    ours.write_text(KEY)
    files.note(ours)
    ours.rename(tmp_path / "moved")
    theirs = tmp_path / "status"
    with theirs.open("w") as file:
        file.write(base64.b64encode(KEY.encode()).decode())
    search(tmp_path, files, lambda text, where: heard.append(where) if shown(text) else None)
    theirs.unlink()
    assert heard == ["the file status"]


def test_the_root_logger_is_at_debug_for_the_whole_suite() -> None:
    """And the listener is on it."""
    assert logging.getLogger().level == logging.DEBUG
    assert any(isinstance(handler, Listener) for handler in logging.getLogger().handlers)


LEAKING = {
    "said": "print(canary.KEY)",
    "captured": "print(canary.KEY); capsys.readouterr()",
    "in_a_file": "(tmp_path / 'log').open('w').write(canary.KEY)",
    "of_a_process": "canary.look(canary.KEY, 'a process')",
}


def test_the_test_that_leaks_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other one."""
    tests = "\n".join(f"def test_{name}(capsys, tmp_path):\n    {code}" for name, code in LEAKING.items())
    pytester.makepyfile(f"import canary\n{tests}\ndef test_calm(capsys, tmp_path):\n    print('***')\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(canary.__file__).parent))
    ended = pytester.runpytest_subprocess("-p", "canary", "-p", "no:cacheprovider", "--tb=no", "-rN")
    ended.assert_outcomes(passed=1, failed=len(LEAKING))
