"""cli.log: the lines of ``run``."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from gateway_filters.cli import log

ROOT = logging.getLogger()


@contextmanager
def _as_new() -> Generator[None]:
    """Loggers as a new process has them, whatever ran before in this one; they get back what they had.

    Not a fixture: pytest's own handlers come after fixtures, and with them there would be no lines.
    """
    loggers = [ROOT, *map(logging.getLogger, ("httpx", "httpcore", "uvicorn", "uvicorn.error", "watchfiles"))]
    before = [(each, each.level, each.handlers, each.propagate) for each in loggers]
    for each in loggers:
        _set(each, logging.NOTSET, [], propagate=True)
    try:
        yield
    finally:
        for each, level, handlers, propagate in before:
            _set(each, level, handlers, propagate=propagate)


def _set(logger: logging.Logger, level: int, handlers: list[logging.Handler], *, propagate: bool) -> None:
    logger.setLevel(level)
    logger.handlers = handlers
    logger.propagate = propagate


def _fail(words: str) -> None:
    raise ValueError(words)


def test_a_message_cannot_begin_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Names out of manifests may hold anything, errors too; a traceback has lines, none of which begins as ours."""
    with _as_new():
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


def test_what_libraries_say_of_requests_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Their warnings are."""
    with _as_new():
        log.begin()
        for name in ("httpx", "uvicorn.error"):
            logging.getLogger(name).info("authorization: x")
            logging.getLogger(name).warning("odd")
    assert capsys.readouterr().err == "WARNING httpx: odd\nWARNING uvicorn.error: odd\n"
