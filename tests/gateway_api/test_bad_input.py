"""Bad manifests: one sentence that names the object, the field and the place; exit code 2; nothing half-started."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway_api.manifests import ALL, ROUTE, changed
from gateway_filters import Gateway, ManifestError, Unusable, routes_of
from gateway_filters.cli import main
from gateway_filters.gateway_api.load import translate_files

BAD = [
    pytest.param(
        changed("  rules:", "  rules: [", ROUTE),
        r"not YAML",
        id="broken YAML",
    ),
    pytest.param(
        changed(
            "    hostname: dashscope.aliyuncs.com\n    well",
            "    hostname: a.example\n    hostname: b.example\n    well",
        ),
        r"BackendTLSPolicy enable-backend-tls, spec\.validation\.hostname: the key stands twice",
        id="two keys of one name",
    ),
    pytest.param(
        changed("  rules:", "  rulez:"),
        r"HTTPRoute bailian-route, spec\.rulez: the field is not known",
        id="an unknown field",
    ),
    pytest.param(
        changed("QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5", "Bearer sk-not-base64"),
        r"Secret bailian-credential, data\.credential: .*base64",
        id="a Secret value in data that is not base64",
    ),
    pytest.param(
        changed("port: 8080", "port: '8080'"),
        r"Gateway bailian-gateway, spec\.listeners\[0\]\.port",
        id="a port that is text",
    ),
    pytest.param(
        changed("type: PathPrefix", "type: Prefix"),
        r"HTTPRoute bailian-route, spec\.rules\[0\]\.matches\[0\]\.path\.type",
        id="a path type that does not exist",
    ),
    pytest.param(
        changed("        hostname: dashscope.aliyuncs.com\n        port: 443", "        port: 443"),
        r"Backend bailian, spec\.endpoints\[0\]\.fqdn\.hostname",
        id="a required field that is missing",
    ),
    pytest.param(
        changed("v1alpha3", "v1alpha2"),
        r"BackendTLSPolicy enable-backend-tls, apiVersion: .*v1alpha2 is not served",
        id="a version that is not served",
    ),
    pytest.param(
        changed("kind: HTTPRouteFilter\nmetadata", "kind: EnvoyPatchPolicy\nmetadata"),
        r"EnvoyPatchPolicy credential-injection, kind: .*not supported",
        id="a kind of a group that is ours but that we do not read",
    ),
    pytest.param(
        changed("kind: HTTPRouteFilter\nmetadata", "kind: |-\n  Patch\n  forged\nmetadata"),
        r"gateway\.envoyproxy\.io Patch\\nforged is not supported",
        id="a kind of two lines",
    ),
    pytest.param(
        changed("name: bailian-route", 'name: "forged\\e[31m\\u2028"'),
        r"HTTPRoute forged\\x1b\[31m\\u2028, metadata\.name",
        id="a name that a terminal would obey",
    ),
    pytest.param(
        f"{ALL}\n---\n{ROUTE}",
        r"Gateway default/bailian-gateway is defined twice, first at .*:\d+:\d+",
        id="two objects of one name",
    ),
    pytest.param("- a\n- b\n", r"must be a mapping with apiVersion and kind", id="a document that is a list"),
    pytest.param("a # b\n  c: d\n", r"mapping with apiVersion|not YAML", id="a text with something behind it"),
    pytest.param("kind: Secret\n", r"must have apiVersion and kind", id="a document without apiVersion"),
    pytest.param("a: !!python/object:os.system b\n", r"tag .* is not allowed", id="a tag of another language"),
    pytest.param("a: &a [*a]\n", r"nested deeper", id="an alias inside itself"),
    pytest.param(
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
        r"through aliases",
        id="aliases that multiply",
    ),
    pytest.param("a:\n\tb: 1\n", r":2:1: not YAML: a tab, where only blanks may indent", id="a tab that indents"),
    pytest.param("a: \x07\n", r"not YAML", id="a control character"),
    pytest.param("apiVersion: v1\nkind: List\nitems: text\n", r"List, items: .* must be a list", id="a List of none"),
    pytest.param("apiVersion: v1\nkind: List\nitems: [text]\n", r"must be a mapping", id="a List of text"),
    pytest.param("a: " + "[" * 200_000, r"nested deeper|not YAML", id="brackets without end"),
    pytest.param("- " * 50_000 + "a\n", r"nested deeper", id="lists in lists"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its manifests."""
    return tmp_path / "manifests.yaml"


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_bad_input_is_refused_in_one_sentence(text: str, sentence: str, file: Path) -> None:
    """The error is one line with file:line:column, object and field; no gateway is made."""
    file.write_text(text)
    with pytest.raises(ManifestError) as caught:
        Gateway.from_manifests(file)
    message = str(caught.value)
    assert re.match(rf"{re.escape(str(file))}:\d+:\d+: ", message)
    assert re.search(sentence, message)
    assert message.isprintable()
    assert message.count(str(file)) == 1 + message.count("first at")
    assert "sk-not" not in message


NOT_ACCEPTED = [
    pytest.param(
        changed("QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5", "QmVhcmVyIHNrLW5vdC1hCi1yZWFsLWtleQ=="),
        r"credentialInjection\.credential\.valueRef: Secret default/bailian-credential, data\.credential: .*line end",
        503,
        id="a Secret value with a line end inside",
    ),
    pytest.param(
        changed(
            "data:\n  credential: QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5", 'stringData:\n  credential: "Bearer a\\r\\nb: c"'
        ),
        r"Secret default/bailian-credential, stringData\.credential: .*line end",
        503,
        id="a stringData value with CR and LF",
    ),
    pytest.param(
        changed("credential: QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5", 'credential: ""'),
        r"Secret default/bailian-credential, data\.credential: .*empty",
        503,
        id="a Secret value that is empty",
    ),
    pytest.param(
        changed("  credential: QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5", "  token: QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5"),
        r"Secret default/bailian-credential has no key credential",
        503,
        id="a Secret without the key",
    ),
    pytest.param(
        changed("    overwrite: true", "    overwrite: true\n    header: a b"),
        r"HTTPRouteFilter credential-injection, spec\.credentialInjection\.header: .*'a b'",
        500,
        id="a header that is no name",
    ),
    pytest.param(
        changed("replacePrefixMatch: /compatible", "replacePrefixMatch: compatible"),
        r"HTTPRoute bailian-route, spec\.rules\[0\]\.filters\[0\]\.urlRewrite\.path\.replacePrefixMatch: "
        r"replacement 'compatible-mode/v1' must begin with '/'",
        500,
        id="a replacement without a leading slash",
    ),
]
"""What the schema takes and nothing can be made of, the sentence about it, and what its rule answers."""


@pytest.mark.parametrize(("text", "sentence", "status"), NOT_ACCEPTED)
def test_what_the_schema_takes_and_cannot_be_is_a_condition(
    text: str, sentence: str, status: int, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The route is not accepted and refuses; a route beside it serves, and nothing secret is told."""
    file.write_text(f"{text}\n---\n{BESIDE}")
    translation = translate_files([file])
    (problem,) = map(str, translation.problems)
    assert re.match(rf"{re.escape(str(file))}:\d+:\d+: .*{sentence}", problem)
    told = {
        name: _accepted(status) for (_, kind, _, name), status in translation.statuses.items() if kind == "HTTPRoute"
    }
    assert told == {"bailian-route": ("False", "UnsupportedValue"), "beside": ("True", "Accepted")}
    client = TestClient(Gateway.from_manifests(file))
    assert client.get("/v1").status_code == status
    assert client.get("/beside", follow_redirects=False).status_code == 302
    assert "sk-not" not in problem + caplog.text


BESIDE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: beside}
spec:
  parentRefs: [{name: bailian-gateway}]
  rules:
  - matches: [{path: {value: /beside}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: elsewhere.example}}]
"""


def _accepted(status: dict[str, Any]) -> tuple[str, str]:
    (parent,) = status["parents"]
    condition = parent["conditions"][0]
    assert condition["type"] == "Accepted"
    return condition["status"], condition["reason"]


def test_the_place_is_exact(file: Path) -> None:
    """Line and column are those of the value, counted from 1."""
    text = changed("replacePrefixMatch: /compatible", "replacePrefixMatch: compatible")
    file.write_text(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "compatible-mode" in line)
    column = text.splitlines()[line - 1].index("compatible-mode") + 1
    (problem,) = map(str, translate_files([file]).problems)
    assert problem.startswith(f"{file}:{line}:{column}: ")


@pytest.mark.parametrize(("text", "sentence"), BAD[:7])
def test_check_exits_with_2(text: str, sentence: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``gateway-filters check`` prints the sentence and nothing else."""
    file.write_text(text)
    assert main(["check", str(file)]) == 2
    printed = capsys.readouterr()
    assert re.search(sentence, printed.err)
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A path that cannot be read is named."""
    with pytest.raises(ManifestError, match=r"nothing\.yaml: cannot be read"):
        routes_of(tmp_path / "nothing.yaml")


def test_foreign_kinds_are_ignored(file: Path) -> None:
    """Kinds outside of our groups do nothing, as in a cluster without their controller."""
    file.write_text("apiVersion: example.com/v1\nkind: Thing\nspec: {anything: [1, 2]}\n")
    assert routes_of(file) == ()


@pytest.mark.parametrize("module", ["reference_app:app", "reference_app.from_manifests:gateway"])
def test_uvicorn_ends_with_2(module: str, file: Path) -> None:
    """``uvicorn reference_app:app`` with bad manifests prints the sentence, no traceback, and exits with 2."""
    file.write_text(changed("  rules:", "  rulez:"))
    command = [sys.executable, "-m", "uvicorn", module, "--port", "0"]
    environ = {"GATEWAY_FILTERS_MANIFESTS": str(file), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=50, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 2
    assert "spec.rulez: the field is not known" in done.stderr
    assert "Traceback" not in done.stderr


MISSING = [
    pytest.param(ROUTE, 503, "Secret default/bailian-credential does not exist", id="without its Secret: 503"),
    pytest.param(
        changed("  credential: Q", "  token: Q"),
        503,
        "Secret default/bailian-credential has no key credential",
        id="without the Secret's key: 503",
    ),
    pytest.param(
        changed("            name: credential-injection", "            name: another"),
        500,
        "HTTPRouteFilter another does not exist",
        id="without its filter: 500",
    ),
    pytest.param(
        changed("          name: bailian\n", "          name: another\n"),
        500,
        "Backend default/another does not exist",
        id="without its backend: 500",
    ),
]
"""Manifests, the status of their route, and what the log says at start."""


@pytest.mark.parametrize(("text", "status", "sentence"), MISSING)
def test_missing_references_are_no_load_errors(
    text: str, status: int, sentence: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway starts and says what is missing, its route answers with an error, and nothing is sent."""
    file.write_text(text)

    def unreachable(backend: object) -> "Unreachable":
        return Unreachable()

    gateway = Gateway.from_manifests(file, upstreams=unreachable)
    assert sentence in caplog.text
    assert re.search(rf"{file}:\d+:\d+: ", caplog.text)
    assert status_of(gateway) == status


class Unreachable:
    """An upstream that must not be called."""

    async def __call__(self, *_: object) -> None:
        raise AssertionError("the request was sent on")


def status_of(gateway: Gateway) -> int:
    """The status of one request to the reference route."""
    with TestClient(gateway) as client:
        response = client.post("/v1/chat/completions", json={})
    assert response.json()["error"]["request_id"]
    return response.status_code


TARGETS = [
    pytest.param("name: bailian\n  validation", "name: other\n  validation", id="another name"),
    pytest.param(
        "kind: Backend\n    name: bailian\n  val", "kind: Service\n    name: bailian\n  val", id="another kind"
    ),
    pytest.param(
        "name: bailian\n  val", "name: bailian\n    sectionName: '80'\n  val", id="a section that is not there"
    ),
]


@pytest.mark.parametrize(("old", "new"), TARGETS)
def test_a_tls_policy_that_hits_nothing_is_told(
    old: str, new: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy for a target that does not exist is not accepted, for somebody meant TLS there."""
    file.write_text(changed(old, new))
    assert main(["check", str(file)]) == 1
    assert "BackendTLSPolicy enable-backend-tls" in capsys.readouterr().err


def test_a_section_that_is_not_there_never_means_plain_text(file: Path) -> None:
    """The backend that the policy names by a wrong section gets no request at all."""
    file.write_text(changed("name: bailian\n  val", "name: bailian\n    sectionName: '80'\n  val"))
    (route,) = routes_of(file)
    assert isinstance(route.backends[0].backend, Unusable)
