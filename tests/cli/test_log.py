"""cli.log: the lines of ``run``."""

import logging

import pytest

from gateway_filters.cli import log

ROOT = logging.getLogger()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Gives the loggers back their levels."""
    for logger in (ROOT, *map(logging.getLogger, ("httpx", "httpcore", "uvicorn", "watchfiles"))):
        monkeypatch.setattr(logger, "level", logger.level)
    return monkeypatch


def _fail(words: str) -> None:
    raise ValueError(words)


def test_a_message_cannot_begin_a_line(kept: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Names out of manifests may hold anything, errors too; a traceback has lines, none of which begins as ours."""
    kept.setattr(ROOT, "handlers", [])
    log.begin()
    logging.getLogger("a").warning("Service default/%s does not exist", "b\nERROR forged\x1b[2J")
    try:
        _fail("wrong\nERROR forged\x1b[2J\u2028ERROR forged")
    except ValueError:
        logging.getLogger("a").exception("failed")
    first, second, *traceback = capsys.readouterr().err.splitlines()
    assert first == r"WARNING a: Service default/b\nERROR forged\x1b[2J does not exist"
    assert second == "ERROR a: failed"
    assert traceback[0] == "  Traceback (most recent call last):"
    assert traceback[-2:] == ["  ValueError: wrong", r"  ERROR forged\x1b[2J\u2028ERROR forged"]


def test_what_libraries_say_of_requests_is_not_told(
    kept: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their warnings are."""
    kept.setattr(ROOT, "handlers", [])
    log.begin()
    for name in ("httpx", "uvicorn.error"):
        logging.getLogger(name).info("authorization: x")
        logging.getLogger(name).warning("odd")
    assert capsys.readouterr().err == "WARNING httpx: odd\nWARNING uvicorn.error: odd\n"
