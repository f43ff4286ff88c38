"""Cases as Envoy's static configuration, field by field as Envoy Gateway would have written it.

Translated once more from the manifests and on purpose not with our own code: agreement would prove nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from written_cases import CREDENTIAL_KEY, LISTENER_PORT, Case, Manifest, all_filters, member

_TYPE = "type.googleapis.com/envoy."
_INJECTOR = "envoy.filters.http.credential_injector/"
_CORS = "envoy.filters.http.cors"
_CORS_TYPE = _TYPE + "extensions.filters.http.cors.v3."
_MARKING = "envoy.filters.http.header_mutation"
_MARKING_TYPE = _TYPE + "extensions.filters.http.header_mutation.v3.HeaderMutation"
_CLUSTER = "upstream"
_RUNTIME = {
    # Envoy Gateway's own.
    "re2.max_program_size.error_level": 2**32 - 1,
    # Gateway API follows RFC 9110 5.3: several lines are one value, joined. Envoy 1.40 takes any one line.
    "envoy.reloadable_features.match_headers_individually": False,
}
RULE_MARK = "x-differential-rule"
"""The response header that names the rule that Envoy has taken."""
MEANT = "x-differential-meant"
"""The request header that names the rule that Envoy has taken for what a preflight announces."""
_PATH_ORDER = ("Exact", "RegularExpression", "PathPrefix")


def configuration(cases: Sequence[Case], upstream_port: int) -> dict[str, Any]:
    """The bootstrap for ``cases``, one listener in front of ``upstream_port``."""
    injections = [found for case in cases for found in _injections(case)]
    manager = {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "codec_type": "AUTO",
        "stat_prefix": "http",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        # Envoy Gateway leaves it at 1 s, which would be spent after each refusal.
        "delayed_close_timeout": "0.02s",
        "http_filters": [
            {"name": _MARKING, "typed_config": {"@type": _MARKING_TYPE}},
            {"name": _CORS, "typed_config": {"@type": _CORS_TYPE + "Cors"}},
            *(_injector(name, spec) for name, spec, _ in injections),
            _router(),
        ],
        "route_config": {
            "name": "routes",
            "ignore_port_in_host_matching": True,
            "virtual_hosts": [host for case in cases for host in _virtual_hosts(case)],
        },
    }
    chain = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {"name": "listener", "default_filter_chain": {"filters": chain}}
    secrets = [_secret(name, value) for name, _, value in injections]
    return {
        "static_resources": {"secrets": secrets, "listeners": [listener], "clusters": [_cluster(upstream_port)]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _RUNTIME}]},
    }


def credential(case: Case, rule: Manifest) -> tuple[Manifest, str | None] | None:
    """The credentialInjection of a rule, with the Secret's value; None for a rule without one."""
    injection = extension(case, rule).get("credentialInjection")
    if injection is None:
        return None
    secret = _named(case, rule).get("Secret")
    return injection, None if secret is None else secret["stringData"][CREDENTIAL_KEY]


def extension(case: Case, rule: Manifest) -> Manifest:
    """What the rule's HTTPRouteFilter says; empty without one."""
    return _named(case, rule).get("HTTPRouteFilter", {}).get("spec", {})


def _named(case: Case, rule: Manifest) -> dict[str, Manifest]:
    names = [each["extensionRef"]["name"] for each in all_filters(rule) if each["type"] == "ExtensionRef"]
    return {each["kind"]: each for each in case.others if each["metadata"]["name"] in names}


def _injections(case: Case) -> Iterator[tuple[str, Manifest, str]]:
    for route in case.routes:
        for rule in route["spec"]["rules"]:
            found = credential(case, rule)
            if found is not None and found[1] is not None:
                yield _filter_of(rule), found[0], found[1]


def _filter_of(rule: Manifest) -> str:
    return next(each["extensionRef"]["name"] for each in all_filters(rule) if each["type"] == "ExtensionRef")


def _injector(name: str, spec: Manifest) -> dict[str, Any]:
    generic = {
        "@type": _TYPE + "extensions.http.injected_credentials.generic.v3.Generic",
        "credential": {"name": name},
        **({"header": spec["header"]} if "header" in spec else {}),
    }
    return {
        "name": _INJECTOR + name,
        "disabled": True,
        "typed_config": {
            "@type": _TYPE + "extensions.filters.http.credential_injector.v3.CredentialInjector",
            "overwrite": spec.get("overwrite", False),
            "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
        },
    }


def _router() -> dict[str, Any]:
    typed = {"@type": _TYPE + "extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": typed}


def _secret(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "generic_secret": {"secret": {"inline_string": value}}}


def _cluster(port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {
        "name": _CLUSTER,
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": _CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _virtual_hosts(case: Case) -> Iterator[dict[str, Any]]:
    listener = "*." + _domain(case)
    names = {name for route in case.routes for name in route["spec"].get("hostnames", [listener])}
    for name in sorted(names):
        # Envoy looks into one virtual host only. What a less specific host name takes besides is put behind it.
        covering = sorted(
            (each for each in names if _covers(each, name)), key=lambda each: (each[0] == "*", -len(each))
        )
        routes = [entry for each in covering for entry in _sorted_routes(case, each, listener)]
        yield {"name": name, "domains": [name], "routes": routes}


def _domain(case: Case) -> str:
    return case.routes[0]["spec"]["parentRefs"][0]["sectionName"] + ".test"


def _covers(pattern: str, name: str) -> bool:
    return pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _sorted_routes(case: Case, hostname: str, listener: str) -> list[dict[str, Any]]:
    taken = [
        ({**match, **more}, rule)
        for route in case.routes
        if hostname in route["spec"].get("hostnames", [listener])
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        for more in extension(case, rule).get("matches", ({},))
    ]
    ordered = sorted([*taken, *_for_preflights(taken)], key=lambda each: _precedence(each[0]))
    return [_marked(entry, rule) for match, rule in ordered for entry in _routes(case, match, rule)]


def _for_preflights(taken: Iterable[tuple[Manifest, Manifest]]) -> Iterator[tuple[Manifest, Manifest]]:
    """Envoy looks for OPTIONS only. We have the match for a method take the preflights that announce it."""
    for match, rule in taken:
        if match.get("method", "OPTIONS") != "OPTIONS" and member(rule, "CORS"):
            yield {**match, "method": "OPTIONS", "announced": [rule["name"], match["method"]]}, rule


def _marked(entry: dict[str, Any], rule: Manifest) -> dict[str, Any]:
    # Says which rule was taken; the comparison takes it off. A filter says it of preflights too.
    mark = {"header": {"key": RULE_MARK, "value": rule["name"]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    marking = {"@type": _MARKING_TYPE + "PerRoute", "mutations": {"response_mutations": [{"append": mark}]}}
    return _configured(entry, _MARKING, marking)


def _configured(entry: dict[str, Any], name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "typed_per_filter_config": {**entry.get("typed_per_filter_config", {}), name: config}}


def _precedence(match: Manifest) -> tuple[int, ...]:
    path = match["path"]
    fields = (-len(match.get("headers", ())), -len(match.get("queryParams", ())))
    cookies = -len(match.get("cookies", ()))
    return (_PATH_ORDER.index(path["type"]), -len(path["value"]), "method" not in match, *fields, cookies)


def _routes(case: Case, match: Manifest, rule: Manifest) -> Iterator[dict[str, Any]]:
    found = credential(case, rule)
    entry: dict[str, Any] = {"match": _match(match), **_action(case, match, rule)}
    if cors := member(rule, "CORS"):
        entry = _configured(entry, _CORS, _cors_policy(cors))
        yield from _granting(entry, cors)
    if found is None:
        yield entry
    elif found[1] is not None:
        enabled: dict[str, Any] = {"@type": _TYPE + "config.route.v3.FilterConfig", "config": {}}
        yield _configured(entry, _INJECTOR + _filter_of(rule), enabled)
    else:
        yield from _routes_without_secret(entry, found[0], rule)


def _cors_policy(cors: Manifest) -> dict[str, Any]:
    lists = {"allow_methods": "allowMethods", "allow_headers": "allowHeaders", "expose_headers": "exposeHeaders"}
    return {
        "@type": _CORS_TYPE + "CorsPolicy",
        "allow_origin_string_match": [_origin(each) for each in cors["allowOrigins"]],
        **{field: ", ".join(cors[name]) for field, name in lists.items() if name in cors},
        "max_age": str(cors.get("maxAge", 5)),
        "allow_credentials": cors.get("allowCredentials", False),
        "forward_not_matching_preflights": False,
    }


def _granting(entry: dict[str, Any], cors: Manifest) -> Iterator[dict[str, Any]]:
    """Envoy looks at CORS where a request goes to a cluster only. Other entries get some that do the same."""
    asked = [{"name": name, "present_match": True} for name in ("origin", "access-control-request-method")]
    options = {"name": ":method", "string_match": {"exact": "OPTIONS"}}
    names = ("match", "typed_per_filter_config")
    yield {**_where({name: entry[name] for name in names}, options, *asked), "route": {"cluster": _CLUSTER}}
    if "route" not in entry:
        grants = {"access-control-allow-origin": "%REQ(origin)%"}
        grants |= {"access-control-allow-credentials": "true"} if cors.get("allowCredentials") else {}
        grants |= {"access-control-expose-headers": ", ".join(cors["exposeHeaders"])} if "exposeHeaders" in cors else {}
        headers = [{"header": {"key": name, "value": value}} for name, value in grants.items()]
        for each in cors["allowOrigins"]:
            found = _where(entry, {"name": "origin", "string_match": _origin(each)})
            yield {**found, "response_headers_to_add": [*entry["response_headers_to_add"], *headers]}


def _where(entry: dict[str, Any], *headers: dict[str, Any]) -> dict[str, Any]:
    """The entry, for requests with these headers."""
    match = entry["match"]
    return {**entry, "match": {**match, "headers": [*match["headers"], *headers]}}


def _origin(pattern: str) -> dict[str, Any]:
    if "*" not in pattern:
        return {"exact": pattern}
    return {"safe_regex": {"regex": pattern.replace(".", r"\.").replace("*", ".*")}}


def _routes_without_secret(entry: dict[str, Any], injection: Manifest, rule: Manifest) -> Iterator[dict[str, Any]]:
    # Envoy Gateway refuses everything. We answer what is not sent on, and let pass what carries a credential of its
    # own that may stand.
    if "direct_response" in entry:
        yield entry
    name = injection.get("header", "Authorization").lower()
    change = member(rule, "RequestHeaderModifier")
    written = {each["name"].lower() for each in (*change.get("set", ()), *change.get("add", ()))}
    if not injection.get("overwrite") and name in written:
        yield entry
    elif not injection.get("overwrite") and name not in [each.lower() for each in change.get("remove", ())]:
        yield _where(entry, {"name": name, "present_match": True})
    yield {"match": entry["match"], "direct_response": {"status": 500}}


def _action(case: Case, match: Manifest, rule: Manifest) -> dict[str, Any]:
    entry = _header_changes("request", member(rule, "RequestHeaderModifier"))
    entry |= _header_changes("response", member(rule, "ResponseHeaderModifier"))
    if redirect := member(rule, "RequestRedirect"):
        return {**entry, "redirect": _redirect(redirect, match)}
    if "directResponse" in extension(case, rule):
        return _direct_response(entry, extension(case, rule)["directResponse"])
    rewrite = {**_rewrite(member(rule, "URLRewrite"), match), **_extended(extension(case, rule).get("urlRewrite", {}))}
    return {**entry, "route": {"cluster": _CLUSTER, "upgrade_configs": [{"upgrade_type": "websocket"}], **rewrite}}


def _match(match: Manifest) -> dict[str, Any]:
    path, value = match["path"], match["path"]["value"]
    stem = value.removesuffix("/")
    match path["type"]:
        case "Exact":
            entry: dict[str, Any] = {"path": value}
        case "RegularExpression":
            entry = {"safe_regex": {"regex": value}}
        case _:
            entry = {"path_separated_prefix": stem} if stem else {"prefix": "/"}
    headers = [_exact(each) for each in match.get("headers", ())]
    if "method" in match:
        headers.append(_exact({"name": ":method", "value": match["method"]}))
    if "announced" in match:
        names = (MEANT, "access-control-request-method")
        pairs = zip(names, match["announced"], strict=True)
        headers += [_exact({"name": name, "value": value}) for name, value in pairs]
    parameters = [_in_any_spelling(each) for each in match.get("queryParams", ())]
    cookies = [_cookie(each) for each in match.get("cookies", ())]
    return {**entry, "headers": headers, "query_parameters": parameters, **({"cookies": cookies} if cookies else {})}


def _cookie(condition: Manifest) -> dict[str, Any]:
    if condition.get("type") == "RegularExpression":
        return {"name": condition["name"], "string_match": {"safe_regex": {"regex": condition["value"]}}}
    return _exact(condition)


def _exact(condition: Manifest) -> dict[str, Any]:
    return {"name": condition["name"], "string_match": {"exact": condition["value"]}}


def _in_any_spelling(condition: Manifest) -> dict[str, Any]:
    # Envoy compares what stands on the wire, we compare what it means.
    spellings = "".join(
        f"(?:{re.escape(chr(byte))}|%{byte:02X}|%{byte:02x})" if byte < 0x80 else f"%(?:{byte:02X}|{byte:02x})"
        for byte in condition["value"].encode()
    )
    regex = spellings.replace(r"(?:\ |", r"(?:\+|").replace(r"(?:\+|%2B|%2b)", "(?:%2B|%2b)")
    return {"name": condition["name"], "string_match": {"safe_regex": {"regex": regex}}}


def _header_changes(side: str, change: Manifest) -> dict[str, Any]:
    changes = [
        *_added(change.get("set", ()), "OVERWRITE_IF_EXISTS_OR_ADD"),
        *_added(change.get("add", ()), "APPEND_IF_EXISTS_OR_ADD"),
    ]
    return {f"{side}_headers_to_add": changes, f"{side}_headers_to_remove": change.get("remove", [])}


def _added(pairs: Iterable[Manifest], action: str) -> Iterator[dict[str, Any]]:
    for pair in pairs:
        header = {"key": pair["name"], "value": pair["value"].replace("%", "%%")}
        yield {"header": header, "append_action": action, "keep_empty_value": True}


def _rewrite(rewrite: Manifest, match: Manifest) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "hostname" in rewrite:
        fields = {"host_rewrite_literal": rewrite["hostname"], "append_x_forwarded_host": True}
    path = rewrite.get("path", {})
    if "replaceFullPath" in path:
        fields["regex_rewrite"] = _regex_rewrite("^/.*$", path["replaceFullPath"] or "/")
    if "replacePrefixMatch" in path:
        value, prefix = path["replacePrefixMatch"], match["path"]["value"]
        if value in ("", "/"):
            fields["regex_rewrite"] = _regex_rewrite("^" + re.escape(prefix) + r"\/*", "/")
        else:
            fields["prefix_rewrite"] = _prefix_rewrite(prefix, value)
    return fields


def _extended(rewrite: Manifest) -> dict[str, Any]:
    """The rewrite of an HTTPRouteFilter."""
    fields: dict[str, Any] = {}
    if "path" in rewrite:
        fields["regex_rewrite"] = _replacement(rewrite["path"]["replaceRegexMatch"])
    hostname = rewrite.get("hostname", {})
    if "header" in hostname:
        fields["host_rewrite_header"] = hostname["header"]
    if "pathRegex" in hostname:
        fields["host_rewrite_path_regex"] = _replacement(hostname["pathRegex"])
    return {**fields, "append_x_forwarded_host": True} if hostname else fields


def _replacement(written: Manifest) -> dict[str, Any]:
    return _regex_rewrite(written["pattern"], written["substitution"])


def _direct_response(entry: dict[str, Any], response: Manifest) -> dict[str, Any]:
    fields: dict[str, Any] = {**entry, "direct_response": {"status": response.get("statusCode", 200)}}
    if "body" in response:
        fields["direct_response"]["body"] = {"inline_string": response["body"]["inline"]}
    if "contentType" in response:
        header = {"key": "content-type", "value": response["contentType"]}
        typed = {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        fields["response_headers_to_add"] = [typed, *fields["response_headers_to_add"]]
    return fields


def _prefix_rewrite(prefix: str, value: str) -> str:
    # Envoy Gateway cuts the slash here too, which glues the replacement to what follows the prefix "/".
    return value.removesuffix("/") + ("/" if prefix == "/" else "")


def _regex_rewrite(pattern: str, substitution: str) -> dict[str, Any]:
    return {"pattern": {"regex": pattern}, "substitution": substitution}


def _redirect(redirect: Manifest, match: Manifest) -> dict[str, Any]:
    codes = {
        301: "MOVED_PERMANENTLY",
        302: "FOUND",
        303: "SEE_OTHER",
        307: "TEMPORARY_REDIRECT",
        308: "PERMANENT_REDIRECT",
    }
    well_known = {"http": 80, "https": 443}.get(redirect.get("scheme", ""), LISTENER_PORT)
    fields: dict[str, Any] = {
        "response_code": codes[redirect["statusCode"]],
        "port_redirect": redirect.get("port", well_known),
    }
    if "scheme" in redirect:
        fields["scheme_redirect"] = redirect["scheme"]
    if "hostname" in redirect:
        fields["host_redirect"] = redirect["hostname"]
    path = redirect.get("path", {})
    if "replaceFullPath" in path:
        fields["path_redirect"] = path["replaceFullPath"] or "/"
    if "replacePrefixMatch" in path:
        value, prefix = path["replacePrefixMatch"], match["path"]["value"]
        if value in ("", "/"):
            fields["regex_rewrite"] = _regex_rewrite("^" + re.escape(prefix) + r"\/*", "/")
        else:
            fields["prefix_rewrite"] = _prefix_rewrite(prefix, value)
    return fields
