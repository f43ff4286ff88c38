"""``gateway-filters run`` follows files however they change, and never fails a request for it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from run.clients import Clients
from run.gateway_run import (
    NamedServer,
    backend,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    route,
    running,
)


def manifests(port: int, server: NamedServer) -> str:
    """Everything for one upstream."""
    return documents(gateway(port), route("r", "/", "b"), backend("b", server))


def swapped(folder: Path, text: str) -> None:
    """Another folder behind a link takes the place of the one before, at once."""
    version = folder.parent / f"version-{time.monotonic_ns()}"
    version.mkdir()
    (version / "all.yaml").write_text(text)
    link = folder.parent / "aside"
    link.symlink_to(version.name)
    if folder.is_dir() and not folder.is_symlink():
        folder.rmdir()
    link.rename(folder)


def mounted(folder: Path, text: str) -> None:
    """Kubernetes mounts a folder of links to a hidden one and swaps that as a whole."""
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir()
    (version / "all.yaml").write_text(text)
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / "all.yaml").is_symlink():
        (folder / "all.yaml").symlink_to("..data/all.yaml")


def made_again(folder: Path, text: str) -> None:
    """Removed, and after a while there again: nothing is served from what is not there yet."""
    shutil.rmtree(folder)
    time.sleep(0.3)
    folder.mkdir()
    time.sleep(0.3)
    (folder / "all.yaml").write_text(text)


def emptied(folder: Path, text: str) -> None:
    """Emptied, and written after a while, as editors do it on slow disks."""
    (folder / "all.yaml").write_text("")
    time.sleep(0.6)
    (folder / "all.yaml").write_text(text)


def piecemeal(folder: Path, text: str) -> None:
    """Written piece by piece, so that each state on the way is another one."""
    with (folder / "all.yaml").open("w") as file:
        for line in text.splitlines(keepends=True):
            file.write(line)
            file.flush()
            time.sleep(0.02)


@pytest.mark.parametrize("change", [swapped, mounted, made_again, emptied, piecemeal])
def test_no_request_fails_whatever_becomes_of_the_files(
    folder: Path, one: NamedServer, two: NamedServer, change: Callable[[Path, str], None]
) -> None:
    """Every answer is of what was served before or of what is served then, and the second change is seen as well."""
    port = free_port()
    if change in (swapped, mounted):
        change(folder, manifests(port, one))
    else:
        (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder) as process:
        with Clients(port) as clients:
            clients.all_see((200, "one"), 5)
            change(folder, manifests(port, two))
            clients.all_see((200, "two"), 5)
            change(folder, manifests(port, one).replace("name: r", "name: again"))
            clients.all_see((200, "one"), 5)
        code, log = process.stop()
    assert clients.answers <= {(200, "one"), (200, "two")}
    assert code == 0
    assert "Traceback" not in log


def test_what_is_no_state_is_told_once_and_changes_nothing(folder: Path, one: NamedServer) -> None:
    """However often the files are looked at: a file that stays empty, then no file at all, then a broken one."""
    port, file = free_port(), folder / "all.yaml"
    file.write_text(manifests(port, one))
    with running(folder) as process:
        file.write_text("")
        process.wait_for(f"{file}: it is empty, as an edit under way is")
        (folder / "notes.yaml").write_text("# nothing yet")
        (folder / "notes.yaml").unlink()
        file.unlink()
        process.wait_for(f"{folder}: no manifest is left")
        os.mkfifo(file)
        process.wait_for(f"{file}: cannot be read: it is not a regular file; the last good state stays in use")
        assert get(port, "/") == (200, "one")
        file.unlink()
        file.write_text(manifests(port, one))
        process.wait_for("reloaded")
        log = process.stop()[1]
    assert log.count("it is empty") == 1
    assert log.count("no manifest is left") <= 2  # once before the FIFO, once after it


def test_a_deleted_file_takes_its_objects_away(folder: Path, one: NamedServer) -> None:
    """Unlike an empty one."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/a", "b"), backend("b", one)))
    (folder / "more.yaml").write_text(route("more", "/more", "b"))
    with running(folder):
        assert get(port, "/more") == (200, "one")
        (folder / "more.yaml").unlink()
        eventually(lambda: get(port, "/more")[0] == 404, 3)
        assert get(port, "/a") == (200, "one")


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_a_machine_without_watches_is_looked_at_instead(
    folder: Path, one: NamedServer, two: NamedServer, limit: str
) -> None:
    """It says so once, and changes are live all the same."""
    alone = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    if subprocess.run([*alone, f"echo 0 > /proc/sys/user/{limit}"], capture_output=True, check=False).returncode:
        pytest.skip("limits of one's own need namespaces of users")
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port, one))
    before = [*alone, f'echo 0 > /proc/sys/user/{limit}; exec "$@"', "sh"]
    with running(folder, before=before) as process:
        process.wait_for("changes are looked for every second")
        (folder / "all.yaml").write_text(manifests(port, two))
        eventually(lambda: get(port, "/") == (200, "two"), 5)
        log = process.stop()[1]
    assert log.count("looked for every second") == 1


def test_a_status_that_cannot_be_written_is_told_once(folder: Path, tmp_path: Path, one: NamedServer) -> None:
    """Everything is served on, and the file is written when that can be done again."""
    port, status = free_port(), tmp_path / "none" / "status.yaml"
    (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder, "--status", status) as process:
        process.wait_for(f"cannot write the status to {status}: No such file or directory; everything is served on")
        (folder / "more.yaml").write_text(route("more", "/more", "b"))
        eventually(lambda: get(port, "/more") == (200, "one"), 3)
        status.parent.mkdir()
        (folder / "more.yaml").write_text(route("more", "/again", "b"))
        eventually(status.exists, 3)
        log = process.stop()[1]
    assert log.count("cannot write the status") == 1
