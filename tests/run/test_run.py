"""``gateway-filters run``: one process that serves what the manifests say and follows their changes."""

import json
import socket
import threading
import time
from pathlib import Path

import yaml

from run.gateway_run import NamedServer, backend, documents, eventually, free_port, gateway, get, route, running


def test_it_serves_until_sigterm(folder: Path, one: NamedServer) -> None:
    """It prints where it serves once it does, answers, and ends with 0 on SIGTERM."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/a", "b"), backend("b", one)))
    with running(folder) as process:
        assert process.ready == f"ready http://127.0.0.1:{port}"
        assert get(port, "/a/x") == (200, "one")
        assert get(port, "/b")[0] == 404
        code, log = process.stop()
    assert code == 0
    assert "Traceback" not in log


def test_files_and_folders_make_one_gateway(folder: Path, tmp_path: Path, one: NamedServer) -> None:
    """Paths may be files and folders, and one may refer to the other."""
    port, other = free_port(), tmp_path / "backend.yaml"
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b")))
    other.write_text(backend("b", one))
    with running(folder, other):
        assert get(port, "/") == (200, "one")


def test_a_change_is_live_within_a_second(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """A changed file is served soon, and every request meanwhile gets an answer, of the old or the new."""
    port, file = free_port(), folder / "backend.yaml"
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b")))
    file.write_text(backend("b", one))
    answers: set[tuple[int, str]] = set()

    def changed() -> bool:
        answers.add(get(port, "/"))
        return (200, "two") in answers

    with running(folder):
        assert get(port, "/") == (200, "one")
        file.write_text(backend("b", two))
        eventually(changed, 3)
    assert answers <= {(200, "one"), (200, "two")}


def test_a_broken_edit_keeps_the_last_good_state(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """It says what is wrong, goes on as before, and takes the next good edit."""
    port, file = free_port(), folder / "all.yaml"
    good = documents(gateway(port), route("r", "/", "b"), backend("b", one))
    file.write_text(good)
    with running(folder) as process:
        file.write_text(good.replace("parentRefs", "parents"))
        process.wait_for("spec.parents: the field is not known; the last good state stays in use")
        assert get(port, "/") == (200, "one")
        file.write_text(documents(gateway(port), route("r", "/", "b"), backend("b", two)))
        eventually(lambda: get(port, "/") == (200, "two"), 3)


def test_reloads_under_load_lose_no_request(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """Ten edits while four clients ask without a pause: every answer is of one of the versions."""
    port, file = free_port(), folder / "all.yaml"

    def version(number: int) -> str:
        server = (one, two)[number % 2]
        return documents(gateway(port), route(f"r{number}", "/", "b"), backend("b", server))

    file.write_text(version(0))
    answers: set[tuple[int, str]] = set()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.add(get(port, "/"))

    with running(folder) as process:
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        for number in range(1, 11):
            file.write_text(version(number))
            process.wait_for("reloaded")
        done.set()
        for client in clients:
            client.join()
    assert answers == {(200, "one"), (200, "two")}


def test_status_is_written_after_each_load(folder: Path, tmp_path: Path, one: NamedServer) -> None:
    """The objects with their status; a generation grows when a spec changes, and only then."""
    file, port = tmp_path / "status.yaml", free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/a", "b"), backend("b", one)))

    def objects() -> dict[str, dict[str, object]]:
        return {each["kind"]: each for each in yaml.safe_load_all(file.read_text())}

    with running(folder, "--status", file):
        eventually(file.exists, 3)
        before = objects()
        assert set(generations(before).values()) == {1}
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/b", "b"), backend("b", one)))
        eventually(lambda: generations(objects()) == {"Gateway": 1, "HTTPRoute": 2, "Backend": 1}, 3)


def generations(objects: dict[str, dict[str, object]]) -> dict[str, int]:
    """By kind: the generation of the object, which its conditions must be about."""
    found: dict[str, int] = {}
    for kind, each in objects.items():
        metadata = each["metadata"]
        assert isinstance(metadata, dict)
        found[kind] = metadata["generation"]
        assert f"'observedGeneration': {found[kind]}" in str(each["status"])
    return found


def test_a_list_that_is_none_does_not_end_the_watch(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """Whatever a file holds, the next good edit is followed."""
    port, file = free_port(), folder / "all.yaml"
    file.write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder) as process:
        (folder / "list.yaml").write_text("apiVersion: v1\nkind: List\nitems: text\n")
        process.wait_for("the last good state stays in use")
        (folder / "list.yaml").unlink()
        file.write_text(documents(gateway(port), route("r", "/", "b"), backend("b", two)))
        eventually(lambda: get(port, "/") == (200, "two"), 3)


def test_files_that_are_no_manifests_change_nothing(folder: Path, one: NamedServer) -> None:
    """The status file may stand beside the manifests without a reload after a reload."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, "--status", folder / "status.txt") as process:
        eventually((folder / "status.txt").exists, 3)
        time.sleep(1)
        log = process.stop()[1]
    assert "reloaded" not in log


def test_a_folder_without_a_gateway_is_told(folder: Path, one: NamedServer) -> None:
    """It is ready to follow what comes, but not to be sent requests, and says that nothing is served by now."""
    port, told = free_port(), free_port()
    with running(folder, "--ready", str(told)) as process:
        assert process.ready == "ready"
        process.wait_for("no listener is served")
        status, why = get(told, "/ready", "127.0.0.1")
        assert (status, json.loads(why)["reason"]) == (503, "Starting")
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
        process.wait_for("reloaded")
        assert get(port, "/") == (200, "one")
        eventually(lambda: get(told, "/ready", "127.0.0.1")[0] == 200, 5)


def test_a_head_without_an_end_is_refused(folder: Path, one: NamedServer) -> None:
    """More than 64 KiB of head is 431, and the connection is closed."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder), socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        answer = b""
        try:
            for _ in range(64):
                client.sendall(b"a" * 4096)
            answer = client.recv(1000)
        except OSError:
            pass
        assert get(port, "/") == (200, "one")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
