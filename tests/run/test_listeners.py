"""Listeners of ``gateway-filters run``: they come and go, and wait for a port that somebody else has."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
import yaml

from run.clients import Clients
from run.gateway_run import (
    NamedServer,
    backend,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    refused,
    route,
    running,
    upstream,
)
from tls_manifests import secret


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


def listeners(*ports: int) -> str:
    """A Gateway with a listener on each port."""
    written = ", ".join(f"{{name: on-{port}, protocol: HTTP, port: {port}}}" for port in ports)
    return gateway(0).replace("[{name: http, protocol: HTTP, port: 0}]", f"[{written}]")


def test_requests_of_one_listener_do_not_see_others_come_and_go(folder: Path, one: NamedServer) -> None:
    """Ten times a port is opened and closed beside another one that is asked without a pause."""
    port, second = free_port(), free_port()
    rest = documents("", route("r", "/", "b"), backend("b", one))
    (folder / "all.yaml").write_text(listeners(port) + rest)
    with running(folder) as process, Clients(port) as clients:
        for _ in range(5):
            (folder / "all.yaml").write_text(listeners(port, second) + rest)
            eventually(lambda: not refused(second), 5)
            assert get(second, "/") == (200, "one")
            (folder / "all.yaml").write_text(listeners(port) + rest)
            eventually(lambda: refused(second), 5)
        clients.all_see((200, "one"), 5)
        assert process.process.poll() is None
    assert clients.answers == {(200, "one")}


def test_a_listener_that_goes_lets_its_requests_end(folder: Path) -> None:
    """It takes no more connections, and the answer that is under way comes."""
    port, second = free_port(), free_port()
    with upstream("slow") as server:
        rest = documents("", route("r", "/", "b"), backend("b", server))
        (folder / "all.yaml").write_text(listeners(port, second) + rest)
        answers: list[tuple[int, str]] = []
        with running(folder):
            client = threading.Thread(target=lambda: answers.append(get(second, "/slow")))
            client.start()
            assert server.waiting.wait(50)
            (folder / "all.yaml").write_text(listeners(port) + rest)
            eventually(lambda: refused(second), 5)
            server.release.set()
            client.join()
    assert answers == [(200, "slow")]


def test_a_listener_may_speak_tls_from_now_on(folder: Path, one: NamedServer) -> None:
    """The port is the same, and so is the route."""
    port, authority = free_port(), trustme.CA()
    rest = documents("", route("r", "/", "b"), backend("b", one), secret("cert", authority.issue_cert("any.test")))
    (folder / "all.yaml").write_text(gateway(port) + rest)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]

    def secured() -> str | None:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 5) as raw,
                context.wrap_socket(raw, server_hostname="any.test") as connection,
            ):
                return connection.version()
        except OSError:
            return None

    with running(folder) as process:
        assert get(port, "/") == (200, "one")
        tls = "protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}"
        (folder / "all.yaml").write_text(gateway(port).replace("protocol: HTTP", tls) + rest)
        eventually(lambda: secured() == "TLSv1.3", 5)
        (folder / "all.yaml").write_text(gateway(port) + rest)
        eventually(lambda: secured() is None, 5)
        assert get(port, "/") == (200, "one")
        assert "Traceback" not in process.stop()[1]


def test_the_line_names_every_socket(folder: Path, one: NamedServer) -> None:
    """Each address of each Gateway, those of version 6 in brackets."""
    first, second = sorted((free_port(), free_port()))
    addresses = "  addresses: [{value: 127.0.0.2}, {value: '::1'}]\n"
    both = documents(gateway(first), gateway(second, "h") + addresses, route("r", "/", "b"), backend("b", one))
    (folder / "all.yaml").write_text(both)
    with running(folder) as process:
        assert process.ready.split() == [
            "ready",
            f"http://127.0.0.1:{first}",
            f"http://127.0.0.2:{second}",
            f"http://[::1]:{second}",
        ]
