"""Cases: generated HTTPRoutes with what they refer to, and requests near them. Plain manifests, as in YAML.

A case lives under a domain of its own, ``DOMAIN`` until it gets its number, on a listener for ``*.DOMAIN``.
"""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from route_features import available

DOMAIN = "case.test"
LISTENER_PORT = 8080
CREDENTIAL_KEY = "credential"
Manifest = dict[str, Any]

PATHS = ("/", "/v1", "/v1/", "/v1/chat", "/V1", "/a-b/c", "/rs/", "/v1/x;p=1", "/~u")
HEADER_NAMES = ("X-One", "x-two", "Authorization", "X-Api-Key", "Accept", "User-Agent")
VALUES = ("1", "2", "a b", "x,y", "Bearer client")
PARAMETERS = ("q", "Q", "model")
PARAMETER_VALUES = ("1", "a b", "x+y", "é")
HOSTS = ("a.case.test", "b.case.test", "x.b.case.test", "y.x.b.case.test", "A.Case.Test", "a.case.test:8080")
HOSTNAMES: tuple[tuple[str, ...], ...] = (
    (),
    ("a.case.test",),
    ("*.case.test",),
    ("*.b.case.test",),
    ("a.case.test", "*.b.case.test"),
)


ALLOWED_ORIGINS = (
    ["https://page.test"],
    ["*"],
    ["https://*.page.test"],
    ["http://page.test:8080", "https://page.test"],
)
ORIGINS = ("https://page.test", "https://a.b.page.test", "http://page.test:8080", "https://other.test", "null")


COOKIES: tuple[Manifest, ...] = (
    {"cookies": [{"name": "a", "value": "1"}]},
    {"cookies": [{"name": "a", "value": "[0-9]+", "type": "RegularExpression"}]},
    {"cookies": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]},
)
_PATTERNS: tuple[Manifest, ...] = (
    {"pattern": "^/v1/(.*)$", "substitution": r"/w/\1/1"},
    {"pattern": "[a-z]+", "substitution": r"<\0>"},
    {"pattern": "/", "substitution": "//"},
    {"pattern": "(?i)/V1", "substitution": ""},
    {"pattern": "v|(c)", "substitution": r"\1"},
)
_HOSTS: tuple[Manifest, ...] = (
    {"pattern": "^/([a-z0-9]+).*$", "substitution": r"\1.example"},
    {"pattern": ".*", "substitution": "fixed.example"},
)


@dataclass(frozen=True, eq=False)
class Case:
    """HTTPRoutes of one listener, the HTTPRouteFilters and Secrets that they name, and requests to send."""

    routes: tuple[Manifest, ...]
    others: tuple[Manifest, ...]
    requests: tuple[bytes, ...]

    def numbered(self, number: int) -> "Case":
        """The same case under a domain of its own, its objects under names of their own."""
        domain = f"n{number}.test"
        routes, others = (
            json.loads(json.dumps(each).replace(DOMAIN, domain).replace("NAME", f"n{number}"))
            for each in (self.routes, self.others)
        )
        requests = (
            each.replace(DOMAIN.encode(), domain.encode()).replace(b"Case.Test", domain.encode().upper())
            for each in self.requests
        )
        return Case(tuple(routes), tuple(others), tuple(requests))

    def rule(self, name: str) -> Manifest:
        """The rule of that name."""
        return next(each for route in self.routes for each in route["spec"]["rules"] if each["name"] == name)


def all_filters(rule: Manifest) -> list[Manifest]:
    """The filters of the rule, and behind them those of its only backendRef."""
    return [*rule["filters"], *(each for ref in rule.get("backendRefs", ()) for each in ref.get("filters", ()))]


def member(rule: Manifest | None, kind: str) -> Manifest:
    """What the rule's filter of type ``kind`` holds; empty without one."""
    name = {"URLRewrite": "urlRewrite", "CORS": "cors"}.get(kind, kind[0].lower() + kind[1:])
    filters = [] if rule is None else all_filters(rule)
    nothing: Manifest = {}
    return next((each[name] for each in filters if each["type"] == kind), nothing)


def _unique(names: tuple[str, ...], *, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), max_size=most, unique_by=str.lower)


@st.composite
def _conditions(draw: st.DrawFn, names: tuple[str, ...], values: tuple[str, ...]) -> list[Manifest]:
    chosen = draw(_unique(names, most=1) | _unique(names, most=2))
    return [{"name": name, "value": draw(st.sampled_from(values))} for name in chosen]


@st.composite
def _match(draw: st.DrawFn) -> Manifest:
    kinds = ["PathPrefix", "PathPrefix", "Exact", *(["RegularExpression"] if available("RegularExpression") else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "RegularExpression":
        value = draw(st.sampled_from(("/v1/.*", "/v[0-9]", "/v1(/[a-z]+)?", "/.*c.*")))
    else:
        value = draw(st.sampled_from(PATHS))
    match: Manifest = {"path": {"type": kind, "value": value}}
    if headers := draw(st.just([]) | _conditions(HEADER_NAMES[:3], VALUES)):
        match["headers"] = headers
    if parameters := draw(st.just([]) | _conditions(PARAMETERS, PARAMETER_VALUES)):
        match["queryParams"] = parameters
    if method := draw(st.sampled_from((None, None, None, "GET", "GET", "POST", "POST", "OPTIONS"))):
        match["method"] = method
    return match


@st.composite
def _changes(draw: st.DrawFn) -> Manifest:
    names = draw(st.permutations([*HEADER_NAMES, "X-Up", "Server", "Set-Cookie"]))
    pairs = [{"name": name, "value": draw(st.sampled_from(VALUES))} for name in names[:4]]
    change: Manifest = {
        "set": pairs[: draw(st.integers(0, 2))],
        "add": pairs[2 : draw(st.integers(2, 4))],
        "remove": list(names[4 : draw(st.integers(4, 6))]),
    }
    return {key: value for key, value in change.items() if value} or {"remove": ["X-One"]}


@st.composite
def _path_modifier(draw: st.DrawFn, prefixed: bool) -> Manifest | None:
    value = draw(st.sampled_from(("/c/v1", "/c/v1/", "/", "", "/new")))
    kind = draw(st.sampled_from((None, "ReplaceFullPath", "ReplacePrefixMatch", "ReplacePrefixMatch")))
    if kind is None or (kind == "ReplacePrefixMatch" and not prefixed):
        return None
    return {"type": kind, kind[0].lower() + kind[1:]: value}


@st.composite
def _rewrite(draw: st.DrawFn, prefixed: bool) -> Manifest:
    hostname = draw(st.sampled_from((None, "provider.test")))
    path = draw(_path_modifier(prefixed))
    return {"hostname": hostname or "provider.test"} if path is None else _given(hostname=hostname, path=path)


@st.composite
def _redirect(draw: st.DrawFn, prefixed: bool) -> Manifest:
    return _given(
        scheme=draw(st.sampled_from((None, "http", "https"))),
        hostname=draw(st.sampled_from((None, "provider.test"))),
        port=draw(st.sampled_from((None, 80, 443, 8443))),
        path=draw(_path_modifier(prefixed)),
        statusCode=draw(st.sampled_from((301, 302, 307))),
    )


def _given(**members: object) -> Manifest:
    return {name: value for name, value in members.items() if value is not None}


@st.composite
def _cors(draw: st.DrawFn) -> Manifest:
    return _given(
        allowOrigins=draw(st.sampled_from(ALLOWED_ORIGINS)),
        allowMethods=draw(st.sampled_from((None, ["GET", "POST"], ["*"]))),
        allowHeaders=draw(st.sampled_from((None, ["X-One", "Content-Type"], ["*"]))),
        exposeHeaders=draw(st.sampled_from((None, ["X-Up"], ["X-Up", "X-Kept"], ["*"]))),
        allowCredentials=draw(st.sampled_from((None, True, False))),
        maxAge=draw(st.sampled_from((None, 60))),
    )


_BACKEND = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "upstream"}


@st.composite
def _rule(draw: st.DrawFn) -> tuple[Manifest, list[Manifest]]:
    matches = draw(st.lists(_match(), min_size=1, max_size=2))
    prefixed = len(matches) == 1 and matches[0]["path"]["type"] == "PathPrefix"
    filters: list[Manifest] = []
    if draw(st.booleans()):
        filters.append({"type": "RequestHeaderModifier", "requestHeaderModifier": draw(_changes())})
    if draw(st.sampled_from((True, False, False))):
        filters.append({"type": "ResponseHeaderModifier", "responseHeaderModifier": draw(_changes())})
    if draw(st.sampled_from((True, False, False, False))) and available("CORS"):
        filters.append({"type": "CORS", "cors": draw(_cors())})
    other = draw(st.sampled_from(("", "URLRewrite", "URLRewrite", "RequestRedirect")))
    if other == "URLRewrite":
        filters.append({"type": other, "urlRewrite": draw(_rewrite(prefixed))})
    elif other and available(other):
        filters.append({"type": other, "requestRedirect": draw(_redirect(prefixed))})
    objects: list[Manifest] = draw(_extension(rewriting=other != "")) if other != "RequestRedirect" else []
    rule: Manifest = {"matches": matches, "filters": draw(st.permutations(filters)), "backendRefs": [_BACKEND]}
    if other == "RequestRedirect" and available(other):
        del rule["backendRefs"]
    return rule, objects


@st.composite
def _some_on_the_backend(draw: st.DrawFn, rule: Manifest) -> None:
    """The last filters of a rule stand on its backendRef instead, now and then: with one backend it is the same."""
    filters: list[Manifest] = rule["filters"]
    if draw(st.sampled_from((True, *[False] * 3))):
        kept = draw(st.integers(0, len(filters)))
        # A redirect answers where it stands, and only on a backendRef may there be a backend beside it.
        redirected = next((at for at, each in enumerate(filters) if each["type"] == "RequestRedirect"), kept)
        kept = min(kept, redirected)
        rule["backendRefs"] = [{**_BACKEND, "filters": filters[kept:]}]
        rule["filters"] = filters[:kept]


@st.composite
def _extension(draw: st.DrawFn, *, rewriting: bool) -> list[Manifest]:
    """An HTTPRouteFilter with its Secret, or nothing; without a rewrite of its own in a rule that is ``rewriting``."""
    spec: Manifest = {}
    if draw(st.booleans()):
        spec["credentialInjection"] = draw(_injection())
    if draw(st.sampled_from((True, False, False))) and not rewriting:
        spec["urlRewrite"] = draw(_extended_rewrite())
    elif draw(st.sampled_from((True, *[False] * 7))) and not rewriting:
        spec["directResponse"] = draw(_direct_response())
    if draw(st.sampled_from((True, *[False] * 4))):
        spec["matches"] = draw(st.lists(st.sampled_from(COOKIES), min_size=1, max_size=2))
    found = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "HTTPRouteFilter",
        "metadata": {"name": "KEY"},
        "spec": spec,
    }
    value = draw(st.sampled_from(("Bearer k-1", "k-2", " Bearer k-3", "Bearer k-4\n", None)))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "KEY"}, "stringData": {CREDENTIAL_KEY: value}}
    return [each for each in (found, secret) if spec and (each is found or value is not None)]


@st.composite
def _injection(draw: st.DrawFn) -> Manifest:
    return _given(
        header=draw(st.sampled_from((None, None, "X-Api-Key", "x-other-key"))),
        overwrite=draw(st.sampled_from((None, True, True, False))),
        credential={"valueRef": {"name": "KEY"}},
    )


@st.composite
def _extended_rewrite(draw: st.DrawFn) -> Manifest:
    path = draw(st.sampled_from((None, *_PATTERNS)))
    hosts = ({"type": "Header", "header": "X-One"}, *({"type": "PathRegex", "pathRegex": each} for each in _HOSTS))
    hostname = draw(st.sampled_from(hosts if path is None else (None, *hosts)))
    replaced = None if path is None else {"type": "ReplaceRegexMatch", "replaceRegexMatch": path}
    return _given(path=replaced, hostname=hostname)


@st.composite
def _direct_response(draw: st.DrawFn) -> Manifest:
    body = {"type": "Inline", "inline": draw(st.sampled_from(("told", '{"told": true}', "é")))}
    return _given(
        statusCode=draw(st.sampled_from((None, 201, 404, 503))),
        body=draw(st.sampled_from((None, body, body))),
        contentType=draw(st.sampled_from((None, "application/json"))),
    )


@st.composite
def _route(draw: st.DrawFn, name: str) -> tuple[Manifest, list[Manifest]]:
    rules: list[Manifest] = []
    others: list[Manifest] = []
    # Rules have names in Gateway API; here they tell which one was taken.
    for index, (rule, objects) in enumerate(draw(st.lists(_rule(), min_size=1, max_size=3))):
        key = f"{name}-{index}"
        if objects:
            ref = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": key}
            rule["filters"] = [*rule["filters"], {"type": "ExtensionRef", "extensionRef": ref}]
        if not any("matches" in each.get("spec", ()) for each in objects):
            draw(_some_on_the_backend(rule))
        others += json.loads(json.dumps(objects).replace("KEY", key))
        rules.append({"name": key, **rule})
    spec: Manifest = {"parentRefs": [{"name": "gateway", "sectionName": "NAME"}], "rules": rules}
    if hostnames := draw(st.sampled_from(HOSTNAMES)):
        spec["hostnames"] = list(hostnames)
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
    return {**kind, "metadata": {"name": name}, "spec": spec}, others


@st.composite
def cases(draw: st.DrawFn, requests: int) -> Case:
    """A case of one or two HTTPRoutes with this many requests."""
    names = draw(st.sampled_from((("NAME-a",), ("NAME-a",), ("NAME-a", "NAME-b"))))
    written = [draw(_route(name)) for name in names]
    routes = tuple(route for route, _ in written)
    others = tuple(each for _, objects in written for each in objects)
    return Case(routes, others, tuple(draw(_request(routes)) for _ in range(requests)))


@st.composite
def _request(draw: st.DrawFn, routes: tuple[Manifest, ...]) -> bytes:
    rules = [rule for route in routes for rule in route["spec"]["rules"]]
    rule = draw(st.sampled_from(rules))
    match = draw(st.sampled_from(rule["matches"]))
    if member(rule, "CORS") and draw(st.booleans()):
        return draw(_cross_origin(match))
    method = match.get("method") or draw(st.sampled_from(("GET", "GET", "POST", "HEAD", "DELETE", "OPTIONS")))
    target = draw(_path(match["path"])) + draw(_query(match.get("queryParams", ())))
    lines = [("Host", draw(st.sampled_from(HOSTS))), *draw(_headers(match.get("headers", ())))]
    body = draw(st.sampled_from(("", "", "{}"))) if method in ("POST", "DELETE") else ""
    if body:
        chunked = draw(st.booleans())
        lines.append(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body))))
        body = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n" if chunked else body
    head = "".join(f"{name}:{draw(st.sampled_from((' ', '', '  ')))}{value}\r\n" for name, value in lines)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n{body}".encode("latin-1")


@st.composite
def _cross_origin(draw: st.DrawFn, match: Manifest) -> bytes:
    target = draw(_path(match["path"])) + draw(_query(match.get("queryParams", ())))
    lines = [("Host", draw(st.sampled_from(HOSTS))), ("Origin", draw(st.sampled_from(ORIGINS)))]
    method = match.get("method") or "GET"
    lines += [(each["name"], each["value"]) for each in match.get("headers", ())]
    lines += draw(st.sampled_from(((), (("X-Answer", "2"),), (("X-Answer", "7"),))))
    if draw(st.booleans()):
        lines.append(("Access-Control-Request-Method", draw(st.sampled_from((method, method, "PUT")))))
        lines += draw(st.sampled_from(((), (("Access-Control-Request-Headers", "x-one,x-other"),))))
        method = "OPTIONS"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


_SUFFIXES = (
    *("",) * 14,
    *("/", "/x", "/chat", "//x", "//", "/.", "/..", "/../v1", "/x/../y", "/./x", "/%2e%2e/v1/z", "/..;/v1"),
    *("x", "beta", "/%7euser", "/%41", "/%C3%A9", "/%c3%a9", "/%zz", "/%", "/%%34%31", "/a%20b", "/%252e", "/a%2Fb"),
    *("/%5c", "/;p=1", "\\x", '/"<>|^`{}', "/a:b@c!$&'()*+,=[]", "/%00", "/%2e%2e;/v1", "/..%2fx"),
)


@st.composite
def _path(draw: st.DrawFn, match: Manifest) -> str:
    value: str = match["value"]
    if match["type"] == "RegularExpression":
        value = draw(st.sampled_from(("/v1/abc", "/v7", "/v1", "/xcx")))
    spelled = draw(st.sampled_from((value, value, value, value.upper(), "/" + value, value.replace("v", "%76"), "/")))
    return spelled + draw(st.sampled_from(_SUFFIXES))


@st.composite
def _query(draw: st.DrawFn, conditions: list[Manifest]) -> str:
    spellings = {"1": "1", "a b": "a%20b", "x+y": "x%2By", "é": "%C3%A9"}
    wanted = [f"{each['name']}={spellings[each['value']]}" for each in conditions]
    stray = draw(st.lists(st.sampled_from(_PARAMETERS), max_size=2))
    present = wanted if draw(st.integers(0, 5)) else wanted[:0]
    parts = draw(st.permutations([*present, *stray]))
    return "?" + "&".join(parts) if parts else draw(st.sampled_from(("", "", "", "?")))


_PARAMETERS = (
    "q=1",
    "q=2",
    "Q=1",
    "q",
    "q=",
    "model=a+b",
    "model=a%20b",
    "m=%2e%2e/%41",
    "u=//x/../y",
    "=1",
    "",
)
_STRAY = (
    *(
        ("X-One", "1"),
        ("x-one", "2"),
        ("X-TWO", "a b"),
        ("Authorization", "Bearer client"),
        ("authorization", "Basic b"),
    ),
    *(("X-Api-Key", "client"), ("X-Api-Key", ""), ("Accept", "*/*"), ("Accept", "text/html"), ("User-Agent", "t/1")),
    *(
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("Cookie", "a=1; b=2"),
        ("Cookie", 'b=2; a="7"'),
        ("X-Answer", "1"),
        ("X-Answer", "2"),
        ("X-Answer", "3"),
        ("X-Answer", "4"),
    ),
    *(("X-Answer", "5"), ("X-Answer", "6"), ("Connection", "keep-alive, X-One"), ("Connection", "authorization")),
    *(("Connection", "close"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("TE", "trailers")),
    *(("TE", "gzip"), ("Trailer", "X-T"), ("Proxy-Authorization", "Basic x"), ("Upgrade", "websocket"), ("X-Up", "é")),
    *(("X-Empty", ""), ("Via", "1.1 c"), ("Forwarded", "for=1.2.3.4"), ("X-Real-Ip", "1.2.3.4"), ("Expect", "200-ok")),
    *(
        ("X-Long", "a" * 2000),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x_under", "1"),
    ),
)


@st.composite
def _headers(draw: st.DrawFn, conditions: list[Manifest]) -> list[tuple[str, str]]:
    wanted = [(draw(st.sampled_from((str.lower, str.upper, str)))(each["name"]), each["value"]) for each in conditions]
    stray = draw(st.lists(st.sampled_from(_STRAY), max_size=4))
    return draw(st.permutations([*(wanted if draw(st.integers(0, 5)) else []), *stray]))
