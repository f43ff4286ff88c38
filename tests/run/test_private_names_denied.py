"""``gateway-filters run --deny-private``: names that lead to this machine are 503, addresses are reached."""

from pathlib import Path

from run.gateway_run import NamedServer, backend, documents, free_port, gateway, get, route, running

ANYWHERE = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: anywhere}
spec: {type: DynamicResolver}
"""


def test_names_are_denied_and_addresses_are_not(folder: Path, one: NamedServer) -> None:
    """A Backend's ``fqdn``, and a host of the list; the log says once for each where it leads."""
    port, here = free_port(), one.server_address[1]
    named = backend("named", one).replace("{ip: {address: 127.0.0.1,", "{fqdn: {hostname: localhost,")
    routes = (route("a", "/name", "named"), route("b", "/address", "b"), route("c", "/", "anywhere"))
    (folder / "all.yaml").write_text(documents(gateway(port), *routes, named, backend("b", one), ANYWHERE))
    with running(folder, "--deny-private", "--allow-host", "localhost") as process:
        assert get(port, "/address") == (200, "one")
        assert [get(port, "/name")[0] for _ in range(3)] == [503] * 3
        assert get(port, "/", host=f"localhost:{here}")[0] == 503
        log = process.stop()[1]
    assert log.count(f"http://localhost:{here} leads to ") == 2
