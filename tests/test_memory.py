"""memory: what Linux shows of a process's memory and its limits."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_filters.memory import Memory, Share

MIB = 1 << 20


def machine(root: Path, group: str, limits: dict[str, tuple[str, int]]) -> Memory:
    """A process in the cgroup ``group``; ``limits`` are the most and the use of groups, by their paths."""
    process, groups = root / "proc", root / "cgroup"
    process.mkdir()
    (process / "cgroup").write_text(f"4:memory:/elsewhere\n0::{group}\n")
    for path, (most, used) in limits.items():
        folder = groups / path[1:]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {50 * MIB}\nactive_file 7\n")
    return Memory(process, groups)


HUNDRED = str(100 * MIB)

ROWS = [
    pytest.param("/", {"/": (HUNDRED, MIB)}, [Share(MIB, 100 * MIB)], id="a container sees its own group as the root"),
    pytest.param(
        "/kubepods/pod/container",
        {"/kubepods/pod/container": ("max", 3 * MIB), "/kubepods/pod": (HUNDRED, 4 * MIB)},
        [Share(3 * MIB, math.inf), Share(4 * MIB, 100 * MIB)],
        id="a group above has the limit",
    ),
    pytest.param(
        "/a", {"/a": (HUNDRED, 90 * MIB)}, [Share(40 * MIB, 100 * MIB)], id="pages of files that can go do not count"
    ),
    pytest.param("/a", {"/a": (HUNDRED, 60 * MIB)}, [Share(60 * MIB, 100 * MIB)], id="nor are asked for early"),
    pytest.param("/a", {"/a": ("much", MIB)}, [], id="a limit that is no number is none"),
    pytest.param("/../../a", {}, [], id="a group outside what is mounted"),
    pytest.param("/a", {}, [], id="no limits at all"),
]


@pytest.mark.parametrize(("group", "limits", "shares"), ROWS)
def test_cgroups(tmp_path: Path, group: str, limits: dict[str, tuple[str, int]], shares: list[Share]) -> None:
    """As the kernel's cgroup-v2.rst names the files."""
    assert list(machine(tmp_path, group, limits).shares().values()) == shares


def test_a_limit_that_changes(tmp_path: Path) -> None:
    """Kubernetes resizes containers in place."""
    memory = machine(tmp_path, "/", {"/": ("100", 10)})
    (tmp_path / "cgroup" / "memory.max").write_text("200\n")
    assert list(memory.shares().values()) == [Share(10, 200)]


def test_a_system_that_shows_nothing(tmp_path: Path) -> None:
    """Neither ``/proc`` nor cgroups."""
    assert Memory(tmp_path, tmp_path).shares() == {}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others do not show it")
def test_the_address_space() -> None:
    """Of a real process with ``ulimit -v``, which counts what the process has mapped."""
    script = """
import mmap
from gateway_filters.memory import Memory
before = Memory().shares()["address space"]
kept = mmap.mmap(-1, 64 << 20)
after = Memory().shares()["address space"]
print(before.limit, after.used - before.used >= 64 << 20, after.used < after.limit)
"""
    limited = ["sh", "-c", 'ulimit -v 1000000; exec "$0" -c "$1"', sys.executable, script]
    assert subprocess.run(limited, capture_output=True, check=True, text=True).stdout.split() == [
        str(1000000 * 1024),
        "True",
        "True",
    ]
