"""``check``: a row for each object, problems with their place, three exit codes, never a secret."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.cases import ENCODED, KEY, ONE, backend, command, gateway, manifests, route
from gateway_api.manifests import ALL, ROUTE, SECRET, changed
from gateway_filters.message.secret import Secret

DYNAMIC = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: anywhere}
spec: {type: DynamicResolver}
"""

POLICY = """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: "", kind: Service, name: s}]
  validation: {hostname: s.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]}
"""

OTHERS_CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: any}
spec: {controllerName: example.com/another}
"""


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "all.yaml"


def rows(out: str) -> dict[str, list[str]]:
    """The cells of a table below its head, by the object's kind and name."""
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["KIND", "NAME", "ACCEPTED", "RESOLVED", "PROGRAMMED", "ATTACHED", "REASON"]
    return {f"{cells[0]} {cells[1]}": cells[2:] for cells in lines[1:]}


def test_every_object_has_a_row_in_aligned_columns(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The seed's manifests with their Secret: all is accepted, nothing is on stderr, the exit code is 0."""
    file.write_text(ALL)
    done = command(capsys, "check", file)
    assert (done.code, done.err) == (0, "")
    assert rows(done.out) == {
        "Gateway default/bailian-gateway": ["True", "True", "True", "http-bailian:1", "-"],
        "HTTPRouteFilter default/credential-injection": ["-", "-", "-", "-", "-"],
        "HTTPRoute default/bailian-route": ["True", "True", "-", "bailian-gateway", "-"],
        "Backend default/bailian": ["True", "-", "-", "-", "-"],
        "BackendTLSPolicy default/enable-backend-tls": ["True", "True", "-", "bailian-gateway", "-"],
        "Secret default/bailian-credential": ["-", "-", "-", "-", "-"],
    }
    lines = done.out.splitlines()
    column = lines[0].index("ACCEPTED")
    assert all(line[column - 1] == " " and line[column] in "AT-" for line in lines)


ROWS = [
    pytest.param(
        changed("            name: credential-injection", "            name: another"),
        "HTTPRoute default/bailian-route",
        ["True", "False", "-", "bailian-gateway", "BackendNotFound"],
        "HTTPRouteFilter another does not exist",
        id="a filter that does not exist is not resolved",
    ),
    pytest.param(
        changed("    - name: bailian-gateway", "    - name: bailian-gateway\n      sectionName: none"),
        "HTTPRoute default/bailian-route",
        ["False", "True", "-", "-", "NoMatchingParent"],
        "Gateway bailian-gateway has no listener none",
        id="a route without its listener is not accepted and attached nowhere",
    ),
    pytest.param(
        manifests(
            gateway("gw", "name: a, protocol: HTTP, port: 80", "name: b, protocol: TCP, port: 81"),
            route("r", ONE),
            backend("one"),
        ),
        "Gateway default/gw",
        ["2/3", "True", "2/3", "a:1,b:0", "UnsupportedProtocol,Invalid"],
        "protocol TCP is not supported",
        id="one bad listener among two is counted",
    ),
    pytest.param(
        manifests(gateway("gw", "name: a, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: gone}]}")),
        "Gateway default/gw",
        ["1/2", "False", "False", "a:0", "ListenersNotValid,Invalid,ListenersNotResolved,InvalidCertificateRef"],
        "spec.listeners[0]: Secret default/gone does not exist",
        id="why a listener is not valid is told once",
    ),
    pytest.param(
        manifests(
            gateway("gw", "name: a, protocol: HTTP, port: 80"),
            gateway("later", "name: b, protocol: HTTP, port: 80"),
        ),
        "Gateway default/later",
        ["1/2", "True", "False", "b:0", "ListenersNotValid,Invalid,HostnameConflict"],
        "spec.listeners[0]: listener default/gw/a has the port and the host name already",
        id="what two listeners cannot share is named, once",
    ),
    pytest.param(
        manifests(gateway(), POLICY, "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}"),
        "BackendTLSPolicy default/p",
        ["-", "-", "-", "-", "-"],
        "ConfigMap default/gone does not exist",
        id="why no authority can be used is told once",
    ),
    pytest.param(
        manifests(gateway(), route("r", "backendRefs: [{kind: Backend, name: one, port: 80}]"), backend("one")),
        "HTTPRoute default/r",
        ["True", "False", "-", "gw", "InvalidKind"],
        "a backend cannot be a Backend of group ''",
        id="a backendRef without its group is told which one it has",
    ),
    pytest.param(
        DYNAMIC,
        "Backend default/anywhere",
        ["False", "-", "-", "-", "Invalid"],
        "Backend default/anywhere: Accepted: a DynamicResolver needs hosts",
        id="an object that only its status speaks against is told as well",
    ),
    pytest.param(
        manifests(OTHERS_CLASS, gateway(), route("r", ONE), backend("one")),
        "HTTPRoute default/r",
        ["-", "-", "-", "-", "-"],
        "none of its parents is a Gateway or ListenerSet that is served here",
        id="a route of a Gateway that is not ours has no status",
    ),
    pytest.param(
        manifests(
            gateway(),
            route("r", ONE, "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Host]}}]"),
            backend("one"),
        ),
        "HTTPRoute default/r",
        ["True", "True", "-", "gw", "UnsupportedValue"],
        "header 'Host' cannot be modified",
        id="one rule of two that is dropped is a reason",
    ),
]
"""Manifests, the object of interest, the cells of its row, and a sentence on stderr."""


@pytest.mark.parametrize(("text", "name", "cells", "sentence"), ROWS)
def test_what_is_not_accepted_is_in_its_row_and_on_stderr(
    text: str, name: str, cells: list[str], sentence: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, the row has the reason, and a sentence has the place."""
    file.write_text(text)
    done = command(capsys, "check", file)
    assert done.code == 1
    assert rows(done.out)[name] == cells
    told = [line for line in done.err.splitlines() if sentence in line]
    assert len(told) == 1
    assert told[0].startswith(f"{file}:")
    assert [part.isdigit() for part in told[0].removeprefix(f"{file}:").split(":")[:2]] == [True, True]


def test_a_service_without_endpoints_is_told_and_no_fault(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is resolved (Gateway API, HTTPBackendRef) and there may be endpoints in a moment, so the exit code is 0."""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}"
    file.write_text(manifests(gateway(), route("r", "backendRefs: [{name: s, port: 80}]"), service))
    done = command(capsys, "check", file)
    assert done.code == 0
    assert "Service default/s:80 has no ready endpoint: it answers 503 until there is one" in done.err


@pytest.mark.parametrize("words", [["check"], ["routes"], ["explain", "GET", "http://localhost/"]], ids=lambda w: w[0])
def test_a_folder_without_manifests_ends_with_2(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that is mistyped is not a state in which all is well."""
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "deployment.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n")
    done = command(capsys, words[0], tmp_path, *words[1:])
    assert (done.code, done.out) == (2, "")
    assert done.err == f"{tmp_path}: there is no manifest of a kind that is read here\n"


def test_a_dynamic_resolver_is_accepted_with_hosts(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As ``run`` would take it."""
    file.write_text(DYNAMIC)
    assert command(capsys, "check", file, "--allow-host", "*.example.com").code == 0


UNREADABLE = [
    pytest.param("a: [", "not YAML", id="a file that is no YAML"),
    pytest.param(
        changed("  rules:", "  rulez:"), "spec.rulez: the field is not known", id="a file that breaks its schema"
    ),
    pytest.param(None, "cannot be read", id="a file that does not exist"),
]


@pytest.mark.parametrize("words", [["check"], ["routes"], ["explain", "GET", "http://localhost/"]], ids=lambda w: w[0])
@pytest.mark.parametrize(("text", "sentence"), UNREADABLE)
def test_what_cannot_be_read_ends_with_2(
    text: str | None, sentence: str, words: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence on stderr, nothing on stdout, whichever the command is."""
    if text is not None:
        file.write_text(text)
    done = command(capsys, words[0], file, *words[1:])
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert sentence in done.err


def test_all_faults_of_an_object_are_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, a name that is not known first; no value is repeated."""
    rule = "matches: [{path: {type: Prefix, value: /sk-typed}}], timeout: 1s, backendRefs: [{name: s, weight: -1}]"
    file.write_text(manifests(gateway(), route("r", rule)))
    done = command(capsys, "check", file)
    assert (done.code, done.out) == (2, "")
    told = [line.partition(", spec.rules[0]")[2] for line in done.err.splitlines()]
    assert told[0] == ".timeout: the field is not known"
    assert sorted(told[1:]) == [
        ".backendRefs[0].weight: the number must be at least 0",
        ".matches[0].path.type: the value must be 'Exact', 'PathPrefix' or 'RegularExpression'",
    ]
    assert "sk-typed" not in done.err


def test_of_very_many_faults_some_are_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads a thousand, and finding all their places takes time."""
    file.write_text(manifests(gateway(), route("r", ", ".join(f"a{each}: 1" for each in range(1000)))))
    done = command(capsys, "check", file)
    assert (done.code, done.err.count("\n")) == (2, 20)


def objects(form: str, out: str) -> list[dict[str, Any]]:
    """The objects of an output in YAML or JSON."""
    if form == "yaml":
        return list(yaml.safe_load_all(out))
    listed = json.loads(out)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    return listed["items"]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_objects_are_printed_as_given_with_their_status(
    form: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each object keeps its spec, has the namespace it is in, and its status where it has one."""
    file.write_text(ALL)
    done = command(capsys, "check", file, "-o", form)
    found = {each["kind"]: each for each in objects(form, done.out)}
    given = {each["kind"]: each for each in yaml.safe_load_all(ALL)}
    assert list(found) == list(given)
    assert all(found[kind]["spec"] == given[kind]["spec"] for kind in given if kind != "Secret")
    assert found["HTTPRoute"]["metadata"] == {"name": "bailian-route", "namespace": "default", "generation": 1}
    assert found["HTTPRoute"]["status"]["parents"][0]["parentRef"]["name"] == "bailian-gateway"
    assert "status" not in found["HTTPRouteFilter"]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_problems_are_on_stderr_whatever_the_form(form: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for programs stays readable for them, and the exit code is the table's."""
    file.write_text(ROUTE)
    done = command(capsys, "check", file, "-o", form)
    assert done.code == 1
    assert "Secret default/bailian-credential does not exist" in done.err
    assert len(objects(form, done.out)) == 5


TEXTS = ["1e3", "0o17", "22:22", "on", "2026-01-01", "1_000", "null", "~", "0x1f", "", "1.", "plain"]


def test_text_stays_text_in_yaml(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What kubectl or another reader takes for a number, a time or a truth is quoted."""
    data = {f"key-{at}": text for at, text in enumerate(TEXTS)}
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": data}
    file.write_text(json.dumps(written))
    done = command(capsys, "check", file, "-o", "yaml")
    assert yaml.safe_load(done.out)["data"] == data
    file.write_text(done.out.replace("  generation: 1\n", ""))
    again = command(capsys, "check", file, "-o", "json")
    assert json.loads(again.out)["items"][0]["data"] == data


LAST_APPLIED = f"""
metadata:
  name: bailian-credential
  annotations:
    kept: "yes"
    kubectl.kubernetes.io/last-applied-configuration: '{{"data": {{"credential": "{ENCODED}"}}}}'
"""

SECRETS = [
    pytest.param(SECRET, id="a value in base64"),
    pytest.param(
        SECRET.replace(f"data:\n  credential: {ENCODED}", f"stringData:\n  credential: {KEY}"), id="a value as text"
    ),
    pytest.param(
        SECRET.replace("\nmetadata:\n  name: bailian-credential\n", LAST_APPLIED), id="a copy that kubectl keeps"
    ),
]


@pytest.mark.parametrize("form", ["table", "yaml", "json"])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_form_shows_a_secret(secret: str, form: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a Secret there are the keys, and a fingerprint of each value."""
    text = f"{ROUTE}\n---{secret}"
    assert ENCODED in text or KEY in text
    file.write_text(text)
    done = command(capsys, "check", file, "-o", form)
    assert done.code == 0
    for value in (ENCODED, KEY, KEY.removeprefix("Bearer ")):
        assert value not in done.out + done.err
    if form != "table":
        shown = objects(form, done.out)[-1]
        assert [*(shown.get("data") or shown["stringData"]).values()] == [f"fingerprint {Secret(KEY).fingerprint}"]
        assert shown["metadata"].get("annotations", {"kept": "yes"}) == {"kept": "yes"}
