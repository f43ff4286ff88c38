"""``explain``: which match takes a request and why no other, every step of it, and nothing secret."""

import json
from pathlib import Path
from typing import Any

import pytest
import trustme

from cli.cases import ENCODED, KEY, ONE, backend, command, gateway, manifests, route, to
from gateway_api.manifests import ALL, ROUTE, changed
from gateway_filters import Match, PrefixMatch, Route
from gateway_filters.explanation import asked, explain
from gateway_filters.message.secret import Secret, fingerprint
from gateway_filters.routing import Listener
from tls_manifests import secret

CHAT = ("POST", "http://localhost:8080/v1/chat/completions")
FINGERPRINT = f"fingerprint {Secret(KEY).fingerprint}"

AUTH = (
    "type: ExternalAuth, externalAuth: {protocol: HTTP, http: {path: /ask}, "
    "backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: auth}}"
)
MIRROR = (
    "type: RequestMirror, requestMirror: {percent: 10, "
    "backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: copy}}"
)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "all.yaml"


def explained(
    capsys: pytest.CaptureFixture[str], file: Path, text: str, method: str, url: str, *headers: str
) -> dict[str, Any]:
    """The explanation as data."""
    file.write_text(text)
    given = [word for header in headers for word in ("-H", header)]
    done = command(capsys, "explain", file, method, url, *given, "-o", "json")
    assert done.code == 0
    return json.loads(done.out)


def test_the_reference_route_in_words(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The listener, the match, each step, and where the request goes; the credential as a fingerprint."""
    file.write_text(ALL)
    done = command(capsys, "explain", file, *CHAT)
    assert done.err == ""
    assert (
        done.out
        == f"""\
POST http://localhost:8080/v1/chat/completions
  Host: localhost:8080

Listeners
> default/bailian-gateway/http-bailian (HTTP, port 8080, host *)

Canonical path
  /v1/chat/completions

Matches
> default/bailian-route/rules/0/matches/0 (path under /v1)

Filters
  URLRewrite(hostname=dashscope.aliyuncs.com, path=ReplacePrefixMatch(prefix=/v1, replacement=/compatible-mode/v1))
      path: /v1/chat/completions → /compatible-mode/v1/chat/completions
      authority: localhost:8080 → dashscope.aliyuncs.com

Backend default/bailian, 100 %
  CredentialInjection(overwrite=True)
      header authorization: added {FINGERPRINT}
  URL   https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions
  Host  dashscope.aliyuncs.com
  HTTP  1.1
  TLS   SNI dashscope.aliyuncs.com, verified against the system's CAs
  authorization: {FINGERPRINT}
"""
    )


def test_the_reference_route_as_data(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs; the client's own credential is a fingerprint too."""
    seen = explained(capsys, file, ALL, CHAT[0], f"{CHAT[1]}?a=1", "Authorization: Bearer sk-of-the-client")
    own = f"fingerprint {fingerprint(b'Bearer sk-of-the-client')}"
    assert seen["request"]["headers"] == [["authorization", own]]
    [sent] = seen["backends"]
    assert sent["share"] == 1
    assert sent["steps"][0]["changes"] == [{"what": "header authorization", "before": own, "after": FINGERPRINT}]
    assert sent["sent"] == {
        "targets": [
            {
                "endpoint": "dashscope.aliyuncs.com:443",
                "url": "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions?a=1",
            }
        ],
        "host": "dashscope.aliyuncs.com",
        "http_version": "1.1",
        "tls": True,
        "sni": "dashscope.aliyuncs.com",
        "trust": "the system's CAs",
        "headers": [["authorization", FINGERPRINT]],
    }


SENT_HEADERS = [
    "Authorization: Bearer sk-typed",
    "Proxy-Authorization: Basic sk-typed",
    "Cookie: session=sk-typed",
    "X-Api-Key: sk-typed",
    "API-Key: sk-typed",
    "x-goog-api-key: sk-typed",
    "X-Provider: sk-typed",
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("header", SENT_HEADERS, ids=lambda header: header.partition(":")[0])
def test_no_credential_is_shown(header: str, form: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the Secret's value nor what a client sends as its own, also in the header that a filter injects."""
    file.write_text(changed("    overwrite: true", "    overwrite: false\n    header: X-Provider"))
    done = command(capsys, "explain", file, *CHAT, "-H", header, "-o", form)
    assert done.code == 0
    for value in (KEY, ENCODED, "sk-not-a-real-key", "sk-typed"):
        assert value not in done.out + done.err
    assert "fingerprint " in done.out


def test_credentials_in_routes_are_not_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither one that a match asks for, nor one that a header filter sets."""
    modifier = "requestHeaderModifier: {set: [{name: Authorization, value: sk-of-the-route}]}"
    text = manifests(
        gateway(),
        route(
            "r",
            f"matches: [{{headers: [{{name: X-Api-Key, value: sk-asked}}]}}], {ONE}",
            f"filters: [{{type: RequestHeaderModifier, {modifier}}}], {ONE}",
        ),
        backend("one"),
    )
    file.write_text(text)
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/", "-H", "X-Api-Key: another")
    assert "sk-" not in done.out
    assert f"header X-Api-Key is not fingerprint {fingerprint(b'sk-asked')}" in done.out
    assert f"header authorization: added fingerprint {fingerprint(b'sk-of-the-route')}" in done.out
    assert "sk-" not in command(capsys, "routes", file, "-o", "json").out


def rule(match: str) -> str:
    """A rule of one match with the usual backend."""
    return f"matches: [{{{match}}}], {ONE}"


def paths(*values: str) -> list[str]:
    """Rules by path prefix."""
    return [rule(f"path: {{type: PathPrefix, value: {value}}}") for value in values]


HEADER = "headers: [{name: X-Env, value: canary}]"

LOSERS = [
    pytest.param(
        paths("/", "/v1", "/v1/models"),
        "GET",
        [
            "/v1/models: wins",
            "/v1: rules/2 wins before it: its path is longer",
            "/: rules/2 wins before it: its path is longer",
        ],
        id="a longer prefix wins",
    ),
    pytest.param(
        paths("/", "/v1", "/v2"),
        "GET",
        ["/v1: wins", "/v2: path is not under /v2", "/: rules/1 wins before it: its path is longer"],
        id="a prefix that does not match says so",
    ),
    pytest.param(
        [rule("path: {type: PathPrefix, value: /v1/models}"), rule("path: {type: Exact, value: /v1/models}")],
        "GET",
        ["/v1/models: wins", "/v1/models: rules/1 wins before it: its kind of path match goes first"],
        id="an exact path wins before a prefix",
    ),
    pytest.param(
        [*paths("/v1"), rule("path: {value: /v1}, method: GET"), rule("path: {value: /v1}, method: POST")],
        "GET",
        [
            "/v1, method GET: wins",
            "/v1, method POST: method is not POST",
            "/v1: rules/1 wins before it: it names a method",
        ],
        id="a method wins before none and loses to another",
    ),
    pytest.param(
        [rule(HEADER), rule("headers: [{name: X-Env, value: stable}]"), rule("headers: [{name: X-No, value: a}]")],
        "GET",
        [
            "/, header X-Env is canary: wins",
            "/, header X-Env is stable: header X-Env is not stable",
            "/, header X-No is a: header X-No is absent",
        ],
        id="a header that is another or absent says so",
    ),
    pytest.param(
        [rule("queryParams: [{name: a, value: '1'}]"), rule(HEADER), *paths("/")],
        "GET",
        [
            "/, header X-Env is canary: wins",
            "/, parameter a is 1: rules/1 wins before it: it has more conditions on headers",
            "/: rules/1 wins before it: it has more conditions on headers",
        ],
        id="a header wins before a parameter",
    ),
    pytest.param(
        [rule("queryParams: [{name: a, value: '1'}]"), *paths("/")],
        "GET",
        ["/, parameter a is 1: wins", "/: rules/0 wins before it: it has more conditions on parameters"],
        id="a parameter wins before none",
    ),
    pytest.param(
        [
            rule("headers: [{type: RegularExpression, name: X-Env, value: can.*}]"),
            rule(HEADER),
        ],
        "GET",
        [
            "/, header X-Env is canary: wins",
            "/, header X-Env matches can.*: rules/1 wins before it: it has more exact conditions on headers",
        ],
        id="an exact header wins before a pattern",
    ),
    pytest.param(
        paths("/v1", "/v1"),
        "GET",
        ["/v1: wins", "/v1: rules/0 wins before it: they are equal and it comes first"],
        id="of equal matches the first one wins",
    ),
    pytest.param(
        [*paths("/v2"), rule("method: PUT")],
        "GET",
        ["/v2: path is not under /v2", "/, method PUT: method is not PUT"],
        id="where none matches each says why",
    ),
]
"""The rules of a route, the method, and for each match in the order of precedence what is said of it."""


@pytest.mark.parametrize(("rules", "method", "said"), LOSERS)
def test_each_match_that_loses_says_why(
    rules: list[str], method: str, said: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All matches in the order of precedence, with their own reason or the one that wins before them."""
    text = manifests(gateway(), route("r", *rules), backend("one"))
    seen = explained(capsys, file, text, method, "http://localhost:8080/v1/models?a=1", "X-Env: canary")
    found = [
        f"{each['match'].removeprefix('path under ').removeprefix('path is ')}: {each['reason'] or 'wins'}"
        for each in seen["matches"]
    ]
    assert [words.replace("default/r/", "").replace("/matches/0", "") for words in found] == said
    assert (seen["answer"] is None) == any(each["wins"] for each in seen["matches"])


LISTENERS = (
    "name: any, protocol: HTTP, port: 8080",
    "name: wide, protocol: HTTP, port: 8080, hostname: '*.example.com'",
    "name: narrow, protocol: HTTP, port: 8080, hostname: a.example.com",
    "name: other, protocol: HTTP, port: 9090",
)

CHOSEN = [
    pytest.param(
        "http://A.Example.com:8080/",
        "narrow",
        {
            "any": "listener default/gw/narrow has the more exact host name a.example.com",
            "wide": "listener default/gw/narrow has the more exact host name a.example.com",
            "other": "its port is 9090 and not 8080",
        },
        id="the exact host name",
    ),
    pytest.param(
        "http://b.example.com:8080/",
        "wide",
        {
            "any": "listener default/gw/wide has the more exact host name *.example.com",
            "narrow": "host b.example.com is not a.example.com",
            "other": "its port is 9090 and not 8080",
        },
        id="the wildcard that covers it",
    ),
    pytest.param("http://localhost:9090/", "other", {}, id="the one on the URL's port"),
    pytest.param("http://a.example.com/", "narrow", {}, id="by host name where none has the port"),
]
"""URLs, the listener that takes them, and why others do not."""


@pytest.mark.parametrize(("url", "chosen", "reasons"), CHOSEN)
def test_the_listener_is_chosen_by_port_and_host(
    url: str, chosen: str, reasons: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One listener is chosen, and each other one says why it is not."""
    text = manifests(gateway("gw", *LISTENERS), route("r", ONE), backend("one"))
    listeners = {each["name"]: each for each in explained(capsys, file, text, "GET", url)["listeners"]}
    assert [name for name, each in listeners.items() if each["chosen"]] == [f"default/gw/{chosen}"]
    for name, reason in reasons.items():
        assert listeners[f"default/gw/{name}"]["reason"] == reason


def test_an_unknown_host_is_404_with_all_reasons(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No listener takes the host: the answer is 404, and all listeners and matches say why."""
    listener = "name: a, protocol: HTTP, port: 8080, hostname: a.example.com"
    file.write_text(manifests(gateway("gw", listener), route("r", ONE), backend("one")))
    done = command(capsys, "explain", file, "GET", "http://nobody.example:8080/")
    assert done.code == 0
    assert (
        "default/gw/a (HTTP, port 8080, host a.example.com)\n      host nobody.example is not a.example.com" in done.out
    )
    assert "listener default/gw/a: host nobody.example is not a.example.com" in done.out
    assert done.out.endswith("Answer\n  404 not_found: no route matches\n")


def test_a_route_of_another_host_says_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A route's own host name counts before its path, and losing by it is said."""
    text = manifests(
        gateway(),
        route("wide", ONE, hostnames="'*.example.com'"),
        route("narrow", ONE, hostnames="a.example.com"),
        route("else", ONE, hostnames="b.example.com"),
        route("any", *paths("/v1")),
        backend("one"),
    )
    seen = explained(capsys, file, text, "GET", "http://a.example.com:8080/v1")
    assert [(each["route"].split("/")[1], each["reason"]) for each in seen["matches"]] == [
        ("else", "host is not b.example.com"),
        ("narrow", ""),
        ("wide", "default/narrow/rules/0/matches/0 wins before it: its host name is more exact"),
        ("any", "default/narrow/rules/0/matches/0 wins before it: its host name is more exact"),
    ]


def test_a_host_header_wins_over_the_host_of_the_url(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As with curl, the URL says where one connects to and ``-H Host`` what one asks for."""
    text = manifests(gateway("gw", *LISTENERS), route("r", ONE), backend("one"))
    seen = explained(capsys, file, text, "GET", "http://127.0.0.1:8080/", "Host: a.example.com")
    assert seen["request"]["host"] == "a.example.com"
    assert [each["name"] for each in seen["listeners"] if each["chosen"]] == ["default/gw/narrow"]


def test_the_address_of_the_url_counts_when_a_listener_has_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two Gateways on one port are told apart by their addresses."""
    second = gateway("second").replace("spec:\n", "spec:\n  addresses: [{value: 127.0.0.2}]\n")
    text = manifests(gateway(), second, route("r", ONE, parent="second"), backend("one"))
    seen = explained(capsys, file, text, "GET", "http://127.0.0.2:8080/")
    assert [each["reason"] for each in seen["listeners"]] == ["its address is 127.0.0.1 and not 127.0.0.2", ""]
    assert seen["backends"][0]["sent"]["targets"][0]["url"] == "http://one.example/"


ANSWERS = [
    pytest.param(
        "filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example, port: 80, statusCode: 301}}]",
        "/v1",
        (301, "RequestRedirect answers itself\n  location: http://new.example/v1"),
        id="a redirect",
    ),
    pytest.param(
        f"filters: [{{type: ExtensionRef, extensionRef: {{group: a.example, kind: Thing, name: a}}}}], {ONE}",
        "/v1",
        (500, "gateway_error: extensionRef to a.example Thing is not supported"),
        id="a filter that is not known refuses",
    ),
    pytest.param(
        "matches: []",
        "/v1",
        (500, "gateway_error: route default/r/rules/0/matches/0 has no backend"),
        id="a rule without a backend refuses",
    ),
    pytest.param(
        ONE,
        "/a%2Fb",
        (400, "invalid_request_error: the path "),
        id="a path without a canonical form is refused before any match",
    ),
]
"""A rule, a path, and the status and the words of the answer."""


@pytest.mark.parametrize(("rule", "path", "answer"), ANSWERS)
def test_replies_are_shown_as_such(
    rule: str, path: str, answer: tuple[int, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the gateway answers itself has its status, its reason and its headers, and no backend."""
    text = manifests(gateway(), route("r", rule), backend("one"))
    seen = explained(capsys, file, text, "GET", f"http://localhost:8080{path}")
    assert seen["answer"]["status"] == answer[0]
    assert seen["backends"] == []
    shown = command(capsys, "explain", file, "GET", f"http://localhost:8080{path}").out
    assert f"Answer\n  {answer[0]} {answer[1]}" in shown


def test_a_method_that_is_never_forwarded_is_answered(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TRACE ends before any route is looked for."""
    text = manifests(gateway(), route("r", ONE), backend("one"))
    seen = explained(capsys, file, text, "TRACE", "http://localhost:8080/")
    assert (seen["answer"]["status"], seen["matches"]) == (405, [])


def test_a_direct_response_is_shown_with_its_body(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also the header lines, and no backend."""
    direct = "directResponse: {statusCode: 418, contentType: text/plain, body: {type: Inline, inline: short}}"
    kept = f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: direct}}
spec: {{{direct}}}
"""
    filters = "filters: [{type: ExtensionRef, extensionRef: "
    named = filters + "{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: direct}}]"
    file.write_text(manifests(gateway(), route("r", named), kept))
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/")
    assert done.out.endswith("Answer\n  418 DirectResponse answers itself\n  content-type: text/plain\n  short\n")
    assert "answers the request" in done.out


BACKENDS = [
    pytest.param(ROUTE, "http://localhost:8080/v1", (503, "credential_unavailable: "), id="without its Secret: 503"),
    pytest.param(
        changed("          name: bailian\n", "          name: another\n"),
        "http://localhost:8080/v1",
        (500, "gateway_error: Backend default/another does not exist"),
        id="without its backend: 500",
    ),
]


@pytest.mark.parametrize(("text", "url", "answer"), BACKENDS)
def test_a_backend_that_cannot_be_had_answers_for_its_share(
    text: str, url: str, answer: tuple[int, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent there, and the status is the table's."""
    [backend] = explained(capsys, file, text, "GET", url)["backends"]
    assert backend["sent"] is None
    assert backend["answer"]["status"] == answer[0]
    assert backend["answer"]["reason"].startswith(answer[1])
    assert f"  {answer[0]} {answer[1]}" in command(capsys, "explain", file, "GET", url).out


FULL = manifests(
    gateway(),
    route(
        "r",
        f"""
        timeouts: {{request: 10s, backendRequest: 2s}}, retry: {{attempts: 3, codes: [503]}},
        sessionPersistence: {{cookie: {{name: sticky}}, absoluteTimeout: 1h}},
        filters: [
          {{type: CORS, cors: {{allowOrigins: [https://page.example]}}}},
          {{{MIRROR}}},
          {{{AUTH}}},
          {{type: RequestHeaderModifier, requestHeaderModifier: {{
            set: [{{name: X-Env, value: prod}}], add: [{{name: X-More, value: b}}], remove: [X-Gone]}}}},
          {{type: ResponseHeaderModifier, responseHeaderModifier: {{remove: [Server]}}}}],
        backendRefs: [{to("one", ", weight: 3")}, {to("two", ", weight: 1")}, {to("copy", ", weight: 0")}]""",
    ),
    backend("one"),
    backend("two", "two.example", 8443),
    backend("auth"),
    backend("copy"),
)


def test_everything_that_a_rule_can_ask_for_is_in_its_place(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CORS before the permission, then the other filters as listed, then backends with their shares."""
    file.write_text(FULL)
    headers = ("-H", "X-Env: dev", "-H", "X-Gone: 1", "-H", "X-More: a")
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/", *headers)
    assert done.err == ""
    _, _, steps = done.out.partition("\nFilters\n")
    assert (
        steps
        == """\
  CORS(allow_origins=[https://page.example])
      changes the answer's headers
  ExternalAuth(default/auth, path=/ask)
      goes on when it permits
  RequestHeaderModifier(set=[X-Env: prod], add=[X-More: b], remove=[X-Gone])
      header x-env: dev → prod
      header x-gone: removed 1
      header x-more: a → a, b
  ResponseHeaderModifier(remove=[Server])
      changes the answer's headers
  RequestMirror(default/copy, 10 %)
      sends a copy, without the credentials that are injected

Rules
  request timeout: 10 s
  backend request timeout: 2 s
  retry: 3 times, after connection errors and 503
  session: cookie sticky for 3600 s

Backend default/one, 75 %
  URL   http://one.example/
  Host  localhost:8080
  HTTP  1.1
  TLS   no
  x-more: a
  x-env: prod
  x-more: b

Backend default/two, 25 %
  URL   http://two.example:8443/
  Host  localhost:8080
  HTTP  1.1
  TLS   no
  x-more: a
  x-env: prod
  x-more: b

Backend default/copy, 0 %
  URL   http://one.example/
  Host  localhost:8080
  HTTP  1.1
  TLS   no
  x-more: a
  x-env: prod
  x-more: b
"""
    )


def test_steps_of_a_backend_are_in_their_place(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who is asked, then filters as listed, then copies, all for that backend alone."""
    modifier = "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: a}]}}"
    refs = f"backendRefs: [{to('one', f', filters: [{{{MIRROR}}}, {modifier}, {{{AUTH}}}]')}, {to('two')}]"
    file.write_text(manifests(gateway(), route("r", refs), *map(backend, ("one", "two", "auth", "copy"))))
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/")
    assert done.err == ""
    _, _, backends = done.out.partition("\nBackend default/one, 50 %\n")
    assert (
        backends
        == """\
  ExternalAuth(default/auth, path=/ask)
      goes on when it permits
  RequestHeaderModifier(set=[X-A: a])
      header x-a: added a
  RequestMirror(default/copy, 10 %)
      sends a copy, without the credentials that are injected
  URL   http://one.example/
  Host  localhost:8080
  HTTP  1.1
  TLS   no
  x-a: a

Backend default/two, 50 %
  URL   http://one.example/
  Host  localhost:8080
  HTTP  1.1
  TLS   no
"""
    )


@pytest.mark.parametrize("level", ["rule", "backendRef"])
def test_a_service_that_cannot_be_asked_refuses(level: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its backend nobody can permit the request: 500 for the rule, or for the backend's share."""
    filters = f"filters: [{{{AUTH}}}, {{{MIRROR}}}]"
    refs = f"backendRefs: [{to('one', f', {filters}')}]" if level == "backendRef" else f"{filters}, {ONE}"
    text = manifests(gateway(), route("r", refs), backend("one"), backend("copy"))
    seen = explained(capsys, file, text, "GET", "http://localhost:8080/")
    refused = seen if level == "rule" else seen["backends"][0]
    assert refused["answer"]["status"] == 500
    assert "Backend default/auth does not exist" in refused["answer"]["reason"]
    assert refused["steps"] == [
        {"filter": "ExternalAuth(auth, path=/ask)", "changes": [], "note": "refuses the request"}
    ]


def test_a_preflight_is_answered_before_the_permission(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What assembly puts in front is walked first, and nothing after an answer."""
    headers = ("Origin: https://page.example", "Access-Control-Request-Method: POST")
    seen = explained(capsys, file, FULL, "OPTIONS", "http://localhost:8080/", *headers)
    assert seen["answer"]["status"] == 204
    assert ["access-control-allow-origin", "https://page.example"] in seen["answer"]["headers"]
    assert [each["filter"].partition("(")[0] for each in seen["steps"]] == ["CORS"]


def test_a_preflight_for_a_method_that_its_match_names_says_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The winner's match would not take OPTIONS; what it takes instead stands below it."""
    cors = "filters: [{type: CORS, cors: {allowOrigins: [https://page.example]}}]"
    text = manifests(gateway(), route("r", f"matches: [{{method: POST}}], {cors}, {ONE}", ONE), backend("one"))
    headers = ("Origin: https://page.example", "Access-Control-Request-Method: POST")
    seen = explained(capsys, file, text, "OPTIONS", "http://localhost:8080/", *headers)
    assert [(each["wins"], each["reason"]) for each in seen["matches"]] == [
        (True, "the request is a preflight for POST"),
        (False, "default/r/rules/0/matches/0 wins before it: it names a method"),
    ]
    assert seen["answer"]["status"] == 204
    given = [word for header in headers for word in ("-H", header)]
    out = command(capsys, "explain", file, "OPTIONS", "http://localhost:8080/", *given).out
    assert "\n      the request is a preflight for POST\n" in out


def test_what_connection_nominates_is_gone_and_the_path_is_canonical(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The head is cut as the gateway cuts it."""
    text = manifests(gateway(), route("r", ONE), backend("one"))
    given = ("Connection: x-gone", "X-Gone: 1", "TE: trailers", "X-Kept: 2")
    seen = explained(capsys, file, text, "GET", "http://localhost:8080/a//%62/../c", *given)
    assert (seen["request"]["path"], seen["request"]["canonical_path"]) == ("/a//%62/../c", "/a/c")
    assert seen["backends"][0]["sent"]["headers"] == [["x-kept", "2"]]


SOCKET = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: one}
spec: {endpoints: [{unix: {path: /run/one.sock}}]}
"""


def _fallback(name: str) -> str:
    return backend(name, f"{name}.example").replace("spec:", "spec:\n  fallback: true")


def test_sockets_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint that is a socket has a URL all the same."""
    file.write_text(manifests(gateway(), route("r", ONE), SOCKET))
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/")
    assert "URL   http://localhost/ over unix:/run/one.sock\n" in done.out


_NAMES = "subjectAltNames: [{type: Hostname, hostname: '*.example'}, {type: URI, uri: 'spiffe://c/a'}]"
SPOKEN = [
    pytest.param(
        "{wellKnownCACertificates: System}", "", "SNI one.example, verified against the system's CAs", id="own"
    ),
    pytest.param(
        "{wellKnownCACertificates: System, sni: b.example}",
        "",
        "SNI b.example, verified against the system's CAs",
        id="a name of its own",
    ),
    pytest.param(
        "{insecureSkipVerify: true}",
        "",
        "SNI one.example, verified against nothing (insecureSkipVerify)",
        id="nobody is verified",
    ),
    pytest.param(
        "{insecureSkipVerify: true, clientCertificateRef: {name: ours}}",
        _NAMES,
        "SNI c.example, verified against the system's CAs as *.example or spiffe://c/a, "
        "who may ask for our certificate",
        id="a policy with names",
    ),
]


@pytest.mark.parametrize(("tls", "names", "said"), SPOKEN)
def test_tls_is_shown(tls: str, names: str, said: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which name is asked for, and who is believed to be whom."""
    policy = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: p}}
spec:
  targetRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: one}}]
  validation: {{hostname: c.example, wellKnownCACertificates: System, {names}}}
"""
    secured = f"{backend('one')}  tls: {tls}\n"
    ours = secret("ours", trustme.CA().issue_cert("us.example"))
    file.write_text(manifests(gateway(), route("r", ONE), secured, ours, *([policy] if names else [])))
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/")
    assert f"  TLS   {said}\n" in done.out


def test_fallbacks_stand_behind_the_others(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They share what nobody else accepts a connection for, each with its own steps."""
    modifier = ", filters: [{type: URLRewrite, urlRewrite: {hostname: three.example}}]"
    refs = f"backendRefs: [{to('three', ', weight: 3' + modifier)}, {to('one')}, {to('two')}]"
    text = manifests(gateway(), route("r", refs), backend("one"), _fallback("two"), _fallback("three"))
    file.write_text(text)
    done = command(capsys, "explain", file, "GET", "http://localhost:8080/")
    _, _, backends = done.out.partition("\nBackend ")
    assert (
        backends
        == """\
default/one, 100 %
  URL   http://one.example/
  Host  localhost:8080
  HTTP  1.1
  TLS   no

Fallback default/three, 75 %
  URLRewrite(hostname=three.example)
      authority: localhost:8080 → three.example
  URL   http://three.example/
  Host  three.example
  HTTP  1.1
  TLS   no

Fallback default/two, 25 %
  URL   http://two.example/
  Host  localhost:8080
  HTTP  1.1
  TLS   no
"""
    )
    seen = explained(capsys, file, text, "GET", "http://localhost:8080/")
    assert [each["fallback"] for each in seen["backends"]] == [False, True, True]


BAD_REQUESTS = [
    pytest.param(["GET", "localhost:8080/v1"], "the URL must begin with http://", id="a URL without a scheme"),
    pytest.param(["GET", "ftp://localhost/"], "the URL must begin with http://", id="a URL of another scheme"),
    pytest.param(["GET", "http://me:sk-typed@localhost/"], "the URL must not hold a user", id="a URL with a user"),
    pytest.param(["GET", "http://[::1/"], "the URL cannot be understood", id="a URL that is none"),
    pytest.param(["GET", "http://localhost:http/"], "host of the URL", id="a port that is no number"),
    pytest.param(["get", "http://localhost/"], "a method is written in capitals", id="a method in small letters"),
    pytest.param(["G T", "http://localhost/"], "method 'G T' is not an HTTP token", id="a method that is none"),
    pytest.param(
        ["GET", "http://localhost/", "-H", "sk-typed"], "must be given as 'Name: value'", id="a header without a colon"
    ),
]


@pytest.mark.parametrize(("words", "sentence"), BAD_REQUESTS)
def test_what_is_no_request_ends_with_2(
    words: list[str], sentence: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence on stderr that repeats no value."""
    file.write_text(ALL)
    done = command(capsys, "explain", file, *words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert sentence in done.err
    assert "sk-typed" not in done.err


def test_an_explanation_is_a_value() -> None:
    """It is built from listeners and a request, without files, and compares with ``==``."""
    listeners = [Listener("l", 80, routes=(Route("r", Match(PrefixMatch("/a"))),))]
    one, other = (explain(listeners, asked("GET", "http://[::1]/a", ["A: b"])) for _ in range(2))
    assert one == other
    assert one.answer is not None
    assert one.answer.status == 500


REALTIME = "ws://localhost:8080/v1/realtime?model=m"
NAMED = "spec:\n  appProtocols: [gateway.envoyproxy.io/wss]\n  endpoints:\n"


def test_a_websocket_that_the_backend_does_not_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reference route takes it, and its credential is not for it."""
    [backend] = explained(capsys, file, ALL, "GET", REALTIME)["backends"]
    assert backend["sent"] is None
    assert backend["answer"]["status"] == 403
    assert "does not name ws or wss" in backend["answer"]["reason"]


def test_a_websocket_that_the_backend_names(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes the way of any request, to a URL of its own kind."""
    [backend] = explained(capsys, file, changed("spec:\n  endpoints:\n", NAMED), "GET", REALTIME)["backends"]
    url = "wss://dashscope.aliyuncs.com/compatible-mode/v1/realtime?model=m"
    assert [each["url"] for each in backend["sent"]["targets"]] == [url]
    assert backend["sent"]["headers"] == [["authorization", FINGERPRINT]]


def test_routes_may_match_the_upgrade(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is there for a WebSocket and for nothing else, and copies are not made of it."""
    match = "matches: [{headers: [{name: Upgrade, value: websocket}]}]"
    rule = f"filters: [{{{MIRROR}}}], backendRefs: [{to('one')}], {match}"
    file.write_text(manifests(gateway(), route("r", rule), backend("one"), backend("copy", "copy.example")))
    shown = command(capsys, "explain", file, "GET", "ws://localhost:8080/").out
    assert "  URL   ws://one.example/\n" in shown
    assert "Mirror" not in shown
    assert "404 not_found" in command(capsys, "explain", file, "GET", "http://localhost:8080/").out


def test_a_websocket_over_http2_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """502, since none is carried there."""
    text = changed("spec:\n  endpoints:\n", NAMED.replace("/wss", "/h2c"))
    text = changed("overwrite: true", "overwrite: false", text)
    [backend] = explained(capsys, file, text, "GET", REALTIME, "Authorization: Bearer mine")["backends"]
    assert (backend["sent"], backend["answer"]["status"]) == (None, 502)


def test_a_websocket_begins_with_a_get(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else cannot be meant."""
    file.write_text(ALL)
    done = command(capsys, "explain", file, "POST", REALTIME)
    assert (done.code, done.err) == (2, "a WebSocket begins with a GET\n")
