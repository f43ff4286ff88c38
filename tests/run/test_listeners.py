"""Listeners of ``gateway-filters run``: they come and go, and wait for a port that somebody else has."""

import socket
from pathlib import Path

import pytest
import yaml

from run.gateway_run import NamedServer, backend, documents, eventually, free_port, gateway, get, route, running


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


def test_a_port_that_is_free_again_is_taken(folder: Path, tmp_path: Path, one: NamedServer) -> None:
    """Until then the listener says so in its status, under the line where it stands, and the others serve."""
    port, status = free_port(), tmp_path / "status.yaml"
    rest = documents("", route("r", "/", "b"), backend("b", one))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        why = f"cannot listen at 127.0.0.1 port {taken}: Address already in use"

        def conditions() -> dict[str, tuple[str, str, str]]:
            objects = {each["kind"]: each for each in yaml.safe_load_all(status.read_text())}
            _, second = objects["Gateway"]["status"]["listeners"]
            return {each["type"]: (each["status"], each["reason"], each["message"]) for each in second["conditions"]}

        (folder / "all.yaml").write_text(gateway(port) + rest)
        with running(folder, "--status", status) as process:
            both = gateway(port).replace("}]", f"}}, {{name: more, protocol: HTTP, port: {taken}}}]")
            (folder / "all.yaml").write_text(both + rest)
            process.wait_for(f"Gateway g, spec.listeners[1]: {why}")
            assert get(port, "/") == (200, "one")
            eventually(lambda: len(yaml.safe_load(status.read_text().split("---")[1])["status"]["listeners"]) == 2, 5)
            eventually(lambda: conditions()["Accepted"] == ("False", "PortUnavailable", why), 5)
            assert conditions()["Programmed"][0] == "False"
            other.close()
            eventually(lambda: conditions()["Programmed"][0] == "True", 10)
            assert get(taken, "/") == (200, "one")
            assert get(port, "/") == (200, "one")
            log = process.stop()[1]
    assert log.count(why) == 1
