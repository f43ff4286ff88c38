"""Keys that are rotated under ``gateway-filters run`` are live within a second, and no request fails for it."""

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from canary import KEY
from gateway_filters.message.secret import Secret
from run.clients import Clients
from run.gateway_run import NamedServer, backend, documents, eventually, free_port, gateway, get, route, running

# What is promised is a second; what is waited for is what a slow machine takes.
SOON = 5
FILTER = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: f}
spec: {credentialInjection: {overwrite: true, credential: {valueRef: {name: key}}}}
"""
EXTENSION = "{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: f}"


def manifests(port: int, server: NamedServer) -> str:
    """A route that injects a key."""
    injecting = route("r", "/", "b") + f"    filters: [{{type: ExtensionRef, extensionRef: {EXTENSION}}}]\n"
    return documents(gateway(port), injecting, FILTER, backend("b", server))


def swap(mount: Path, name: str, text: str) -> None:
    """Kubernetes mounts a folder of links to a hidden one and swaps that as a whole."""
    version = mount / f"..{time.monotonic_ns()}"
    version.mkdir(parents=True)
    (version / name).write_text(text)
    (mount / "..data_tmp").symlink_to(version.name)
    (mount / "..data_tmp").rename(mount / "..data")
    if not (mount / name).is_symlink():
        (mount / name).symlink_to(f"..data/{name}")


def secret(value: str) -> str:
    """A Secret manifest."""
    text = base64.b64encode(value.encode()).decode()
    return f"\napiVersion: v1\nkind: Secret\nmetadata: {{name: key}}\ndata: {{credential: {text}}}\n"


def mounted_secret(top: Path, value: str) -> tuple[str | Path, ...]:
    """A folder of mounted Secrets, swapped as a whole."""
    swap(top / "secrets" / "key", "credential", f"{value}\n")
    return ("--secrets", top / "secrets")


def secret_in_place(top: Path, value: str) -> tuple[str | Path, ...]:
    """A mounted Secret whose file is written in place."""
    file = top / "secrets" / "key" / "credential"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{value}\n")
    return ("--secrets", top / "secrets")


def secret_manifest(top: Path, value: str) -> tuple[str | Path, ...]:
    """A manifest beside the others."""
    (top / "manifests" / "secret.yaml").write_text(secret(value))
    return ()


def mounted_manifest(top: Path, value: str) -> tuple[str | Path, ...]:
    """A manifest that is mounted itself."""
    swap(top / "mount", "secret.yaml", secret(value))
    return (top / "mount",)


@pytest.mark.parametrize("rotate", [mounted_secret, secret_in_place, secret_manifest, mounted_manifest])
def test_a_key_that_is_rotated_is_soon_the_one_that_is_sent(
    folder: Path, one: NamedServer, rotate: Callable[[Path, str], tuple[str | Path, ...]]
) -> None:
    """Every request meanwhile has the old key or the new one, and no key is ever logged."""
    port, top = free_port(), folder.parent
    (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder, *rotate(top, "Bearer key-1")) as process:
        with Clients(port) as clients:
            for number in (1, 2, 3):
                clients.all_see((200, f"one Bearer key-{number}"), SOON)
                rotate(top, f"Bearer key-{number + 1}")
            clients.all_see((200, "one Bearer key-4"), SOON)
        code, log = process.stop()
    assert clients.answers == {(200, f"one Bearer key-{number}") for number in (1, 2, 3, 4)}
    assert code == 0
    assert "key-" not in log


def test_a_key_that_is_taken_away_is_not_sent(folder: Path, one: NamedServer) -> None:
    """A mounted Secret that is gone is revoked: 503, and nothing is sent."""
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder, *secret_in_place(folder.parent, "Bearer key-1")):
        eventually(lambda: get(port, "/") == (200, "one Bearer key-1"), SOON)
        (folder.parent / "secrets" / "key" / "credential").unlink()
        eventually(lambda: get(port, "/")[0] == 503, SOON)


def test_the_status_follows_a_key(folder: Path, one: NamedServer) -> None:
    """It says which key is in use and what is wrong, without a request or a change of manifests, and shows none."""
    port, status = free_port(), folder.parent / "status.yaml"
    (folder / "all.yaml").write_text(manifests(port, one))
    keys = ("Bearer key-1-of-this-test", " changeme-changeme")
    with running(folder, *secret_in_place(folder.parent, keys[0]), "--status", status) as process:
        eventually(status.exists, SOON)
        eventually(lambda: credentials(status) == ("True", "Ready", Secret(keys[0]).fingerprint), SOON)
        secret_in_place(folder.parent, keys[1])
        eventually(lambda: credentials(status) == ("True", "SecretDoubtful", Secret(keys[1]).fingerprint), SOON)
        (folder.parent / "secrets" / "key" / "credential").unlink()
        eventually(lambda: credentials(status) == ("False", "SecretUnavailable", ""), SOON)
        told = process.stop()[1] + status.read_text()
    assert not any(key[at : at + 8] in told for key in keys for at in range(len(key) - 7))


def credentials(status: Path) -> tuple[str, str, str]:
    """What the status says of the route's credentials: whether there are any, the reason, and the fingerprint."""
    route = next(each for each in yaml.safe_load_all(status.read_text()) if each["kind"] == "HTTPRoute")
    condition = route["status"]["parents"][0]["conditions"][-1]
    assert condition["type"] == "gateway-filters/CredentialsReady"
    found = re.search(r"fingerprint ([0-9a-f]{8})", condition["message"])
    return condition["status"], condition["reason"], found[1] if found else ""


def test_a_secret_manifest_that_is_taken_away_is_not_sent(folder: Path, one: NamedServer) -> None:
    """Nor is one that was among the manifests."""
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder, *secret_manifest(folder.parent, "Bearer key-1")):
        assert get(port, "/") == (200, "one Bearer key-1")
        (folder / "secret.yaml").unlink()
        eventually(lambda: get(port, "/")[0] == 503, SOON)


def test_a_key_that_comes_back_is_told_nobody(folder: Path, one: NamedServer) -> None:
    """The upstream echoes it: the answer is withheld; at its process's end all that was logged is searched."""
    port = free_port()
    (folder / "all.yaml").write_text(manifests(port, one))
    with running(folder, *secret_in_place(folder.parent, f"Bearer {KEY}")) as process:
        eventually(lambda: get(port, "/")[0] == 502, SOON)
        _, log = process.stop()
    assert "carries the injected credential" in log
