"""Which code asks what time it is: a wall clock jumps, so no wait and no age may depend on one (T59, F53)."""

import ast
import asyncio
import time
from pathlib import Path

import pytest

from gateway_filters import CachedSecret, DirectorySecret
from gateway_filters.message.secret import Secret

SOURCE = Path(__file__).parents[1] / "src" / "gateway_filters"

# What is compared with times that others have set, or told to people, and cannot be had from a monotonic clock.
NEEDED = {
    "secrets/last_good.py": "the time of day of the last look, for a status",
    "secrets/verified.py": "the time of day of the last look, for a status",
    "secrets/cached.py": "the time of day of the last look, for a status",
    "secrets/directory.py": "how long ago a file was written, by its own time",
    "gateway_api/files.py": "how long ago a file was written, by its own time",
    "gateway_api/credential_status.py": "the age of a credential, for a status",
    "gateway_api/load.py": "the time of a transition, for a status",
    "filters/jwt_auth.py": "a token names the time at which it expires",
    "asgi/session.py": "a cookie names the time at which it expires",
}
CLOCKS = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}


def asks(path: Path) -> bool:
    """Whether a file names a wall clock."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    return any(isinstance(node.value, ast.Name) and (node.value.id, node.attr) in CLOCKS for node in nodes)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_waits_are_by_the_monotonic_clock(path: Path) -> None:
    """Whoever asks for the time of day has a reason."""
    name = str(path.relative_to(SOURCE))
    assert not asks(path) or name in NEEDED, f"{name} asks what time it is"


def test_reasons_are_for_files_that_need_them() -> None:
    """None has outlived its file's need."""
    assert {name for name in NEEDED if asks(SOURCE / name)} == set(NEEDED)


def _clocks(path: Path) -> list[str]:
    """What parameters called ``clock`` are by default."""
    found = list[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            named = node.args
            late = [*named.posonlyargs, *named.args][-len(named.defaults) :] if named.defaults else []
            given = [*zip(late, named.defaults, strict=True), *zip(named.kwonlyargs, named.kw_defaults, strict=True)]
            found += [ast.unparse(value) for each, value in given if each.arg == "clock" and value is not None]
    return found


DATED_BY_OTHERS = {"filters/jwt_auth.py", "asgi/session.py"}


def test_clocks_that_can_be_given_are_monotonic() -> None:
    """Ages and pauses of secrets, also where the time of day is needed beside them; not what others have dated."""
    clocks = {str(path.relative_to(SOURCE)): _clocks(path) for path in SOURCE.rglob("*.py")}
    found = {name: each for name, each in clocks.items() if each}
    assert {"secrets/last_good.py", "secrets/cached.py"} <= found.keys()
    assert {name for name, each in found.items() if set(each) != {"time.monotonic"}} <= DATED_BY_OTHERS


@pytest.mark.parametrize("jump", [-3600.0, 3600.0], ids=["back", "ahead"])
async def test_no_secret_is_older_for_a_clock_that_jumps(
    jump: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By an hour: none is fetched again or too old, and one that is written then counts as soon as any other."""
    fetched, real = 0, time.time

    async def fetch() -> Secret:
        nonlocal fetched
        fetched += 1
        return Secret("one", scheme="Bearer", what="it")

    cached = CachedSecret(fetch, ttl=60, max_stale=60)
    await cached.prepare()
    file = tmp_path / "key"
    file.write_text("one")
    source = DirectorySecret(tmp_path, "key", scheme="Bearer", max_stale=60)
    before = source.current()
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    await cached.prepare()
    assert (fetched, cached.current()) == (1, before)
    assert source.current() == before
    file.write_text("two, and longer")
    end = time.monotonic() + 10
    while source.current() == before:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert source.current() == Secret("two, and longer", scheme="Bearer", what="it")
