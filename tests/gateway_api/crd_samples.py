"""Objects made from a CRD's schema: valid ones, and ones changed in a single place, which mostly are not."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import cast

from gateway_api.crd_oracle import CustomResource, Json, Schema, custom_resources, faults, structural_faults

TEXTS = (
    *("a", "b", "example.com", "www.example.com", "*.example.com", "*", "example.com.", "Example.com", "-a", "a-", ""),
    *("/", "/v1", "/v1/%20", "v1", "//", "/a//b", "/./", "/a/../b", "/a/..", "/a/.", "/%2f", "/%2F", "/#", "/é", "/ "),
    *("Service", "Secret", "ConfigMap", "Gateway", "HTTPRoute", "1kind", "Kind-", "gateway.networking.k8s.io"),
    *("10s", "1m30s", "0s", "500ms", "1h1m1s1ms", "1d", "1.5s", "100000s", "1h1h1h1h1h", "99999h"),
    *(
        "X-Header",
        "x-header",
        "x header",
        "x:y",
        "a\tb",
        "a  b",
        " a",
        "a\n",
        "a\r",
        "x\x00",
        "日本",
        "é" * 108,
        "é" * 109,
    ),
    *("http://example.com", "https://*.example.com:8443", "http://*:80", "http://a:123456", "http://a/b", "ftp://a"),
    *("spiffe://a/b", "urn:a", "System", "example.com/bundle", "example.com/", "/bundle", "example.com/a b"),
    *(
        "10.0.0.1",
        "256.0.0.1",
        "::1",
        "fe80::1%eth0",
        "1::2::3",
        "2001:db8::1",
        "10.0.0.1 ",
        "NamedAddress",
        "Hostname",
    ),
    *(
        "Inline",
        "ValueRef",
        "HTTP",
        "HTTPS",
        "TLS",
        "TCP",
        "UDP",
        "GET",
        "get",
        "*a",
        "example.com/proto",
        "example.com/ctl/x",
        "*.a.b/c/",
    ),
    *("32Ki", "0", "1.5Gi", "-1", "YQ==", "YQ", "10.0.0.0/8", "2001:db8::/32", "10.0.0.0", "x10.0.0.0/99y", "DE", "D"),
    *(
        "moz-extension://a",
        "https://*",
        "POST",
        "host",
        "Authorization",
        "Replace",
        "GRPCRoute",
        "é://a",
        "http://a.b.",
    ),
    *("a" * 63, "a" * 64, "a" * 253, "a" * 254, "a" * 256, "a" * 257, "/" + "a" * 1023, "/" + "a" * 1024),
    *("a" * 4096, "a" * 4097, "a." * 126 + "a/b", "a." * 125 + "aa/b"),
)
NUMBERS = (
    *(-1, 0, 1, 2, 80, 99, 100, 101, 301, 302, 399, 400, 404, 503, 599, 600, 65535, 65536, 10**6, 10**6 + 1),
    *(2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**31) - 1, -(2**63) - 1),
)
KEYS = ("a", "example.com/a", "app.kubernetes.io/name", "-a", "a/b/c", "", "a" * 63, "a" * 64, "a." * 126 + "a/b")
MISFITS: tuple[Json, ...] = ("80", 80, True, "true", None, {}, [], [None], ["a"], {"a": "b"}, 1.5, [{}])

# What objects of a kind mostly have in common, where chance would seldom meet its rules.
PRIMERS: dict[str, dict[str, Json]] = {
    "SecurityPolicy": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "a"}]},
    "ClientTrafficPolicy": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "a"}]},
}

_ATTEMPTS = 12
_ITEM = "[]"
_Way = tuple[str, ...]
_Place = tuple[str | int, ...]


def valid_object(resource: CustomResource, random: Random, toward: _Way = ()) -> dict[str, Json]:
    """An object that the oracle accepts; it has the field at the end of the way, if its rules let it."""
    return {
        "apiVersion": f"{resource.group}/{random.choice(sorted(resource.versions))}",
        "kind": resource.kind,
        "metadata": {"name": "sample"},
        "spec": _spec(resource, random, toward),
    }


def _spec(resource: CustomResource, random: Random, toward: _Way) -> dict[str, Json]:
    primer = PRIMERS.get(resource.kind)
    if primer is None or random.random() < 0.1:
        spec = _sample(resource.spec, random, toward)
        return spec if primer is None or not faults(resource.spec, spec) else copy.deepcopy(primer or {})
    fields = resource.spec["properties"]
    names = {*toward[:1], *random.sample(sorted(fields), 2)}
    more = {name: _sample(fields[name], random, toward[1:] if toward[:1] == (name,) else ()) for name in sorted(names)}
    for spec in ({**primer, **more}, more, {**primer, **{name: more[name] for name in toward[:1]}}):
        if not faults(resource.spec, spec):
            return copy.deepcopy(spec)
    return copy.deepcopy(primer)


def changed_object(resource: CustomResource, random: Random) -> dict[str, Json]:
    """A valid object with one change somewhere in its spec, rare fields and those with rules no less than others."""
    ways, ways_with_rules = _ways_of(resource.kind)
    toward = random.choice(ways_with_rules if ways_with_rules and random.random() < 0.6 else ways)
    manifest = copy.deepcopy(valid_object(resource, random, toward))
    place = _deepest_place(manifest["spec"], toward)
    *way, last = ("spec", *place)
    parent: Json = manifest
    for step in way:
        parent = parent[step]
    _change(parent, last, _schema_at(resource.spec, place), random)
    return manifest


def ways_of(kind: str) -> list[_Way]:
    """The ways to all fields of a kind."""
    return _ways_of(kind)[0]


@cache
def _ways_of(kind: str) -> tuple[list[_Way], list[_Way]]:
    found = list(_ways(custom_resources()[kind].spec))
    return [way for way, _ in found], [way for way, part in found if part.get("x-kubernetes-validations")]


def _ways(schema: Schema, here: _Way = ()) -> Iterator[tuple[_Way, Schema]]:
    yield here, schema
    for name, part in schema.get("properties", {}).items():
        yield from _ways(part, (*here, name))
    if "items" in schema:
        yield from _ways(schema["items"], (*here, _ITEM))


def _deepest_place(value: Json, toward: _Way) -> _Place:
    """Where the way leads in this value, or as far along it as the value goes; of a list, the first item."""
    if not toward:
        return ()
    step = 0 if toward[0] == _ITEM else toward[0]
    there = bool(value) if step == 0 else step in value
    return (step, *_deepest_place(value[step], toward[1:])) if there else ()


def _schema_at(schema: Schema, place: _Place) -> Schema:
    for step in place:
        schema = schema["items"] if isinstance(step, int) else schema["properties"][step]
    return schema


def _sample(schema: Schema, random: Random, toward: _Way = ()) -> Json:
    """A value that its own rules accept: parts first, then the whole, with a few attempts at each level."""
    for _ in range(_ATTEMPTS):
        value = _attempt(schema, random, toward)
        if not faults(schema, value):
            return value
    return _least(schema, random)


def _attempt(schema: Schema, random: Random, toward: _Way = ()) -> Json:
    words = _words(schema)
    if words:
        return random.choice(words)
    match schema.get("type", "integer" if random.random() < 0.5 else "string"):
        case "object" if "properties" in schema:
            return _object(schema, random, toward)
        case "object" if "additionalProperties" not in schema:
            return {}
        case "object":
            return {random.choice(KEYS): _sample(schema["additionalProperties"], random) for _ in range(2)}
        case "array":
            return _list(schema, random, toward)
        case "string":
            return random.choice(_fitting(json.dumps(schema)))
        case "integer":
            return random.choice([number for number in NUMBERS if not any(structural_faults(schema, number))])
        case _:
            return random.random() < 0.5


def _words(schema: Schema) -> list[Json]:
    """The values of an enum, however it is written."""
    for part in (schema, *schema.get("allOf", ())):
        if "enum" in part:
            return part["enum"]
    return []


def _least(schema: Schema, random: Random) -> Json:
    """The smallest value there is: required fields and items only, for schemas whose rules are hard to meet."""
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        needed = [name for name in schema.get("required", ()) if "default" not in fields[name]]
        return {name: _sample(fields[name], random) for name in needed}
    if schema.get("type") == "array":
        return [_sample(schema["items"], random) for _ in range(schema.get("minItems", 0))]
    return _attempt(schema, random)


def _object(schema: Schema, random: Random, toward: _Way) -> dict[str, Json]:
    """Required fields always, members of a union by its type, others now and then."""
    fields: dict[str, Schema] = schema["properties"]
    aim = toward[0] if toward else ""
    value: dict[str, Json] = {}
    unions = {word.lower(): (tag, word) for tag in _TAGS for word in _words(fields.get(tag, {}))}
    if aim.lower() in unions:
        tag, word = unions[aim.lower()]
        value[tag] = word
    for name in sorted(fields, key=lambda name: (name not in _TAGS, name)):
        in_union = name.lower() in unions
        likely = name.lower() in _chosen(value) if in_union else random.random() < _likelihood(fields[name])
        if name not in value and (name == aim or likely or name in schema.get("required", ())):
            value[name] = _sample(fields[name], random, toward[1:] if name == aim else ())
    return value


_TAGS = ("type", "protocol")
_LIKELIHOOD = 0.25
_MANY = 40
_bulks: dict[int, int] = {}


def _likelihood(schema: Schema) -> float:
    """How likely a field is given that nobody asks for: less where it has so much in it that it takes long."""
    return _LIKELIHOOD * min(1.0, _MANY / _bulk(schema))


def _bulk(schema: Schema) -> int:
    """How many fields there are at all depths; schemas are read once, so their identities stay."""
    if id(schema) not in _bulks:
        parts = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
        _bulks[id(schema)] = 1 + sum(map(_bulk, parts))
    return _bulks[id(schema)]


def _chosen(value: dict[str, Json]) -> set[str]:
    return {str(value[tag]).lower() for tag in _TAGS if tag in value}


def _list(schema: Schema, random: Random, toward: _Way) -> list[Json]:
    least = schema.get("minItems", 0)
    count = max(least, random.choice((least, 1, 1, 2, 3)), 1 if toward else 0)
    return [_sample(schema["items"], random, () if index else toward[1:]) for index in range(count)]


@cache
def _fitting(schema: str) -> list[str]:
    return [text for text in TEXTS if not faults(json.loads(schema), text)]


def _change(parent: Json, last: str | int, schema: Schema, random: Random) -> None:
    value = parent[last]
    match random.randrange(8):
        case 0:
            parent[last] = copy.deepcopy(random.choice(MISFITS))
        case 1 if isinstance(value, (str, int)):
            parent[last] = _attempt(schema, random)
        case 2 if last != "spec":
            del parent[last]
        case _ if isinstance(value, dict):
            _change_object(cast("dict[str, Json]", value), schema, random)
        case _ if isinstance(value, list):
            _change_list(cast("list[Json]", value), schema, random)
        case _:
            parent[last] = random.choice(TEXTS if isinstance(value, str) else NUMBERS)


def _change_object(value: dict[str, Json], schema: Schema, random: Random) -> None:
    """Give one field anew, or a stray one, or take one away; rules across fields are left to chance."""
    fields: dict[str, Schema] = schema.get("properties", {})
    if not fields or random.random() < 0.1:
        value[random.choice(KEYS)] = random.choice(TEXTS)
        return
    name = random.choice(list(fields))
    if name in value and random.random() < 0.3:
        del value[name]
    else:
        value[name] = _attempt(fields[name], random)


def _change_list(value: list[Json], schema: Schema, random: Random) -> None:
    match random.randrange(6):
        case 0:
            value.clear()
        case 1 if "maxItems" in schema:
            more = schema["maxItems"] + random.randrange(2) - len(value)
            value.extend(_attempt(schema["items"], random) for _ in range(more))
        case 2 | 3 | 4 if value:
            value.append(copy.deepcopy(random.choice(value)))
            if isinstance(value[-1], dict):
                _change_object(cast("dict[str, Json]", value[-1]), schema["items"], random)
        case 5 if value:
            value.append(copy.deepcopy(random.choice(value)))
        case _:
            value.append(_attempt(schema["items"], random))
