"""``gateway-filters run`` beyond this machine: with a credential and nobody at the door it does not open."""

from pathlib import Path

from run.gateway_run import NamedServer, backend, documents, eventually, free_port, gateway, get, route, running

EXTENSION = "{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: f}"
INJECTING = route("r", "/", "b").replace(
    "    backendRefs", f"    filters: [{{type: ExtensionRef, extensionRef: {EXTENSION}}}]\n    backendRefs"
)
FILTER = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: f}
spec: {credentialInjection: {overwrite: true, credential: {valueRef: {name: key}}}}
"""
KEY = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {credential: Bearer sk-key}\n"
DOOR = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: door}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}]
  authorization: {rules: [{action: Allow, principal: {clientCIDRs: [127.0.0.0/8]}}]}
"""
SENTENCE = "HTTPRoute r, spec.rules[0]: it injects a credential for whoever reaches listener default/g/http at 0.0.0.0:"
EVERYWHERE = "0.0.0.0"


def test_it_does_not_begin(folder: Path, one: NamedServer) -> None:
    """One sentence, exit code 2, and no socket."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), INJECTING, FILTER, KEY, backend("b", one)))
    with running(folder, "--host", EVERYWHERE) as process:
        assert process.ready == ""
        code, log = process.ended()
    assert code == 2
    assert log.count(SENTENCE) == 1
    assert log.endswith("nothing authenticates them; --allow-unauthenticated serves it all the same\n")


def test_it_begins_with_a_warning_when_it_is_meant(folder: Path, one: NamedServer) -> None:
    """Everything is served, and the log says what that means."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), INJECTING, FILTER, KEY, backend("b", one)))
    with running(folder, "--host", EVERYWHERE, "--allow-unauthenticated") as process:
        assert get(port, "/") == (200, "one Bearer sk-key")
        log = process.stop()[1]
    (line,) = (each for each in log.splitlines() if SENTENCE in each)
    assert line.startswith("WARNING ")


def test_a_change_that_would_open_it_changes_nothing(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """Taking the policy away is refused, told once, and what is served stays behind it; the next good edit counts."""
    port, door = free_port(), folder / "door.yaml"
    (folder / "all.yaml").write_text(documents(gateway(port), INJECTING, FILTER, KEY, backend("b", one)))
    door.write_text(DOOR)
    with running(folder, "--host", EVERYWHERE) as process:
        assert get(port, "/") == (200, "one Bearer sk-key")
        door.write_text(DOOR.replace("127.0.0.0/8", "10.0.0.0/8"))
        process.wait_for("reloaded")
        assert get(port, "/")[0] == 403
        door.unlink()
        process.wait_for("serves it all the same; the last good state stays in use")
        assert get(port, "/")[0] == 403
        door.write_text(DOOR)
        (folder / "all.yaml").write_text(documents(gateway(port), INJECTING, FILTER, KEY, backend("b", two)))
        eventually(lambda: get(port, "/") == (200, "two Bearer sk-key"), 3)
        log = process.stop()[1]
    assert log.count(SENTENCE) == 1
