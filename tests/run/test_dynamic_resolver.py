"""Backends of type DynamicResolver under ``gateway-filters run``: the hosts of a list are reached, and no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from run.gateway_run import NamedServer, documents, free_port, gateway, get, route, running

ANYWHERE = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: anywhere}
spec: {type: DynamicResolver}
"""
FROM_PATH = r"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: from-path}
spec: {urlRewrite: {hostname: {type: PathRegex, pathRegex: {pattern: "^/to/([^/]+)/.*$", substitution: '\1'}}}}
"""
FILTERS = "    filters: [{type: ExtensionRef, extensionRef: %s}]\n"
FILTER = "{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: from-path}"


def manifests(port: int) -> str:
    """A route by Host, and one whose Host is in the path."""
    named = route("path", "/to", "anywhere") + FILTERS % FILTER
    return documents(gateway(port), route("host", "/", "anywhere"), named, ANYWHERE, FROM_PATH)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a gateway is served that may reach one host."""
    folder, port = tmp_path_factory.mktemp("dynamic"), free_port()
    (folder / "all.yaml").write_text(manifests(port))
    with running(folder, "--allow-host", "localhost"):
        yield port


def test_the_host_of_the_list_is_reached_at_each_of_its_ports(port: int, one: NamedServer, two: NamedServer) -> None:
    """The request's Host decides, after whatever rewrites it."""
    for server in (one, two):
        assert get(port, "/", host=f"localhost:{server.server_address[1]}") == (200, server.name)
        assert get(port, f"/to/localhost:{server.server_address[1]}/x") == (200, server.name)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost.", "other.test", "localhost.evil.test"])
def test_no_other_host_is_reached(port: int, one: NamedServer, host: str) -> None:
    """Not even another name of the same machine, named by the Host or in the path."""
    assert get(port, "/", host=f"{host}:{one.server_address[1]}")[0] == 400
    assert get(port, f"/to/{host}:{one.server_address[1]}/x")[0] == 400


def test_without_a_list_nothing_is_reached(folder: Path, one: NamedServer) -> None:
    """The backend is refused when it is loaded, and its routes answer 500."""
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port))
    with running(folder) as process:
        assert get(port, "/", host=f"localhost:{one.server_address[1]}")[0] == 500
        log = process.stop()[1]
    assert "Backend default/anywhere is a DynamicResolver, and no host is allowed for one" in log
