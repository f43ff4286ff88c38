"""Where we differ from Envoy on purpose: one named rule each, and nothing else is left out of the comparison.

A rule takes what Envoy made of a request and gives what it would have made of it with our difference. The names
are the headings of ``docs/differences-from-envoy.md``, where the reasons are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from outcomes import Exchange, Fields, Outcome
from written_cases import Manifest, member

from gateway_filters.errors import BadRequest
from gateway_filters.message.canonical import canonical_path


def for_envoy(request: bytes) -> bytes:
    """The request that Envoy gets in place of ``request``."""
    for difference in DIFFERENCES.values():
        request = request if difference.before is None else difference.before(request)
    return request


def expected(envoy: Outcome, exchange: Exchange) -> Outcome:
    """What we should have made of a request, by what Envoy made of it."""
    for difference in DIFFERENCES.values():
        envoy = envoy if difference.after is None else difference.after(envoy, exchange)
    return envoy


@dataclass(frozen=True)
class Difference:
    """``before`` changes what Envoy is sent, ``after`` what it made of it.

    Neither: the Envoy configuration is written accordingly.
    """

    before: Callable[[bytes], bytes] | None = None
    after: Callable[[Outcome, Exchange], Outcome] | None = None


def _forwarding(envoy: Outcome, **changes: Any) -> Outcome:
    return envoy if envoy.forwarded is None else replace(envoy, forwarded=replace(envoy.forwarded, **changes))


def _without(fields: Fields, *names: bytes) -> Fields:
    return {name: values for name, values in fields.items() if name not in names}


def _request_without(envoy: Outcome, *names: bytes) -> Outcome:
    return envoy if envoy.forwarded is None else _forwarding(envoy, headers=_without(envoy.forwarded.headers, *names))


def _refused(envoy: Outcome, status: int) -> Outcome:
    return replace(envoy, forwarded=None, status=status)


_ESCAPED_SLASH = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_DOTS_WITH_PARAMETERS = re.compile(rb"(?:\.|%2e){1,2};", re.IGNORECASE)


def _canonical_twice(request: bytes) -> bytes:
    method, target, rest = request.split(b" ", 2)
    path, mark, query = target.partition(b"?")
    try:
        canonical = canonical_path(path)
    except BadRequest:
        return request
    changing = canonical == b"/" or _DOTS_WITH_PARAMETERS.search(path)
    return b"%b %b%b%b %b" % (method, canonical, mark, query, rest) if changing else request


def _escaped_slashes(envoy: Outcome, exchange: Exchange) -> Outcome:
    redirected = envoy.status == 307 and exchange.rule is None
    return _refused(envoy, 400) if redirected and _ESCAPED_SLASH.search(exchange.path) else envoy


def _missing_secret(envoy: Outcome, exchange: Exchange) -> Outcome:
    missing = exchange.injection is not None and exchange.injection[1] is None
    if not missing or envoy.status != 500:
        return envoy
    # A Host or path that comes out unusable is found before a credential is asked for.
    rewritten = "urlRewrite" in exchange.extension
    return _refused(envoy, 400 if rewritten and exchange.ours.status == 400 else 503)


def _error_bodies(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is not None or envoy.status < 400 or "directResponse" in exchange.extension:
        return envoy
    return replace(envoy, headers=exchange.ours.headers, body=exchange.ours.body)


def _client_headers(envoy: Outcome, exchange: Exchange) -> Outcome:
    del exchange
    added = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id")
    return _request_without(envoy, *added, b"x-envoy-external-address")


def _credential_last(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is None or exchange.injection is None:
        return envoy
    spec, value = exchange.injection
    name = spec.get("header", "Authorization").lower()
    change = member(exchange.rule, "RequestHeaderModifier")
    touched = [each["name"].lower() for each in (*change.get("set", ()), *change.get("add", ()))]
    if value is None or name not in (*touched, *(each.lower() for each in change.get("remove", ()))):
        return envoy
    left = _modified(exchange.client_values(name.encode()), name, change)
    if spec.get("overwrite") or not left:
        left = (value.strip().encode(),)
    return _forwarding(envoy, headers={**envoy.forwarded.headers, name.encode(): left})


def _one_credential(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is None or exchange.injection is None or exchange.injection[0].get("overwrite"):
        return envoy
    name = exchange.injection[0].get("header", "Authorization").lower()
    change = member(exchange.rule, "RequestHeaderModifier")
    left = _modified(exchange.client_values(name.encode()), name, change)
    return _forwarding(envoy, headers={**envoy.forwarded.headers, name.encode(): left[:1]}) if left[1:] else envoy


def _modified(values: tuple[bytes, ...], name: str, change: Manifest) -> tuple[bytes, ...]:
    def of(action: str) -> tuple[bytes, ...]:
        return tuple(each["value"].encode() for each in change.get(action, ()) if each["name"].lower() == name)

    removed = name in (each.lower() for each in change.get("remove", ()))
    return (*(() if removed or of("set") else values), *of("set"), *of("add"))


_CLIENTS_OWN = (b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key", b"x-goog-api-key")


def _clients_credentials(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is None or exchange.injection is None:
        return envoy
    spec, _ = exchange.injection
    injected = spec.get("header", "Authorization").lower().encode()
    change = member(exchange.rule, "RequestHeaderModifier")
    written = {
        each["name"].lower().encode(): each["value"].encode()
        for each in (*change.get("set", ()), *change.get("add", ()))
    }
    headers = dict(envoy.forwarded.headers)
    for name in _CLIENTS_OWN:
        if name == injected:
            headers[name] = headers.get(name, ())[:1]
        elif name in written:
            headers[name] = (written[name],)
        else:
            headers.pop(name, None)
    return _forwarding(envoy, headers=headers)


def _claims(envoy: Outcome, exchange: Exchange) -> Outcome:
    sent = tuple(name for name in (b"x-real-ip", b"forwarded") if exchange.client_values(name))
    written = member(exchange.rule, "RequestHeaderModifier")
    meant = [each["name"].lower().encode() for each in (*written.get("set", ()), *written.get("add", ()))]
    return _request_without(envoy, *(name for name in sent if name not in meant))


def _blanks(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is None or exchange.injection is None or exchange.injection[1] is None:
        return envoy
    written = exchange.injection[1].rstrip("\r\n").encode()
    headers = {
        name: tuple(each.strip() if each == written else each for each in values)
        for name, values in envoy.forwarded.headers.items()
    }
    return _forwarding(envoy, headers=headers)


def _prefix_with_slash(envoy: Outcome, exchange: Exchange) -> Outcome:
    change = member(exchange.rule, "URLRewrite") or member(exchange.rule, "RequestRedirect")
    if exchange.rule is None or change.get("path", {}).get("replacePrefixMatch") not in ("", "/"):
        return envoy
    prefix: str = exchange.rule["matches"][0]["path"]["value"]
    stem = prefix.removesuffix("/").encode()
    if not prefix.endswith("/") or prefix == "/" or canonical_path(exchange.path) != stem:
        return envoy
    # A target is a path, a Location has an origin in front of it.
    kept = re.compile(rb"(\w+://[^/]*)?%b(?=\?|\Z)" % re.escape(stem))
    location = tuple(_at_root(kept, each) for each in envoy.headers.get(b"location", ()))
    if envoy.forwarded is None:
        return replace(envoy, headers={**envoy.headers, b"location": location}) if location else envoy
    return _forwarding(envoy, target=_at_root(kept, envoy.forwarded.target))


def _at_root(kept: re.Pattern[bytes], target: bytes) -> bytes:
    found = kept.match(target)
    return target if found is None else (found[1] or b"") + b"/" + target[found.end() :]


def _named_in_response(envoy: Outcome, exchange: Exchange) -> Outcome:
    kept = (b"connection", b"x-named") if exchange.answer_number == b"1" and envoy.forwarded is not None else ()
    change = member(exchange.rule, "ResponseHeaderModifier")
    assert not any(each["name"].lower() == "x-named" for each in (*change.get("set", ()), *change.get("add", ())))
    return replace(envoy, headers=_without(envoy.headers, *kept))


def _question_mark(envoy: Outcome, exchange: Exchange) -> Outcome:
    del exchange
    location = tuple(each.removesuffix(b"?") for each in envoy.headers.get(b"location", ()))
    headers = {**envoy.headers, b"location": location} if location else envoy.headers
    envoy = replace(envoy, headers=headers)
    return envoy if envoy.forwarded is None else _forwarding(envoy, target=envoy.forwarded.target.removesuffix(b"?"))


def _te_and_trailer(envoy: Outcome, exchange: Exchange) -> Outcome:
    del exchange
    return _request_without(envoy, b"te", b"trailer")


def _invented_length(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is None or b"content-length" in exchange.request.lower():
        return envoy
    empty = envoy.forwarded.headers.get(b"content-length") == (b"0",)
    return _request_without(envoy, b"content-length") if empty else envoy


def _own_lines(envoy: Outcome, exchange: Exchange) -> Outcome:
    ours = exchange.ours
    if envoy.forwarded is not None and ours.forwarded is not None:
        envoy = _forwarding(envoy, headers=_split_as(envoy.forwarded.headers, ours.forwarded.headers))
    return replace(envoy, headers=_split_as(envoy.headers, ours.headers))


def _varying(envoy: Outcome, exchange: Exchange) -> Outcome:
    if not member(exchange.rule, "CORS"):
        return envoy
    varying = (*envoy.headers.get(b"vary", ()), b"Origin")
    return replace(envoy, headers={**envoy.headers, b"vary": varying})


def _preflight_status(envoy: Outcome, exchange: Exchange) -> Outcome:
    if envoy.forwarded is not None or envoy.status != 200 or not exchange.is_preflight:
        return envoy
    return replace(envoy, status=204, headers=_without(envoy.headers, b"content-length"))


_GRANTED = b"access-control-allow-origin"


def _backend_grants(envoy: Outcome, exchange: Exchange) -> Outcome:
    if exchange.answer_number != b"7" or envoy.forwarded is None or not member(exchange.rule, "CORS"):
        return envoy
    names = (b"access-control-max-age", *([_GRANTED] if envoy.headers.get(_GRANTED) == (b"*",) else []))
    return replace(envoy, headers=_without(envoy.headers, *names))


def _nothing_granted(envoy: Outcome, exchange: Exchange) -> Outcome:
    if not exchange.is_preflight or envoy.forwarded is not None or _GRANTED in envoy.headers:
        return envoy
    grants = [name for name in envoy.headers if name.startswith(b"access-control-")]
    return replace(envoy, headers=_without(envoy.headers, *grants))


def _stars(envoy: Outcome, exchange: Exchange) -> Outcome:
    cors = member(exchange.rule, "CORS")
    if not exchange.is_preflight or envoy.forwarded is not None or cors.get("allowCredentials"):
        return envoy
    lists = ((b"access-control-allow-methods", "allowMethods"), (b"access-control-allow-headers", "allowHeaders"))
    stars = {header: (b"*",) for header, name in lists if cors.get(name) == ["*"] and _GRANTED in envoy.headers}
    return replace(envoy, headers={**envoy.headers, **stars})


def _star_exposed(envoy: Outcome, exchange: Exchange) -> Outcome:
    exposed = member(exchange.rule, "CORS").get("allowCredentials") and (
        envoy.headers.get(b"access-control-expose-headers") == (b"*",)
    )
    return replace(envoy, headers=_without(envoy.headers, b"access-control-expose-headers")) if exposed else envoy


def _preflight_filters(envoy: Outcome, exchange: Exchange) -> Outcome:
    change = member(exchange.rule, "ResponseHeaderModifier")
    if not exchange.is_preflight or envoy.forwarded is not None or not member(exchange.rule, "CORS"):
        return envoy
    touched = [each["name"].lower() for each in (*change.get("set", ()), *change.get("add", ()))]
    touched += [each.lower() for each in change.get("remove", ())]
    changed = {name.encode(): _modified(envoy.headers.get(name.encode(), ()), name, change) for name in touched}
    headers = {**envoy.headers, **changed}
    return replace(envoy, headers={name: values for name, values in headers.items() if values})


_AUTHORITY = re.compile(rb"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?", re.IGNORECASE)
_DOT_SEGMENT = re.compile(rb"/(?:\.|%2e){1,2}(?=[/;?]|\Z)", re.IGNORECASE)


def _unusable(envoy: Outcome, exchange: Exchange) -> Outcome:
    rewrite = exchange.extension.get("urlRewrite")
    if rewrite is None or envoy.forwarded is None:
        return envoy
    path = envoy.forwarded.target.partition(b"?")[0]
    hosts = envoy.forwarded.headers.get(b"host", ())
    named = rewrite.get("hostname", {}).get("header", "").lower()
    found = _modified(exchange.client_values(named.encode()), named, member(exchange.rule, "RequestHeaderModifier"))
    bad = "hostname" in rewrite and not all(_AUTHORITY.fullmatch(each) for each in hosts)
    unusable = len(found) > 1 or bad
    return _refused(envoy, 400) if unusable or path[:1] != b"/" or _DOT_SEGMENT.search(path) else envoy


def _nothing_left(envoy: Outcome, exchange: Exchange) -> Outcome:
    written = exchange.extension.get("urlRewrite", {}).get("path", {}).get("replaceRegexMatch")
    if envoy.forwarded is None or written is None or written["substitution"] != "":
        return envoy
    path, mark, query = envoy.forwarded.target.partition(b"?")
    left = re.sub(written["pattern"].encode(), b"", path)
    return envoy if left else _forwarding(envoy, target=b"/" + mark + query)


def _unasked(envoy: Outcome, exchange: Exchange) -> Outcome:
    empty = [name for name, values in envoy.headers.items() if values == (b"",) and name.startswith(b"access-control-")]
    return replace(envoy, headers=_without(envoy.headers, *empty)) if exchange.is_preflight else envoy


def _created_nowhere(envoy: Outcome, exchange: Exchange) -> Outcome:
    created = envoy.forwarded is None and envoy.status == 201
    return replace(envoy, headers=_without(envoy.headers, b"location")) if created else envoy


def _split_as(joined: Fields, split: Fields) -> Fields:
    def same(name: bytes, values: tuple[bytes, ...]) -> bool:
        return name != b"set-cookie" and name in split and b",".join(values) == b",".join(split[name])

    return {name: split[name] if same(name, values) else values for name, values in joined.items()}


def _head_length(envoy: Outcome, exchange: Exchange) -> Outcome:
    own = exchange.request.startswith(b"HEAD ") and envoy.forwarded is None
    return replace(envoy, headers={b"content-length": (b"0",), **envoy.headers}) if own else envoy


def _own_date(envoy: Outcome, exchange: Exchange) -> Outcome:
    del exchange
    return envoy if envoy.forwarded is not None else replace(envoy, headers=_without(envoy.headers, b"date"))


_WELL_KNOWN_PORT = re.compile(rb"^(http://[^/:]*):80(?=/)|^(https://[^/:]*):443(?=/)")


def _well_known_port(envoy: Outcome, exchange: Exchange) -> Outcome:
    location = envoy.headers.get(b"location")
    if location is None or not member(exchange.rule, "RequestRedirect"):
        return envoy
    shorter = tuple(_WELL_KNOWN_PORT.sub(lambda found: found[1] or found[2], each) for each in location)
    return replace(envoy, headers={**envoy.headers, b"location": shorter})


DIFFERENCES = {
    "A less specific host name takes what a more specific one leaves": Difference(),
    "A method counts before headers": Difference(),
    "Query parameters are decoded before they are compared": Difference(),
    "Lines of one header are joined before they are compared": Difference(),
    "A canonical path stays what it is": Difference(before=_canonical_twice),
    "Escaped slashes are refused": Difference(after=_escaped_slashes),
    "A missing Secret is 503": Difference(after=_missing_secret),
    "Credentials come last": Difference(after=_credential_last),
    "Credentials of the client stay here": Difference(after=_clients_credentials),
    "Nobody says who the client is": Difference(after=_claims),
    "Of several credentials of a client one leaves": Difference(after=_one_credential),
    "Credentials are looked at": Difference(after=_blanks),
    "A prefix with a slash at its end is replaced everywhere": Difference(after=_prefix_with_slash),
    "The prefix of a slash keeps a slash behind its replacement": Difference(),
    "No headers about the client are added": Difference(after=_client_headers),
    "TE and Trailer are not forwarded": Difference(after=_te_and_trailer),
    "No Content-Length is invented for a request": Difference(after=_invented_length),
    "A question mark without a query is dropped": Difference(after=_question_mark),
    "What the provider's Connection names is dropped": Difference(after=_named_in_response),
    "A well-known port is left out of a redirect": Difference(after=_well_known_port),
    "Added values stand on lines of their own": Difference(after=_own_lines),
    "Answers to HEAD without a body have a Content-Length": Difference(after=_head_length),
    "A preflight finds the rule of the request that it announces": Difference(),
    "What another origin asks is granted in no part": Difference(after=_nothing_granted),
    "The backend's CORS headers are dropped": Difference(after=_backend_grants),
    "A star is answered with a star": Difference(after=_stars),
    "Answers of the gateway's own say who may read them": Difference(),
    "With credentials a star exposes nothing": Difference(after=_star_exposed),
    "Answers say that they vary with the origin": Difference(after=_varying),
    "A preflight is answered with 204": Difference(after=_preflight_status),
    "Response filters change answers to preflights": Difference(after=_preflight_filters),
    "A preflight that asks for no headers is granted none": Difference(after=_unasked),
    "A direct response of 201 names no place": Difference(after=_created_nowhere),
    "A Host or path that comes out unusable is refused": Difference(after=_unusable),
    "A path of which nothing is left is a slash": Difference(after=_nothing_left),
    "No Date is invented": Difference(after=_own_date),
    "Error bodies are JSON": Difference(after=_error_bodies),
}
"""By heading in docs/differences-from-envoy.md; applied in this order."""
