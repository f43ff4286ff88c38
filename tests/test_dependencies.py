"""What comes along with the package: it holds every provider's key, so each dependency could read them (T42)."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_few_are_needed() -> None:
    """Six at most, each with a least version, none from a URL."""
    needed: list[str] = PROJECT["dependencies"]
    assert len(needed) <= 6
    assert all(re.fullmatch(r"[A-Za-z0-9-]+>=[0-9.]+(?:,<[0-9]+)?", each) for each in needed), needed


def test_nothing_runs_by_being_installed() -> None:
    """No ``.pth`` is shipped, which Python would execute at every start, and none is made by the build."""
    assert [*(ROOT / "src").rglob("*.pth")] == []
    assert "force-include" not in (ROOT / "pyproject.toml").read_text()
