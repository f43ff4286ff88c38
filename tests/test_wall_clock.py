"""Which code asks what time it is: a wall clock jumps, so no wait and no age may depend on one (T59, F53)."""

import ast
from pathlib import Path

import pytest

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
