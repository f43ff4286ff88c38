"""Files into objects, again and again: what is read, and what counts as an edit under way. Nothing is waited for."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api import files
from gateway_filters.gateway_api.loader import Loader, load
from gateway_filters.gateway_api.objects import Objects


def namespace(name: str, more: str = "") -> str:
    """The smallest manifest."""
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n{more}"


def names(objects: Objects) -> list[str]:
    """What was read, in order."""
    return [each.resource.metadata.name for each in objects]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files."""
    (tmp_path / "a.yaml").write_text(namespace("a"))
    (tmp_path / "b.yaml").write_text(namespace("b"))
    return tmp_path


def many_bytes(file: Path) -> None:
    """A large file that takes no room."""
    with file.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)


def forbidden(file: Path) -> None:
    """A file that nobody may read."""
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    file.write_text(namespace("c"))
    file.chmod(0)


def no_utf8(file: Path) -> None:
    """Bytes that are no text."""
    file.write_bytes(b"a: \xff\xfe")


def link_to_nothing(file: Path) -> None:
    """What a mount that is broken has."""
    file.symlink_to("nowhere")


def link_to_itself(file: Path) -> None:
    """A link that has no end."""
    file.symlink_to(file)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        pytest.param(os.mkfifo, "c.yaml: cannot be read: it is not a regular file", id="a FIFO is not waited for"),
        pytest.param(many_bytes, "c.yaml:1:1: larger than 67108864 bytes", id="a file of 100 MB is not read"),
        pytest.param(no_utf8, "c.yaml:1:1: not YAML: a character that YAML does not allow", id="what is no UTF-8"),
        pytest.param(forbidden, "c.yaml: cannot be read: Permission denied", id="a file that may not be read"),
        pytest.param(link_to_nothing, "c.yaml: cannot be read: No such file", id="a broken mount is no deleted file"),
        pytest.param(link_to_itself, "c.yaml: cannot be read: Too many levels", id="a link to itself"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(folder: Path, make: Callable[[Path], None], sentence: str) -> None:
    """One sentence that begins with the file; nothing waits; the objects from before stay."""
    loader = Loader([folder])
    before = loader.load()
    make(folder / "c.yaml")
    with pytest.raises(ManifestError) as caught:
        loader.load()
    assert str(caught.value).startswith(f"{folder}/{sentence}")
    (folder / "c.yaml").unlink()
    assert loader.load() is before


@pytest.mark.parametrize("path", ["missing.yaml", "missing"])
def test_a_path_that_does_not_exist_is_refused(tmp_path: Path, path: str) -> None:
    """A path is named by the user: it must be there."""
    with pytest.raises(ManifestError, match=f"{path}: cannot be read: No such file"):
        load([tmp_path / path])


def test_a_file_that_goes_while_its_folder_is_read_is_deleted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the listing and the reading."""
    opened = os.open

    def opening(path: str, *arguments: int) -> int:
        (folder / "b.yaml").unlink(missing_ok=True)
        return opened(path, *arguments)

    monkeypatch.setattr(files.os, "open", opening)
    assert names(load([folder])) == ["a"]


def test_folders_and_hidden_files_of_a_folder_are_left_out(folder: Path) -> None:
    """Only what stands in the folder itself, under a name of its own."""
    (folder / "down.yaml").mkdir()
    (folder / ".hidden.yaml").write_text("no: manifest")
    (folder / "notes.txt").write_text("no manifest")
    assert names(load([folder])) == ["a", "b"]


def test_what_is_read_once_may_be_a_pipe(tmp_path: Path) -> None:
    """``kubectl get -o yaml | gateway-filters check /dev/stdin``; nobody can follow one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ManifestError, match="pipe: cannot be read: it is not a regular file"):
        Loader([pipe]).load()
    writer = threading.Thread(target=pipe.write_text, args=[namespace("piped")])
    writer.start()
    assert names(load([pipe])) == ["piped"]
    writer.join()


EMPTY = "it is empty, as an edit under way is; to take its objects away, delete it"


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing yet\n", "---\n# nothing\n---\n"])
def test_a_file_that_is_emptied_is_being_edited(folder: Path, text: str) -> None:
    """Editors and ``cp`` truncate before they write; one that held nothing may go on so."""
    (folder / "a.yaml").write_text(text)
    loader = Loader([folder])
    assert names(loader.load()) == ["b"]
    (folder / "b.yaml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        loader.load()
    assert str(caught.value) == f"{folder}/b.yaml: {EMPTY}"
    (folder / "b.yaml").write_text(namespace("c"))
    assert names(loader.load()) == ["c"]


def test_a_file_that_is_deleted_is_deleted(folder: Path) -> None:
    """Its objects go."""
    loader = Loader([folder])
    loader.load()
    (folder / "a.yaml").unlink()
    assert names(loader.load()) == ["b"]


def test_nothing_left_at_all_is_no_state(folder: Path) -> None:
    """As while a folder is being replaced; a folder that has been empty from the start is one."""
    loader = Loader([folder])
    loader.load()
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(ManifestError, match="no manifest is left, as while a folder is being replaced"):
        loader.load()
    assert names(load([folder])) == []


def test_objects_stay_the_same_where_their_text_does(folder: Path) -> None:
    """Also when lines before them come or go; their places are the new ones."""
    file = folder / "a.yaml"
    file.write_text("---\n".join([namespace("one"), namespace("two"), namespace("three")]))
    loader = Loader([folder])
    before = {each.resource.metadata.name: each.resource for each in loader.load()}
    file.write_text("---\n".join([namespace("one", more="# longer\n" * 3), namespace("three")]))
    after = loader.load()
    assert names(after) == ["one", "three", "b"]
    assert [each.resource is before[each.resource.metadata.name] for each in after] == [True, True, True]
    assert [str(each.document.place(("kind",))) for each in after] == [
        f"{folder}/a.yaml:2:7",
        f"{folder}/a.yaml:9:7",
        f"{folder}/b.yaml:2:7",
    ]


@pytest.fixture
def rested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after the files were written, as far as their reader knows."""
    now = time.time() + 60
    monkeypatch.setattr(files.time, "time", lambda: now)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are opened from now on."""
    names: list[str] = []
    real = os.open

    def opening(path: str, *arguments: int) -> int:
        names.append(Path(path).name)
        return real(path, *arguments)

    monkeypatch.setattr(files.os, "open", opening)
    return names


def written_over(file: Path) -> None:
    """In place: the same size, and the time of its last change set back."""
    before = file.stat()
    file.write_text(namespace("c"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def written_aside(file: Path) -> None:
    """Another file takes its place, as editors write."""
    before = file.stat()
    (file.parent / "aside").write_text(namespace("c"))
    os.utime(file.parent / "aside", ns=(before.st_atime_ns, before.st_mtime_ns))
    (file.parent / "aside").rename(file)


def link_led_elsewhere(file: Path) -> None:
    """The folder behind the link is another one, as when a mounted ConfigMap changes."""
    (file.parent / "new").mkdir()
    (file.parent / "new" / "a").write_text(namespace("c"))
    file.unlink()
    (file.parent / "data").symlink_to("new")
    file.symlink_to("data/a")


@pytest.mark.usefixtures("rested")
@pytest.mark.parametrize("change", [written_over, written_aside, link_led_elsewhere])
def test_only_files_that_have_changed_are_read_again(
    folder: Path, opened: list[str], change: Callable[[Path], None]
) -> None:
    """Among ten thousand one changes: the others are looked at, and that is all."""
    loader = Loader([folder])
    assert names(loader.load()) == ["a", "b"]
    assert opened == ["a.yaml", "b.yaml"]
    loader.load()
    assert opened == ["a.yaml", "b.yaml"]
    change(folder / "a.yaml")
    assert names(loader.load()) == ["c", "b"]
    assert opened == ["a.yaml", "b.yaml", "a.yaml"]


@pytest.mark.usefixtures("rested")
def test_a_link_that_is_swapped_leads_to_another_file(tmp_path: Path, opened: list[str]) -> None:
    """However alike the files are: the size and the time of their last change are the same."""
    for version in ("a", "b"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "all.yaml").write_text(namespace(version))
        os.utime(tmp_path / version / "all.yaml", (1, 1))
    (tmp_path / "data").symlink_to("a")
    loader = Loader([tmp_path / "data" / "all.yaml"])
    assert names(loader.load()) == ["a"]
    (tmp_path / "next").symlink_to("b")
    (tmp_path / "next").rename(tmp_path / "data")
    assert names(loader.load()) == ["b"]
    assert len(opened) == 2


def test_a_file_that_was_just_written_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of a slow clock it may have been written twice, and nothing but its text would tell."""

    def alike(_: os.stat_result) -> files.Mark:
        return 0, 0, 0, 0, 0

    monkeypatch.setattr(files, "_mark", alike)
    loader = Loader([folder])
    loader.load()
    (folder / "a.yaml").write_text(namespace("c"))
    assert names(loader.load()) == ["c", "b"]


@pytest.mark.usefixtures("rested")
def test_a_file_that_may_no_longer_be_looked_at_is_refused_by_name(folder: Path) -> None:
    """What stands in its way is told, as for one that is read for the first time."""
    loader = Loader([folder])
    loader.load()
    (folder / "a.yaml").unlink()
    (folder / "a.yaml").symlink_to("a.yaml")
    with pytest.raises(ManifestError, match=r"a.yaml: cannot be read: Too many levels"):
        loader.load()


@pytest.mark.usefixtures("rested")
def test_a_file_that_grows_while_it_is_read_is_read_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was appended after its size was taken belongs to it."""
    sized = os.fstat

    def sizing(descriptor: int) -> os.stat_result:
        seen = sized(descriptor)
        with (folder / "a.yaml").open("a") as appended:
            appended.write("---\n" + namespace("appended"))
        return seen

    monkeypatch.setattr(files.os, "fstat", sizing)
    assert names(load([folder / "a.yaml"])) == ["a", "appended"]


def test_what_was_read_is_not_shown(folder: Path) -> None:
    """A file may hold a Secret: what is remembered of it stays out of tracebacks that show values."""
    (folder / "a.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: sk-unseen}\n")
    loader = Loader([folder])
    loader.load()
    ((_, content), _) = files.read_files([folder])
    assert b"sk-unseen" in content.text
    assert "sk-unseen" not in f"{content!r} {vars(loader)!r}"


def test_of_a_list_only_what_changed_is_another_object(tmp_path: Path) -> None:
    """``kubectl get -o yaml`` writes one document; ``1``, ``1.0`` and ``true`` are not the same in it."""
    file = tmp_path / "list.yaml"

    def listed(*weights: str) -> str:
        rules = "[{backendRefs: [{name: s, port: 80, weight: %s}]}]"
        items = [
            f"- {{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: r{number}}}, "
            f"spec: {{rules: {rules % weight}}}}}\n"
            for number, weight in enumerate(weights)
        ]
        return "apiVersion: v1\nkind: List\nitems:\n" + "".join(items)

    file.write_text(listed("1", "1"))
    loader = Loader([file])
    before = [each.resource for each in loader.load()]
    file.write_text(listed("1", "2"))
    after = [each.resource for each in loader.load()]
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False]
    file.write_text(listed("true", "2"))
    with pytest.raises(ManifestError, match=r"list.yaml:4:\d+: HTTPRoute r0, spec.rules\[0\].backendRefs\[0\].weight"):
        loader.load()
