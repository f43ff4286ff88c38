"""``gateway-filters run`` without file descriptors: what it cannot open costs nobody what he has (F50)."""

import contextlib
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from run.gateway_run import NamedServer, RunningGateway, eventually, free_port, running
from run.test_rotation import manifests, mounted_secret, secret_manifest

MOST = 48
FEW = ("prlimit", f"--nofile={MOST}:{MOST}")


@contextmanager
def crowd(process: RunningGateway, port: int) -> Generator[None]:
    """More clients than the process may have sockets; those that come in hold all that is left."""
    descriptors = Path(f"/proc/{process.process.pid}/fd")
    with contextlib.ExitStack() as there:
        for _ in range(100):
            there.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        eventually(lambda: len(list(descriptors.iterdir())) == MOST, 10)
        yield


@contextmanager
def inside(port: int) -> Generator[Callable[[str], tuple[int, str]]]:
    """A client that was there before; gives how it asks."""
    client = HTTPConnection("127.0.0.1", port, timeout=10)
    client.connect()

    def asks(path: str = "/") -> tuple[int, str]:
        client.request("GET", path, headers={"Host": "gateway"})
        answer = client.getresponse()
        return answer.status, answer.read().decode()

    try:
        yield asks
    finally:
        client.close()


@pytest.mark.parametrize("rotate", [mounted_secret, secret_manifest])
def test_a_secret_that_cannot_be_opened_keeps_its_last_good_value(
    folder: Path, one: NamedServer, rotate: Callable[[Path, str], tuple[str | Path, ...]]
) -> None:
    """Too many open files says nothing about a secret, so nothing is revoked; the new one counts once it is read."""
    port, top = free_port(), folder.parent
    (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder, *rotate(top, "Bearer key-1"), before=FEW) as process, inside(port) as asks:
        assert asks("/") == (200, "one Bearer key-1")
        with crowd(process, port):
            rotate(top, "Bearer key-2")
            for _ in range(6):
                assert asks("/") in {(200, "one Bearer key-1"), (200, "one Bearer key-2")}
                time.sleep(0.1)
        eventually(lambda: asks("/") == (200, "one Bearer key-2"), 20)
        assert process.stop()[0] == 0


def test_a_change_that_cannot_be_read_comes_later(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """The last good state is served meanwhile, and no file is taken for a deleted one."""
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port, one).replace("    filters:", "    # filters:"))
    with running(folder, before=FEW) as process, inside(port) as asks:
        assert asks("/") == (200, "one")
        with crowd(process, port):
            (folder / "more.yaml").write_text("")
            (folder / "all.yaml").write_text(manifests(port, two).replace("    filters:", "    # filters:"))
            for _ in range(6):
                assert asks("/")[0] in {200, 503}
                time.sleep(0.1)
        eventually(lambda: asks("/") == (200, "two"), 20)
        assert process.stop()[0] == 0


def test_an_upstream_that_cannot_be_connected_to_is_503_until_it_can(folder: Path, one: NamedServer) -> None:
    """No slot is lost, nobody else's connection is, and nobody waits."""
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port, one).replace("    filters:", "    # filters:"))
    with running(folder, before=FEW) as process, inside(port) as asks:
        with crowd(process, port):
            begun = time.monotonic()
            assert asks("/")[0] == 503
            assert time.monotonic() - begun < 4
        eventually(lambda: asks("/") == (200, "one"), 10)
        assert process.stop()[0] == 0
