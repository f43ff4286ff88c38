"""When a process is ready: what it waits for, what it only tells, and that its end is the end."""

from collections.abc import Callable

import pytest

from gateway_filters.readiness import Readiness, Trouble

MISSING = Trouble("SecretUnavailable", "HTTPRoute", "default/a")
OTHER = Trouble("SecretUnavailable", "HTTPRoute", "default/c")
STALE = Trouble("SecretStale", "HTTPRoute", "default/b")
RELOAD = Trouble("ReloadFailed")

Step = Callable[[Readiness], None]


def look(*troubles: Trouble, serving: bool = True) -> Step:
    """Somebody looks at the credentials."""
    return lambda readiness: readiness.looked(troubles, serving=serving)


def note(what: str, *troubles: Trouble) -> Step:
    """Somebody tells of something else."""
    return lambda readiness: readiness.note(what, *troubles)


LIVES: dict[str, tuple[list[Step], str, list[Trouble]]] = {
    "nothing has happened yet": ([], "Starting", []),
    "all is there": ([look()], "Ready", []),
    "no listener is served": ([look(serving=False)], "Starting", []),
    "a listener comes later": ([look(serving=False), look()], "Ready", []),
    "a credential is missing": ([look(MISSING, STALE)], "Incomplete", [MISSING, STALE]),
    "it comes": ([look(MISSING), look()], "Ready", []),
    "it goes again": ([look(), look(MISSING)], "Ready", [MISSING]),
    "one comes and another one goes": ([look(MISSING), look(OTHER)], "Incomplete", [OTHER]),
    "a credential that nobody confirms is one": ([look(STALE)], "Ready", [STALE]),
    "a reload that fails is told": ([look(), note("reloading", RELOAD)], "Ready", [RELOAD]),
    "and no more when one succeeds": ([look(), note("reloading", RELOAD), note("reloading")], "Ready", []),
    "troubles with one thing hide none with another": (
        [look(STALE), note("reloading", RELOAD), look(MISSING)],
        "Ready",
        [RELOAD, MISSING],
    ),
    "other troubles complete nothing": ([note("reloading", RELOAD)], "Starting", [RELOAD]),
    "the last listener goes": ([look(), look(serving=False)], "Ready", []),
    "it is asked to end": ([look(STALE), Readiness.end], "Ending", [STALE]),
    "it ends for good": ([Readiness.end, look()], "Ending", []),
}


@pytest.mark.parametrize(("steps", "reason", "troubles"), LIVES.values(), ids=LIVES)
def test_what_is_ready(steps: list[Step], reason: str, troubles: list[Trouble]) -> None:
    """Ready for one reason alone; troubles in the order of their objects."""
    readiness = Readiness()
    for step in steps:
        step(readiness)
    said = readiness.standing.told()
    assert (said["reason"], said["ready"]) == (reason, reason == "Ready")
    listed = [{"reason": each.reason, "kind": each.kind, "name": each.name} for each in troubles]
    assert (said["degraded"], said["more"]) == (listed, 0)


def test_where_missing_credentials_are_meant_to_be_ready() -> None:
    """As soon as it serves; what is missing is told all the same."""
    readiness = Readiness(complete=True)
    assert readiness.standing.reason == "Starting"
    readiness.looked([MISSING], serving=True)
    assert (readiness.standing.ready, readiness.standing.troubles) == (True, (MISSING,))


def test_what_is_told_has_an_end() -> None:
    """A hundred of ten thousand, the same ones each time, and how many there are besides."""
    readiness = Readiness()
    readiness.looked(
        [Trouble("SecretStale", "HTTPRoute", f"n/{each:05}") for each in reversed(range(10_000))], serving=True
    )
    said = readiness.standing.told()
    names = [f"n/{each:05}" for each in range(100)]
    assert said["degraded"] == [{"reason": "SecretStale", "kind": "HTTPRoute", "name": each} for each in names]
    assert said["more"] == 9_900
