"""``routes``: all matches in the order in which they win, by listener."""

import json
from pathlib import Path

import pytest

from cli.cases import ONE, backend, command, gateway, manifests, route, to
from gateway_api.manifests import ALL, ROUTE

MATCHES = [
    pytest.param("path: {value: /v1}", "path under /v1", id="a prefix"),
    pytest.param("path: {type: Exact, value: /v1}", "path is /v1", id="an exact path"),
    pytest.param("path: {type: RegularExpression, value: '/v[12]'}", "path matches /v[12]", id="a pattern"),
    pytest.param(
        "method: GET, headers: [{name: X-Env, value: a}], queryParams: [{name: q, value: '1'}]",
        "path under /, method GET, header X-Env is a, parameter q is 1",
        id="method, header and parameter",
    ),
    pytest.param(
        "headers: [{type: RegularExpression, name: X-Env, value: a+}], "
        "queryParams: [{type: RegularExpression, name: q, value: '[0-9]'}]",
        "path under /, header X-Env matches a+, parameter q matches [0-9]",
        id="patterns of a header and a parameter",
    ),
]


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "all.yaml"


@pytest.mark.parametrize(("match", "words"), MATCHES)
def test_a_match_is_told_in_words(match: str, words: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Path first, then method, headers and parameters."""
    file.write_text(manifests(gateway(), route("r", f"matches: [{{{match}}}], {ONE}"), backend("one")))
    [listener] = json.loads(command(capsys, "routes", file, "-o", "json").out)
    assert [each["match"] for each in listener["matches"]] == [words]


def test_the_reference_route_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Listener, host, match, name, filters in the order in which they run, backend."""
    file.write_text(ALL)
    done = command(capsys, "routes", file)
    assert (done.code, done.err) == (0, "")
    title, head, row = done.out.splitlines()
    assert title == "default/bailian-gateway/http-bailian (HTTP, port 8080, host *)"
    assert head.split() == ["HOST", "MATCH", "ROUTE", "FILTERS", "BACKENDS"]
    assert [cell.strip() for cell in row.split("   ") if cell] == [
        "*",
        "path under /v1",
        "default/bailian-route/rules/0/matches/0",
        "URLRewrite, CredentialInjection",
        "default/bailian",
    ]


def test_matches_stand_in_the_order_in_which_they_win(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Listeners by port and host name, and on each of them the matches by precedence."""
    listeners = (
        "name: late, protocol: HTTP, port: 8081",
        "name: any, protocol: HTTP, port: 8080",
        "name: exact, protocol: HTTP, port: 8080, hostname: a.example",
    )
    rules = [f"matches: [{{path: {{value: {value}}}}}], {ONE}" for value in ("/", "/v1/models", "/v1")]
    file.write_text(manifests(gateway("gw", *listeners), route("r", *rules), backend("one")))
    listed = json.loads(command(capsys, "routes", file, "-o", "json").out)
    assert [each["listener"] for each in listed] == ["default/gw/exact", "default/gw/any", "default/gw/late"]
    for each in listed:
        assert [row["match"] for row in each["matches"]] == [
            "path under /v1/models",
            "path under /v1",
            "path under /",
        ]
    titles = [line for line in command(capsys, "routes", file).out.splitlines() if "port" in line]
    assert titles[0] == "default/gw/exact (HTTP, port 8080, host a.example)"


def test_backends_have_their_weights_and_filters(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights where there are several, and what only one backend's requests meet."""
    modifier = ", filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [X-A]}}]"
    refs = f"backendRefs: [{to('one', ', weight: 9')}, {to('two', ', weight: 1' + modifier)}]"
    file.write_text(manifests(gateway(), route("r", refs), backend("one"), backend("two")))
    assert command(capsys, "routes", file).out.endswith("RequestHeaderModifier   default/one (9), default/two (1)\n")
    [listener] = json.loads(command(capsys, "routes", file, "-o", "json").out)
    assert listener["matches"][0]["backends"] == [
        {"name": "default/one", "weight": 9, "filters": [], "fallback": False},
        {
            "name": "default/two",
            "weight": 1,
            "filters": ["RequestHeaderModifier(remove=[X-A])"],
            "fallback": False,
        },
    ]


def test_fallbacks_are_marked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They stand behind the others, wherever they are listed."""
    reserve = backend("two").replace("spec:", "spec:\n  fallback: true")
    refs = f"backendRefs: [{to('two')}, {to('one')}]"
    file.write_text(manifests(gateway(), route("r", refs), backend("one"), reserve))
    assert command(capsys, "routes", file).out.endswith("default/one (1), default/two (fallback 1)\n")


@pytest.mark.parametrize("level", ["rule", "backendRef"])
def test_who_is_asked_and_what_is_copied(level: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Permissions and copies stand among the filters, where they happen."""
    ref = f"backendRef: {to('two')}"
    filters = (
        f"filters: [{{type: RequestMirror, requestMirror: {{percent: 5, {ref}}}}}, "
        "{type: RequestHeaderModifier, requestHeaderModifier: {remove: [X-A]}}, "
        f"{{type: ExternalAuth, externalAuth: {{protocol: HTTP, http: {{}}, {ref}}}}}]"
    )
    refs = f"backendRefs: [{to('one', f', {filters}')}]" if level == "backendRef" else f"{filters}, {ONE}"
    file.write_text(manifests(gateway(), route("r", refs), backend("one"), backend("two")))
    assert "ExternalAuth, RequestHeaderModifier, RequestMirror   default/one" in command(capsys, "routes", file).out
    [listener] = json.loads(command(capsys, "routes", file, "-o", "json").out)
    [match] = listener["matches"]
    owner = match if level == "rule" else match["backends"][0]
    assert owner["filters"] == [
        "ExternalAuth(default/two)",
        "RequestHeaderModifier(remove=[X-A])",
        "RequestMirror(default/two, 5 %)",
    ]


def test_what_is_missing_is_told_on_stderr(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The matches are listed all the same."""
    file.write_text(ROUTE)
    done = command(capsys, "routes", file)
    assert done.code == 0
    assert "Secret default/bailian-credential does not exist" in done.err
    assert "path under /v1" in done.out


def test_without_a_listener_nothing_is_listed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Manifests without a Gateway are no error of this command."""
    file.write_text(backend("one"))
    assert command(capsys, "routes", file).out == ""
    assert json.loads(command(capsys, "routes", file, "-o", "json").out) == []
