"""What goes out with a release, as far as it can be made without a network: bill, lock and wheel (T42)."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from release.bill import bill
from release.lock import of_ours, pinned, sha256
from release.needed import installed, needed

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = "gateway-filters"

# What came along when it was looked at last. Whoever wrote one of these could read every key: a new one is a decision.
OF_US = {NAME, "starlette", "httpx", "pydantic", "pyyaml", "httptools", "uvicorn", "h2"}
OF_THEM = {
    *("annotated-types", "anyio", "certifi", "click", "h11", "hpack", "httpcore", "hyperframe", "idna"),
    *("pydantic-core", "python-dotenv", "typing-extensions", "typing-inspection", "uvloop", "watchfiles", "websockets"),
}
SOMEWHERE_ELSE = {"colorama", "sniffio"}  # on Windows, or with older releases of the others


def bill_here() -> dict[str, Any]:
    """The bill of what is installed here."""
    bom: dict[str, Any] = json.loads(bill(NAME, needed(NAME, ("standard",), installed(distributions()))))
    return bom


def test_the_bill_names_exactly_what_is_needed_to_run() -> None:
    """Each with the version that is installed; nothing that only tests need, and nothing new without a decision."""
    bom = bill_here()
    named = {each["name"]: each["version"] for each in [*bom["components"], bom["metadata"]["component"]]}
    assert OF_US | OF_THEM <= named.keys() <= OF_US | OF_THEM | SOMEWHERE_ELSE
    assert named == {name: version(name) for name in named}
    assert {each["purl"] for each in bom["components"]} == {
        f"pkg:pypi/{name}@{number}" for name, number in named.items() if name != NAME
    }


def test_the_bill_says_what_needs_what() -> None:
    """What we need ourselves is what ``pyproject.toml`` says, and all else is needed by something."""
    bom = bill_here()
    graph = {each["ref"]: set(each.get("dependsOn", ())) for each in bom["dependencies"]}
    root = bom["metadata"]["component"]["bom-ref"]
    stated = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["standard"]]
    ours = {Requirement(each).name.lower() for each in stated}
    assert {each.removeprefix("pkg:pypi/").partition("@")[0] for each in graph[root]} == ours
    reached, waiting = set[str](), [root]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting.extend(graph[ref])
    assert reached == set(graph) == {root, *(each["bom-ref"] for each in bom["components"])}


def test_the_bill_says_under_which_licence() -> None:
    """Ours, and most others', who state it in a form that can be read."""
    bom = bill_here()
    assert bom["metadata"]["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert sum("licenses" in each for each in bom["components"]) > len(bom["components"]) / 2


def test_the_same_materials_make_the_same_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number and time included; the time is that of the commit."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, again = bill_here(), bill_here()
    assert first == again
    assert first["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def folder_of(path: Path, **requirements: list[str]) -> Path:
    """Distributions of that name with these requirements, as they are when they are installed."""
    for name, needs in requirements.items():
        folder = path / f"{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        extras = [f"Provides-Extra: {extra}" for extra in ("more", "other")]
        lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *extras]
        (folder / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {each}" for each in needs)]) + "\n")
    return path


CLOSURES: list[Any] = [
    pytest.param({"a": ["B_x>=1"], "B_x": ["c"], "c": []}, {"a", "b-x", "c"}, id="what is needed by what is needed"),
    pytest.param({"a": ["b"], "b": ["a"]}, {"a", "b"}, id="a circle"),
    pytest.param({"a": ["b"], "b": [], "c": []}, {"a", "b"}, id="not what nobody needs"),
    pytest.param({"a": ['b; extra == "other"'], "b": []}, {"a"}, id="not what an extra needs that was not asked for"),
    pytest.param({"a": ['b; extra == "more"'], "b": []}, {"a", "b"}, id="what an extra needs"),
    pytest.param({"a": ['b; python_version < "3"'], "b": []}, {"a"}, id="not what is needed elsewhere"),
    pytest.param(
        {"a": ["b[other]"], "b": ['c; extra == "other"'], "c": []}, {"a", "b", "c"}, id="an extra of what is needed"
    ),
    pytest.param(
        {"a": ["b", "c"], "b": ['d; extra == "other"'], "c": ["b[other]"], "d": []},
        {"a", "b", "c", "d"},
        id="an extra that is asked for later",
    ),
]


@pytest.mark.parametrize(("requirements", "expected"), CLOSURES)
def test_what_is_needed(tmp_path: Path, requirements: dict[str, list[str]], expected: set[str]) -> None:
    """As PEP 508 says, for the extra ``more``."""
    found = installed(distributions(path=[str(folder_of(tmp_path, **requirements))]))
    assert needed("a", ("more",), found).keys() == expected


def test_what_is_needed_and_not_there(tmp_path: Path) -> None:
    """A bill that left it out would be wrong."""
    found = installed(distributions(path=[str(folder_of(tmp_path, a=["b"]))]))
    with pytest.raises(LookupError, match="b is needed and is not installed"):
        needed("a", (), found)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as for a release."""
    return _built(tmp_path_factory.mktemp("wheel"))


def _built(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    told = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=ROOT, env=told, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_packages_and_nothing_that_runs_by_being_installed(wheel: Path) -> None:
    """No ``.pth``, no script but the command, no file beside the packages, and no keys among the manifests."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        points = next(each for each in names if each.endswith("entry_points.txt"))
        assert archive.read(points).decode().split() == [
            *("[console_scripts]", "gateway-filters", "=", "gateway_filters.cli:main")
        ]
    tops = {each.partition("/")[0] for each in names}
    assert tops == {"gateway_filters", "reference_app", f"gateway_filters-{PROJECT['version']}.dist-info"}
    kinds = {Path(each).suffix for each in names if "dist-info" not in each}
    assert kinds <= {".py", ".typed", ".yaml", ".md", ".json", ""}, kinds


def test_the_same_commit_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """So anybody can see that it was made of it."""
    assert _built(tmp_path).read_bytes() == wheel.read_bytes()


def test_pip_takes_what_the_lock_names_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """The line for ourselves, as pip itself reads it: the wheel that was made, and no other one."""
    locked = tmp_path / "lock.txt"
    locked.write_text(of_ours(NAME, PROJECT["version"], (wheel,)))
    assert pinned(locked.read_text()) == {NAME: PROJECT["version"]}
    assert _taken(locked, wheel.parent).returncode == 0
    changed = tmp_path / wheel.name
    changed.write_bytes(wheel.read_bytes() + b"\0")
    assert sha256(changed) != sha256(wheel)
    refused = _taken(locked, tmp_path)
    assert refused.returncode != 0 and "DO NOT MATCH THE HASHES" in refused.stderr


def _taken(locked: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--no-index"]
    more = ["--require-hashes", "--find-links", str(folder), "-r", str(locked)]
    return subprocess.run([*pip, *more], capture_output=True, text=True, check=False)


LOCKED = """\
httpx==0.28.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
uvloop==0.23.0 ; platform_python_implementation != 'PyPy' and sys_platform != 'win32' \\
    --hash=sha256:cc
"""


def test_what_a_lock_pins() -> None:
    """Names and versions; markers and hashes are pip's."""
    assert pinned(LOCKED) == {"httpx": "0.28.1", "uvloop": "0.23.0"}
