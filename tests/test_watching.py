"""Changes are seen however the files come to be others: edited, replaced, moved, or behind a link that is swapped."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway_filters import watching
from gateway_filters.watching import changes, way_to

pytestmark = pytest.mark.anyio

# A change is promised to be live within a second, of which seeing it is the smaller part. Longer than a slow machine
# takes, and far from the look that comes in any case.
SOON = 5.0


@pytest.fixture
def anyio_backend() -> str:
    """The command runs on asyncio."""
    return "asyncio"


class Watched:
    """What has been seen of some paths."""

    def __init__(self, paths: list[Path]) -> None:
        self.seen = 0
        self._changes = changes(paths)

    async def begin(self) -> None:
        """Watch; the first word comes when it has begun."""
        await anext(self._changes)

    async def during(self, change: Callable[[], object], holds: Callable[[], bool]) -> None:
        """Make a change while one waits for a word, and wait for one after which something holds."""
        waiting = asyncio.create_task(self._next())
        await asyncio.sleep(0.1)
        await asyncio.to_thread(change)
        async with asyncio.timeout(SOON):
            await waiting
            while not holds():
                await self._next()

    async def _next(self) -> None:
        await anext(self._changes)
        self.seen += 1

    async def silence(self, seconds: float) -> None:
        """Nothing is seen for a while."""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(self._changes), seconds)


@asynccontextmanager
async def watched(*paths: Path) -> AsyncGenerator[Watched]:
    """Watch paths from now on."""
    seen = Watched([*paths])
    await seen.begin()
    yield seen


def write(file: Path, text: str) -> None:
    """A file in a folder that may have to be made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def swap(link: Path, target: str) -> None:
    """What ``ln -sfn`` and Kubernetes do: another link takes the name at once."""
    aside = link.with_name("aside")
    aside.symlink_to(target)
    aside.rename(link)


def edited(top: Path, text: str) -> Path:
    """In place."""
    write(top / "m/a.yaml", text)
    return top / "m"


def replaced(top: Path, text: str) -> Path:
    """By another one that takes its name."""
    write(top / "m/.a.tmp", text)
    (top / "m/.a.tmp").rename(top / "m/a.yaml")
    return top / "m"


def moved_away(top: Path, text: str) -> Path:
    """As one does with a backup."""
    if (top / "m").exists():
        (top / "m").rename(top / f"old-{text}")
    write(top / "m/a.yaml", text)
    return top / "m"


def removed(top: Path, text: str) -> Path:
    """As a checkout does."""
    shutil.rmtree(top / "m", ignore_errors=True)
    write(top / "m/a.yaml", text)
    return top / "m"


def parent_moved_away(top: Path, text: str) -> Path:
    """Two folders further up."""
    if (top / "p").exists():
        (top / "p").rename(top / f"old-{text}")
    write(top / "p/q/m/a.yaml", text)
    return top / "p/q/m"


def folder_is_a_link(top: Path, text: str) -> Path:
    """A link as the path itself."""
    write(top / text / "a.yaml", text)
    swap(top / "m", text)
    return top / "m"


def parent_is_a_link(top: Path, text: str) -> Path:
    """As deployments do, by an absolute link."""
    write(top / "releases" / text / "m/a.yaml", text)
    swap(top / "current", str(top / "releases" / text))
    return top / "current/m"


def link_to_a_link(top: Path, text: str) -> Path:
    """The inner one is swapped."""
    write(top / text / "a.yaml", text)
    swap(top / "inner", text)
    if not (top / "m").is_symlink():
        (top / "m").symlink_to("inner")
    return top / "m"


def mounted(top: Path, text: str) -> Path:
    """As Kubernetes does."""
    write(top / "m" / f"..{text}" / "a.yaml", text)
    swap(top / "m/..data", f"..{text}")
    if not (top / "m/a.yaml").is_symlink():
        (top / "m/a.yaml").symlink_to("..data/a.yaml")
    return top / "m"


def one_file_of_a_mount(top: Path, text: str) -> Path:
    """Named by itself."""
    return mounted(top, text) / "a.yaml"


def inside_a_mount(top: Path, text: str) -> Path:
    """Named by its link."""
    return mounted(top, text) / "..data"


def link_to_a_file_elsewhere(top: Path, text: str) -> Path:
    """Under another name."""
    write(top / "elsewhere/b.txt", text)
    (top / "m").mkdir(exist_ok=True)
    if not (top / "m/a.yaml").is_symlink():
        (top / "m/a.yaml").symlink_to(top / "elsewhere/b.txt")
    return top / "m"


def two_dots_behind_a_link(top: Path, text: str) -> Path:
    """Not up from where the link stands."""
    write(top / "far" / text / "m/a.yaml", text)
    (top / "far" / text / "x").mkdir()
    swap(top / "link", f"far/{text}/x")
    return top / "link/../m"


WAYS = [
    pytest.param(edited, id="a file is edited"),
    pytest.param(replaced, id="a file is replaced"),
    pytest.param(moved_away, id="the folder is moved away and made again"),
    pytest.param(removed, id="the folder is removed and made again"),
    pytest.param(parent_moved_away, id="a folder above is moved away and made again"),
    pytest.param(folder_is_a_link, id="the folder is a link that is swapped"),
    pytest.param(parent_is_a_link, id="a folder above is a link that is swapped"),
    pytest.param(link_to_a_link, id="a link to a link that is swapped"),
    pytest.param(mounted, id="a mounted ConfigMap is another one"),
    pytest.param(one_file_of_a_mount, id="so is one file of it"),
    pytest.param(inside_a_mount, id="so is the hidden folder inside"),
    pytest.param(link_to_a_file_elsewhere, id="a file elsewhere that a link leads to is edited"),
    pytest.param(two_dots_behind_a_link, id="two dots behind a link go up from where it leads"),
]


@pytest.mark.parametrize("change", WAYS)
async def test_a_change_is_seen_and_the_next_ones_too(tmp_path: Path, change: Callable[[Path, str], Path]) -> None:
    """Whatever takes the place of what was watched is watched in turn."""
    path = change(tmp_path, "one")
    file = path if path.name == "a.yaml" else path / "a.yaml"
    async with watched(path) as seen:
        await seen.during(partial(change, tmp_path, "two"), lambda: file.read_text() == "two")
        await seen.during(partial(file.write_text, "edited"), lambda: file.read_text() == "edited")
        await seen.during(partial(change, tmp_path, "three"), lambda: file.read_text() == "three")


async def test_what_does_not_concern_the_manifests_is_not_seen(tmp_path: Path) -> None:
    """Other files in the folder and beside it, and reading."""
    folder = edited(tmp_path, "one")
    (folder / "b.yaml").mkdir()
    async with watched(folder) as seen:
        (folder / "notes.txt").write_text("no manifest")
        (folder / ".hidden.yaml").write_text("no manifest")
        (tmp_path / "beside.yaml").write_text("not here")
        (folder / "a.yaml").read_text()
        await seen.silence(0.5)


async def test_a_burst_is_seen_once_it_is_over(tmp_path: Path) -> None:
    """Files that are written one after the other make one change, or few."""
    folder = edited(tmp_path, "0")
    async with watched(folder) as seen:

        def burst() -> None:
            for number in range(1, 41):
                (folder / "a.yaml").write_text(str(number))
                os.sched_yield()

        await seen.during(burst, lambda: (folder / "a.yaml").read_text() == "40")
        assert seen.seen <= 10


async def test_without_watches_it_looks_from_time_to_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine may have none left: that is said once, and changes are seen all the same (tests/run has real ones)."""

    def none_left(*_: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watching, "_watched", none_left)
    monkeypatch.setattr(watching, "_LOOK_WITHOUT_WATCHES", 0.05)
    async with watched(edited(tmp_path, "one")) as seen:
        await seen.during(lambda: None, lambda: seen.seen > 2)
    said = "files cannot be watched (OS file watch limit reached): changes are looked for every second"
    assert [each.getMessage() for each in caplog.records] == [said]


async def test_it_looks_in_any_case_where_a_file_system_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network mounts have no watches that work."""
    monkeypatch.setattr(watching, "_LOOK_ANYWAY", 0.1)
    async with watched(edited(tmp_path, "one")) as seen:
        await seen.during(lambda: None, lambda: seen.seen > 1)


def test_a_path_that_is_not_there_is_waited_for_where_it_would_be(tmp_path: Path) -> None:
    """And a link that leads to itself ends somewhere."""
    (tmp_path / "loop").symlink_to("loop")
    way = way_to([tmp_path / "none/m", tmp_path / "loop/m"])
    assert tmp_path in way.folders
    assert way.concerns(tmp_path / "none")
    assert way.concerns(tmp_path / "loop")
    assert not way.concerns(tmp_path / "other")


async def test_whoever_watches_fails_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error inside is told, and what changes afterwards is seen as before."""
    monkeypatch.setattr(watching, "_LOOK_WITHOUT_WATCHES", 0.05)
    sound = watching._changed  # pyright: ignore[reportPrivateUsage]

    def broken(*_: object, **__: object) -> bool:
        monkeypatch.setattr(watching, "_changed", sound)
        raise ValueError("inside the watcher")

    monkeypatch.setattr(watching, "_changed", broken)
    (tmp_path / "a.yaml").write_text("a")
    watched = Watched([tmp_path])
    await watched.begin()
    await watched.during(lambda: None, lambda: True)
    await watched.during(lambda: (tmp_path / "a.yaml").write_text("b"), lambda: True)
    assert "watching files failed; it begins again" in caplog.text
