"""What an API server would say of an object, read from the CRDs themselves and independent of the models.

The order is the server's: unknown fields are refused, nulls dropped, defaults applied; then the structural schema
(types, bounds, patterns, list maps), then the CEL rules. A rule that cannot be evaluated refuses the object.
"""

import base64
import importlib.util
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import yaml

if TYPE_CHECKING:
    import cel

CRDS = Path(__file__).parents[3] / "shared" / "crds"

# Where both channels have a kind, the experimental one counts.
FILES = (
    "experimental/gateway.networking.k8s.io_httproutes.yaml",
    "experimental/gateway.networking.k8s.io_gateways.yaml",
    "experimental/gateway.networking.k8s.io_backendtlspolicies.yaml",
    "standard/gateway.networking.k8s.io_gatewayclasses.yaml",
    "standard/gateway.networking.k8s.io_listenersets.yaml",
    "standard/gateway.networking.k8s.io_referencegrants.yaml",
    "envoy-gateway/backends.yaml",
    "envoy-gateway/clienttrafficpolicies.yaml",
    "envoy-gateway/httproutefilters.yaml",
    "envoy-gateway/securitypolicies.yaml",
)

AVAILABLE = all((CRDS / name).exists() for name in FILES) and all(map(importlib.util.find_spec, ("cel", "re2")))
"""Whether the CRDs are beside the project, and the engines for CEL and RE2 installed."""

Json = Any
Schema = dict[str, Json]

# Only the names that occur: https://kubernetes.io/docs/reference/using-api/cel/ escapes CEL's reserved words.
_RESERVED = {"namespace": "__namespace__"}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
}
_FORMATS: dict[str, tuple[int, int]] = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def _cel_name(name: str) -> str:
    return _RESERVED.get(name, name)


def _length(value: Json) -> int:
    return len(value)


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator)


def _lower_ascii(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


def _upper_ascii(text: str) -> str:
    return "".join(each.upper() if each.isascii() else each for each in text)


_FUNCTIONS = {"length": _length, "split": _split, "lowerAscii": _lower_ascii, "upperAscii": _upper_ascii}


@cache
def _program(rule: str) -> "cel.Program":
    import cel

    # The engine's own size() counts the bytes of a string where CEL counts its characters.
    return cel.compile(rule.replace("size(", "length("))


def holds(rule: str, value: Json) -> bool:
    """Whether a CEL rule is true of a value; one that fails to evaluate is not."""
    import cel

    context = cel.Context({"self": value}, _FUNCTIONS)
    try:
        return _program(rule).execute(context) is True
    except (LookupError, TypeError, ValueError):  # the engine raises the nearest of Python's errors
        return False


def _is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict)


def _is_list(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)


def _is_ip(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        return False
    return True


def completed(schema: Schema, value: Json) -> Json:
    """The value without nulls and with the schema's defaults, at every depth."""
    if _is_object(value) and "properties" in schema:
        return _completed_object(schema, value)
    if _is_list(value) and "items" in schema:
        return [completed(schema["items"], item) for item in value]
    return value


def _completed_object(schema: Schema, value: dict[str, Json]) -> dict[str, Json]:
    full = {name: field for name, field in value.items() if field is not None}
    for name, field in schema["properties"].items():
        if name not in full and "default" in field:
            full[name] = field["default"]
        if name in full:
            full[name] = completed(field, full[name])
    return full


def structural_faults(schema: Schema, value: Json, path: str = "") -> Iterator[str]:
    """Each way in which a completed value breaks the structural schema."""
    if not _has_type(schema, value):
        yield f"{path}: not of type {schema.get('type')}"
        return
    yield from _faults_of_composition(schema, value, path)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: not in {schema['enum']}"
    if check := _CHECKS.get(schema.get("type", type(value).__name__)):
        yield from check(schema, value, path)


def _has_type(schema: Schema, value: Json) -> bool:
    wanted = _TYPES.get(schema.get("type", ""))
    return wanted is None or (isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool)))


def _faults_of_composition(schema: Schema, value: Json, path: str) -> Iterator[str]:
    def fits(part: Schema) -> bool:
        return not any(structural_faults({**part, "open": True}, value, path))

    if not all(fits(part) for part in schema.get("allOf", ())):
        yield f"{path}: breaks allOf"
    if "anyOf" in schema and not any(fits(part) for part in schema["anyOf"]):
        yield f"{path}: breaks anyOf"
    if "oneOf" in schema and sum(fits(part) for part in schema["oneOf"]) != 1:
        yield f"{path}: breaks oneOf"
    if "not" in schema and fits(schema["not"]):
        yield f"{path}: breaks not"


def _faults_of_object(schema: Schema, value: dict[str, Json], path: str) -> Iterator[str]:
    fields: Mapping[str, Schema] = schema.get("properties", {})
    further = schema.get("additionalProperties")
    yield from (f"{path}.{name}: missing" for name in schema.get("required", ()) if name not in value)
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        yield f"{path}: too few or too many properties"
    for name, item in value.items():
        if name in fields:
            yield from structural_faults(fields[name], item, f"{path}.{name}")
        elif further:
            yield from structural_faults(further, item, f"{path}.{name}")
        elif not schema.get("open"):
            yield f"{path}.{name}: unknown"


def _faults_of_list(schema: Schema, value: list[Json], path: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{path}: too few or too many items"
    for index, item in enumerate(value):
        yield from structural_faults(schema.get("items", {}), item, f"{path}[{index}]")
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys and all(isinstance(item, dict) for item in value):
        value = [[item.get(key) for key in keys] for item in value]
    if keys or schema.get("x-kubernetes-list-type") == "set":
        yield from (f"{path}[{index}]: twice" for index, item in enumerate(value) if item in value[:index])


def _faults_of_string(schema: Schema, value: str, path: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{path}: too short or too long"
    if "pattern" in schema and not _searched(schema["pattern"], value):
        yield f"{path}: breaks pattern"
    if schema.get("format") == "byte" and not _is_base64(value):
        yield f"{path}: no Base64"
    if schema.get("format") == "ipv4" and not _is_ip(socket.AF_INET, value):
        yield f"{path}: no IPv4 address"
    if schema.get("format") == "ipv6" and not _is_ip(socket.AF_INET6, value):
        yield f"{path}: no IPv6 address"


def _searched(pattern: str, text: str) -> bool:
    import re2  # pyright: ignore[reportMissingTypeStubs]

    return cast("object", re2.search(pattern, text)) is not None  # pyright: ignore[reportUnknownMemberType]


def _faults_of_number(schema: Schema, value: int, path: str) -> Iterator[str]:
    least, most = _FORMATS[schema.get("format", "int64")]
    if not max(least, schema.get("minimum", least)) <= value <= min(most, schema.get("maximum", most)):
        yield f"{path}: out of range"


_CHECKS: dict[str, Callable[[Schema, Json, str], Iterator[str]]] = {
    "object": _faults_of_object,
    "dict": _faults_of_object,
    "array": _faults_of_list,
    "string": _faults_of_string,
    "str": _faults_of_string,
    "integer": _faults_of_number,
}


def broken_rules(schema: Schema, value: Json) -> Iterator[str]:
    """Each CEL rule that a completed value breaks, at every depth."""
    value = escaped(schema, value)
    return _broken_rules(schema, value)


def _broken_rules(schema: Schema, value: Json) -> Iterator[str]:
    for entry in schema.get("x-kubernetes-validations", ()):
        # A rule about the former state has nothing to compare a new object with.
        if "oldSelf" not in entry["rule"] and not holds(entry["rule"], value):
            yield entry["rule"]
    if _is_object(value) and "properties" in schema:
        for name, field in schema["properties"].items():
            if (known := _cel_name(name)) in value:
                yield from _broken_rules(field, value[known])
    if _is_list(value):
        for item in value:
            yield from _broken_rules(schema.get("items", {}), item)


def escaped(schema: Schema, value: Json) -> Json:
    """The value with the field names under which CEL knows it."""
    if _is_object(value) and "properties" in schema:
        known = schema["properties"]
        return {_cel_name(name): escaped(known.get(name, {}), item) for name, item in value.items()}
    if _is_list(value):
        return [escaped(schema.get("items", {}), item) for item in value]
    return value


def faults(schema: Schema, value: Json) -> list[str]:
    """Why a value is refused; rules are looked at only where the structure is right."""
    value = completed(schema, value)
    return list(structural_faults(schema, value)) or list(broken_rules(schema, value))


@dataclass(frozen=True)
class CustomResource:
    """One kind as its CRD defines it."""

    group: str
    kind: str
    versions: frozenset[str]
    spec: Schema

    def faults(self, manifest: dict[str, Json]) -> list[str]:
        """Why an object is refused, metadata and status aside; an empty list means that it is accepted."""
        group, _, version = str(manifest.get("apiVersion")).rpartition("/")
        if (group, manifest.get("kind")) != (self.group, self.kind) or version not in self.versions:
            return ["apiVersion or kind is not served"]
        body = {name: item for name, item in manifest.items() if name not in _HEAD}
        schema = {"type": "object", "required": ["spec"], "properties": {"spec": self.spec}}
        return faults(schema, body)


_HEAD = ("apiVersion", "kind", "metadata", "status")


def custom_resource(path: Path) -> CustomResource:
    """The kind that a CRD file defines; the schemas of its served versions are the same."""
    spec: Schema = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]
    served = [version for version in spec["versions"] if version["served"]]
    schemas = [version["schema"]["openAPIV3Schema"]["properties"]["spec"] for version in served]
    return CustomResource(
        spec["group"], spec["names"]["kind"], frozenset(version["name"] for version in served), schemas[0]
    )


@cache
def custom_resources() -> Mapping[str, CustomResource]:
    """Every kind that has a CRD, by its name."""
    return {resource.kind: resource for resource in (custom_resource(CRDS / name) for name in FILES)}
