"""The floors of docs/architecture.md: imports only go down, rooms on one floor do not meet."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "gateway_filters"

FLOORS = {
    "errors": 0,
    "message": 0,
    "credentials": 0,
    "memory": 0,
    "limits": 1,
    "filters": 1,
    "matching": 1,
    "secrets": 1,
    "asgi": 2,
    "http2": 2,
    "routing": 2,
    "upstream": 3,
    "gateway_api": 3,
    "steps": 3,
    "assembly": 4,
    "lenient_tls": 4,
    "readiness": 4,
    "serving": 5,
    "explanation": 5,
    "frontend_tls": 5,
    "http1": 6,
    "arrivals": 7,
    "negotiation": 7,
    "watchdog": 7,
    "watching": 7,
    "sockets": 8,
    "doors": 9,
    "reporter": 9,
    "shedding": 10,
    "gateway": 6,
    "runner": 11,
    "cli": 12,
    "__init__": 13,
    "__main__": 13,
}

# Which rooms may import which library; the standard library is everybody's.
LIBRARIES = {
    "httpx": {"upstream"},
    "httptools": {"upstream", "http1"},
    "h2": {"upstream"},
    "hpack": {"upstream"},
    "uvicorn": {"sockets", "http1"},
    "uvloop": {"runner"},
    "watchfiles": {"watching"},
    "yaml": {"gateway_api"},
    "pydantic": {"gateway_api"},
    "pydantic_core": {"gateway_api"},
    "joserfc": {"credentials"},
    "websockets": {"upstream", "http1"},
    "OpenSSL": {"lenient_tls"},
    "re2": {"message"},
    "starlette": {
        *("filters", "asgi", "upstream", "assembly", "serving", "gateway"),
        *("http1", "http2", "negotiation", "readiness", "sockets"),
    },
}

# Rooms that another one must not know although it is further down.
STRANGERS = {"gateway_api": {"asgi"}, "routing": {"asgi"}}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room of a module: its folder below the package, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """All modules that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            yield node.module


def test_every_room_has_a_floor() -> None:
    """A new room must say on which floor it is."""
    assert {room_of(path) for path in MODULES} == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path: Path) -> None:
    """A module imports from its own room, from floors below, and ``errors``."""
    room = room_of(path)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] != "gateway_filters" or len(parts) == 1:
            continue
        other = parts[1]
        assert other in (room, "errors") or FLOORS[other] < FLOORS[room], f"{path} imports {module}"
        assert other not in STRANGERS.get(room, ()), f"{path} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    """httpx is known upstream only, YAML and pydantic to gateway_api only, and message/ needs no library."""
    for module in imports(path):
        library = module.split(".")[0]
        if library == "gateway_filters" or library in sys.stdlib_module_names:
            continue
        assert room_of(path) in LIBRARIES.get(library, ()), f"{path} imports {module}"
