"""Whether ``run`` is ready, on a port of its own: what it waits for at the start, and what it only tells later."""

import http.client
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from run.gateway_run import (
    PATIENCE,
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
)

# It looks once a second; no machine is so slow.
SOON = 10.0


def injecting(name: str, backend: str = "b") -> str:
    """A route at ``/name`` that injects the Secret ``name``."""
    rule = f"""
  - matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]
    filters:
    - {{type: ExtensionRef, extensionRef: {{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: {name}}}}}
    backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: {backend}}}]
"""
    head, spec = route(name, "/", backend).split("  rules:", 1)[0], "  rules:"
    return documents(
        f"{head}{spec}{rule}",
        f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: {name}}}
spec: {{credentialInjection: {{overwrite: true, credential: {{valueRef: {{name: {name}}}}}}}}}
""",
    )


def ready(port: int, path: str = "/ready", method: str = "GET") -> tuple[int, Any]:
    """Status and what is told; 0 where nobody answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        try:
            connection.request(method, path)
        except OSError:
            return 0, None
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body else None


def troubles(port: int) -> set[tuple[str, str | None]]:
    """The reason of each trouble that is told, and the object's name."""
    return {(each["reason"], each["name"]) for each in ready(port)[1]["degraded"]}


def absent(file: Path) -> None:
    """No such file, and no folder either."""
    file.parent.rmdir()


def a_folder(file: Path) -> None:
    """Where the file should be."""
    file.mkdir()


def a_fifo(file: Path) -> None:
    """Whoever reads it waits for whoever writes."""
    os.mkfifo(file)


def unreadable(file: Path) -> None:
    """For anybody, root too."""
    file.symlink_to(file.name)


def empty(file: Path) -> None:
    """A line end alone."""
    file.write_text("\n")


def unsendable(file: Path) -> None:
    """A byte order mark in front."""
    file.write_text("\ufeffBearer key")


def without_its_key(file: Path) -> None:
    """A Secret of another shape."""
    file.with_name("token").write_text("Bearer key")


DEFECTS = (absent, a_folder, a_fifo, unreadable, empty, unsendable, without_its_key)


def mend(file: Path) -> None:
    """Put a key where there should be one, too short for an answer with it to be withheld."""
    file.parent.mkdir(exist_ok=True)
    if file.is_dir():
        file.rmdir()
    aside = file.with_name("aside")
    aside.write_text(f"Bearer {file.parent.name[:5]}")
    aside.rename(file)


def test_what_starts_without_its_secrets_is_not_ready(folder: Path, one: NamedServer) -> None:
    """Each route that lacks its credential is named and answers 503, others are served; the last one makes it ready."""
    port, told, names = free_port(), free_port(), [each.__name__.replace("_", "-") for each in DEFECTS]
    files = [folder.parent / "secrets" / name / "credential" for name in names]
    for file, spoil in zip(files, DEFECTS, strict=True):
        file.parent.mkdir(parents=True)
        spoil(file)
    routes = (*map(injecting, names), route("plain", "/plain", "b"))
    (folder / "all.yaml").write_text(documents(gateway(port), *routes, backend("b", one)))
    with running(folder, "--secrets", folder.parent / "secrets", "--ready", str(told)) as process:
        assert {get(port, f"/{name}")[0] for name in names} == {503}
        assert get(port, "/plain") == (200, "one")
        left = {("SecretUnavailable", f"default/{name}") for name in names}
        eventually(lambda: troubles(told) == left, SOON)
        assert (ready(told)[0], ready(told)[1]["reason"]) == (503, "Incomplete")
        for file in files[:-1]:
            mend(file)
        left = {("SecretUnavailable", f"default/{names[-1]}")}
        eventually(lambda: troubles(told) == left, SOON)
        assert ready(told)[0] == 503
        mend(files[-1])
        eventually(lambda: ready(told)[0] == 200, SOON)
        assert troubles(told) == set()
        assert {get(port, f"/{name}") for name in names} == {(200, f"one Bearer {name[:5]}") for name in names}
        assert ready(told, method="HEAD") == (200, None)
        assert get(port, "/ready")[0] == 404
        assert process.stop()[0] == 0


def test_later_troubles_are_told_and_take_nothing_out(folder: Path, one: NamedServer) -> None:
    """A key that nobody confirms, one that is gone, broken manifests, a port that is taken: each until it ends."""
    port, told, taken = free_port(), free_port(), free_port()
    files = {name: folder.parent / "secrets" / name / "credential" for name in ("stale", "gone")}
    for file in files.values():
        file.parent.mkdir(parents=True)
        mend(file)
    good = documents(gateway(port), *map(injecting, files), route("plain", "/plain", "b"), backend("b", one))
    (folder / "all.yaml").write_text(good)
    with running(folder, "--secrets", folder.parent / "secrets", "--ready", str(told)):
        eventually(lambda: ready(told)[0] == 200, SOON)
        with socket.create_server(("127.0.0.1", taken)):
            (folder / "more.yaml").write_text(gateway(taken, "more"))
            eventually(lambda: troubles(told) == {("PortUnavailable", f"127.0.0.1:{taken}")}, SOON)
            files["stale"].write_bytes(b"\xffnothing that a header can carry")
            files["gone"].unlink()
            (folder / "all.yaml").write_text(good.replace("parentRefs", "parents"))
            all_told = {
                ("PortUnavailable", f"127.0.0.1:{taken}"),
                ("SecretStale", "default/stale"),
                ("SecretUnavailable", "default/gone"),
                ("ReloadFailed", None),
            }
            eventually(lambda: troubles(told) == all_told, SOON)
            assert ready(told)[0] == 200
            assert get(port, "/stale") == (200, "one Bearer stale")
            assert get(port, "/gone")[0] == 503
            assert get(port, "/plain") == (200, "one")
        for file in files.values():
            mend(file)
        (folder / "all.yaml").write_text(good)
        eventually(lambda: troubles(told) == set(), SOON)
        assert get(port, "/gone") == (200, "one Bearer gone")
        assert not refused(taken)


def test_whoever_watches_and_crashes_is_told_and_begins_again(
    folder: Path, one: NamedServer, two: NamedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a second at most; meanwhile changes of manifests and keys are followed, and later all goes well again."""
    port, told, taken, crashing = free_port(), free_port(), free_port(), folder.parent / "crashing"
    key = folder.parent / "secrets" / "key" / "credential"
    key.parent.mkdir(parents=True)
    mend(key)
    monkeypatch.setenv("CRASHING", str(crashing))

    def written(server: NamedServer) -> None:
        (folder / "all.yaml").write_text(documents(gateway(port), injecting("key"), backend("b", server)))

    written(one)
    arguments = (folder, "--secrets", folder.parent / "secrets", "--ready", str(told))
    with running(*arguments, script="crashing.py") as process:
        eventually(lambda: ready(told)[0] == 200, SOON)
        begun = time.monotonic()
        with socket.create_server(("127.0.0.1", taken)):
            (folder / "more.yaml").write_text(gateway(taken, "more"))
            eventually(lambda: troubles(told) == {("PortUnavailable", f"127.0.0.1:{taken}")}, SOON)
            crashing.touch()
            process.wait_for("something beside the requests failed; it begins again")
        all_told = {("FilesUnwatched", None), ("LookFailed", None), ("PortUnavailable", f"127.0.0.1:{taken}")}
        eventually(lambda: troubles(told) == all_told, SOON)
        written(two)
        eventually(lambda: get(port, "/key") == (200, "two Bearer key"), SOON)
        key.write_text("Bearer other")
        eventually(lambda: get(port, "/key") == (200, "two Bearer other"), SOON)
        assert ready(told)[0] == 200
        crashing.unlink()
        eventually(lambda: troubles(told) == set(), SOON)
        assert get(taken, "/")[0] == 404
        passed = time.monotonic() - begun
        code, log = process.stop()
    assert code == 0
    assert 0 < log.count("watching files failed; it begins again") <= passed + 1
    assert log.count("looking at credentials failed; it begins again") == 1


WITHOUT: dict[str, Callable[[int], bool]] = {
    "ready": lambda told: ready(told)[0] == 200,
    "refuse": lambda told: ready(told)[0] == 0,
}


@pytest.mark.parametrize("policy", WITHOUT)
def test_what_a_missing_secret_means_is_said(folder: Path, one: NamedServer, policy: str) -> None:
    """``--missing-secrets``: ready all the same, or no start at all, with a sentence that names route and Secret."""
    told = free_port()
    (folder / "all.yaml").write_text(documents(gateway(free_port()), injecting("key"), backend("b", one)))
    with running(folder, "--ready", str(told), "--missing-secrets", policy) as process:
        eventually(lambda: WITHOUT[policy](told), SOON)
        if policy == "refuse":
            code, log = process.ended()
            assert (process.ready, code) == ("", 2)
            sentence = "HTTPRoute default/key has no credential: Secret default/key does not exist\n"
            assert log.endswith(sentence)
        else:
            assert troubles(told) == {("SecretUnavailable", "default/key")}
