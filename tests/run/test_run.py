"""``gateway-filters run``: one process that serves what the manifests say and follows their changes."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from run.gateway_run import NamedServer, backend, documents, free_port, gateway, get, route, running, upstream


@pytest.fixture(scope="module")
def one() -> Iterator[NamedServer]:
    """An upstream."""
    with upstream("one") as server:
        yield server


@pytest.fixture(scope="module")
def two() -> Iterator[NamedServer]:
    """Another upstream."""
    with upstream("two") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for manifests."""
    path = tmp_path / "manifests"
    path.mkdir()
    return path


def eventually(check: Callable[[], bool], seconds: float) -> None:
    """Wait until ``check`` holds, ``seconds`` at most."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


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


def test_an_answer_under_way_is_finished(folder: Path) -> None:
    """SIGTERM lets a request that has begun have its answer."""
    port = free_port()
    with upstream("slow") as server:
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", server)))
        answers: list[tuple[int, str]] = []
        with running(folder) as process:
            client = threading.Thread(target=lambda: answers.append(get(port, "/slow")))
            client.start()
            time.sleep(0.3)
            process.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            server.release.set()
            client.join()
            assert process.ended()[0] == 0
    assert answers == [(200, "slow")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_idle(folder: Path, one: NamedServer, number: signal.Signals) -> None:
    """Either signal ends it."""
    (folder / "all.yaml").write_text(documents(gateway(free_port()), route("r", "/", "b"), backend("b", one)))
    with running(folder) as process:
        begun = time.monotonic()
        assert process.stop(number)[0] == 0
    assert time.monotonic() - begun < 5


def test_manifests_that_cannot_be_read_end_it_with_2(folder: Path) -> None:
    """One sentence, no traceback, nothing served."""
    (folder / "all.yaml").write_text(gateway(free_port()).replace("listeners", "listenerz"))
    with running(folder) as process:
        code, log = process.ended()
    assert process.ready == ""
    assert code == 2
    assert log.count("\n") == 1
    assert "spec.listenerz" in log


def test_a_port_that_is_taken_ends_it_with_2(folder: Path, one: NamedServer) -> None:
    """A socket that cannot be opened at start is named."""
    port = one.server_address[1]
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder) as process:
        code, log = process.ended()
    assert code == 2
    assert f"cannot listen at 127.0.0.1 port {port}" in log


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


def test_swapped_links_are_followed(tmp_path: Path, one: NamedServer, two: NamedServer) -> None:
    """Kubernetes mounts a folder of links to a hidden one and swaps that as a whole."""
    port, mount = free_port(), tmp_path / "mount"
    for version, server in (("..1", one), ("..2", two)):
        (mount / version).mkdir(parents=True)
        text = documents(gateway(port), route("r", "/", "b"), backend("b", server))
        (mount / version / "all.yaml").write_text(text)
    (mount / "..data").symlink_to("..1")
    (mount / "all.yaml").symlink_to("..data/all.yaml")
    with running(mount):
        assert get(port, "/") == (200, "one")
        (mount / "..data_tmp").symlink_to("..2")
        (mount / "..data_tmp").rename(mount / "..data")
        eventually(lambda: get(port, "/") == (200, "two"), 3)


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


def test_a_listener_may_come_and_go(folder: Path, one: NamedServer) -> None:
    """Sockets are opened and closed as the Gateways change."""
    first, second = free_port(), free_port()
    rest = documents("", route("r", "/", "b"), backend("b", one))
    (folder / "all.yaml").write_text(gateway(first) + rest)
    with running(folder) as process:
        (folder / "all.yaml").write_text(gateway(second) + rest)
        process.wait_for("reloaded")
        assert get(second, "/") == (200, "one")
        with pytest.raises(OSError, match="refused"):
            get(first, "/")


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

    with running(folder, "--status", file) as process:
        eventually(file.exists, 3)
        before = objects()
        assert set(generations(before).values()) == {1}
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/b", "b"), backend("b", one)))
        process.wait_for("reloaded")
        after = objects()
    assert generations(after) == {"Gateway": 1, "HTTPRoute": 2, "Backend": 1}


def generations(objects: dict[str, dict[str, object]]) -> dict[str, int]:
    """By kind: the generation of the object, which its conditions must be about."""
    found: dict[str, int] = {}
    for kind, each in objects.items():
        metadata = each["metadata"]
        assert isinstance(metadata, dict)
        found[kind] = metadata["generation"]
        assert f"'observedGeneration': {found[kind]}" in str(each["status"])
    return found


def test_secrets_may_be_mounted(folder: Path, tmp_path: Path, one: NamedServer) -> None:
    """``--secrets`` names the folder of mounted Secrets, whose rotation the next request sees."""
    port, secret = free_port(), tmp_path / "secrets" / "key" / "credential"
    secret.parent.mkdir(parents=True)
    secret.write_text("Bearer first\n")
    extension = "{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: f}"
    injecting = route("r", "/", "b") + f"    filters: [{{type: ExtensionRef, extensionRef: {extension}}}]\n"
    filter_ = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: f}
spec: {credentialInjection: {overwrite: true, credential: {valueRef: {name: key}}}}
"""
    (folder / "all.yaml").write_text(documents(gateway(port), injecting, filter_, backend("b", one)))
    with running(folder, "--secrets", tmp_path / "secrets") as process:
        assert get(port, "/") == (200, "one Bearer first")
        secret.write_text("Bearer second\n")
        assert get(port, "/") == (200, "one Bearer second")
        secret.unlink()
        assert get(port, "/")[0] == 503
        log = process.stop()[1]
    assert "Bearer" not in log


def test_an_address_may_grow_on_its_port(folder: Path, one: NamedServer) -> None:
    """From one address to all of them on the same port: the old socket makes way for the new one."""
    port = free_port()
    rest = documents("", route("r", "/", "b"), backend("b", one))
    (folder / "all.yaml").write_text(gateway(port) + rest)
    with running(folder) as process:
        (folder / "all.yaml").write_text(gateway(port) + "  addresses: [{value: 0.0.0.0}]\n" + rest)
        process.wait_for("reloaded")
        assert get(port, "/") == (200, "one")


def test_a_port_that_is_taken_later_leaves_the_rest_alone(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """A new listener that cannot have its port is told; the others go on, with what is new."""
    port, taken = free_port(), two.server_address[1]
    rest = documents("", route("r", "/", "b"), backend("b", one))
    (folder / "all.yaml").write_text(gateway(port) + rest)
    with running(folder) as process:
        both = gateway(port).replace("}]", f"}}, {{name: more, protocol: HTTP, port: {taken}}}]")
        (folder / "all.yaml").write_text(both + documents("", route("r", "/new", "b"), backend("b", one)))
        process.wait_for(f"cannot listen at 127.0.0.1 port {taken}")
        eventually(lambda: get(port, "/new") == (200, "one"), 3)


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
