"""Places and times as arguments: what they mean, and that anything else ends the command before it begins."""

import argparse
from typing import Any

import pytest

from gateway_filters.cli import main
from gateway_filters.cli.arguments import place, seconds

PLACES = {
    "9090": ("127.0.0.1", 9090),
    ":9090": ("127.0.0.1", 9090),
    "localhost:9090": ("127.0.0.1", 9090),
    "0.0.0.0:9090": ("0.0.0.0", 9090),
    "[::1]:9090": ("::1", 9090),
    "::1:9090": ("::1", 9090),
    "127.0.0.1:0": ("127.0.0.1", 0),
}

NO_PLACES = ("", "host", "host:9090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "1.2.3:80", "[::1]")

TIMES = {"0": 0.0, "5": 5.0, "0.25": 0.25}

NO_TIMES = ("", "-1", "soon", "nan", "inf", "5s")


@pytest.mark.parametrize(("text", "meant"), PLACES.items(), ids=PLACES)
def test_a_place(text: str, meant: tuple[str, int]) -> None:
    """An address and a port; without an address it is this machine alone."""
    assert place(text) == meant


@pytest.mark.parametrize(("text", "meant"), TIMES.items(), ids=TIMES)
def test_a_time(text: str, meant: float) -> None:
    """In seconds."""
    assert seconds(text) == meant


WRONG: list[Any] = [
    *(pytest.param(place, each, id=f"place {each!r}") for each in NO_PLACES),
    *(pytest.param(seconds, each, id=f"time {each!r}") for each in NO_TIMES),
]


@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_anything_else_is_refused(kind: Any, text: str) -> None:
    """With what was written."""
    with pytest.raises(argparse.ArgumentTypeError, match="is no "):
        kind(text)


def test_the_command_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """And names the argument."""
    for option, wrong in (("--ready", "host:80"), ("--pre-drain", "-1")):
        with pytest.raises(SystemExit) as ended:
            main(["run", "nowhere", f"{option}={wrong}"])
        assert ended.value.code == 2
        assert f"argument {option}: '{wrong}' is no " in capsys.readouterr().err
