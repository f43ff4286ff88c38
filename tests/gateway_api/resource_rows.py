"""The table of specs that must be accepted or refused, most of it written in `resource_rows.yaml`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from gateway_filters.gateway_api.resources import KINDS, Resource

MODELS = {kind: entry.model for (_, kind), entry in KINDS.items()}


class Row(NamedTuple):
    """A spec, and where it is refused, if it is."""

    sentence: str
    kind: str
    spec: dict[str, Any]
    place: str | None


def manifest(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """An object with the usual head."""
    group = next(group for group, name in KINDS if name == kind)
    version = max(KINDS[group, kind].versions & {"v1", "v1alpha1"})
    api_version = f"{group}/{version}" if group else version
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "sample"}, **body}


def _written_rows() -> Iterator[Row]:
    table = yaml.safe_load(Path(__file__).with_name("resource_rows.yaml").read_text())
    for kind, rows in table.items():
        for row in rows:
            yield Row(row.get("accepted") or row["refused"], kind, row["spec"], row.get("at"))


MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    "RequestHeaderModifier": ("requestHeaderModifier", {}),
    "ResponseHeaderModifier": ("responseHeaderModifier", {}),
    "RequestMirror": ("requestMirror", {"backendRef": {"name": "a", "port": 80}}),
    "RequestRedirect": ("requestRedirect", {}),
    "URLRewrite": ("urlRewrite", {}),
    "ExtensionRef": ("extensionRef", {"group": "a", "kind": "B", "name": "c"}),
    "CORS": ("cors", {}),
    "ExternalAuth": ("externalAuth", {"backendRef": {"name": "a", "port": 80}, "protocol": "HTTP", "http": {}}),
}
ONCE = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS")


def _filters(sentence: str, place: str | None, *filters: dict[str, Any]) -> Row:
    return Row(sentence, "HTTPRoute", {"rules": [{"filters": list(filters)}]}, place and f"rules.0.filters.{place}")


def _filter(kind: str) -> dict[str, Any]:
    name, member = MEMBERS[kind]
    return {"type": kind, name: member}


def _filter_rows() -> Iterator[Row]:
    for kind, (name, member) in MEMBERS.items():
        other = _filter("URLRewrite" if kind == "CORS" else "CORS")
        yield _filters(f"a filter of type {kind} with its member is accepted", None, _filter(kind))
        yield _filters(f"a filter of type {kind} needs its member", f"0.{name}", {"type": kind})
        yield _filters(f"{name} belongs to filters of type {kind} alone", f"0.{name}", {**other, name: member})
    for kind in ONCE:
        yield _filters(f"a filter of type {kind} may occur only once", "1.type", _filter(kind), _filter(kind))


LISTENERS: tuple[tuple[str, str | None, str], ...] = (
    ("a plain listener is accepted", None, "{name: a, port: 80, protocol: HTTP}"),
    ("HTTP excludes tls", "0.tls", "{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: c}]}}"),
    ("HTTPS ends TLS", "0.tls", "{name: a, port: 80, protocol: HTTPS, tls: {mode: Passthrough}}"),
    ("TLS needs tls", "0.tls", "{name: a, port: 80, protocol: TLS}"),
    ("TCP excludes a hostname", "0.hostname", "{name: a, port: 80, protocol: TCP, hostname: a}"),
    ("to end TLS takes a certificate", "0.tls.certificateRefs", "{name: a, port: 80, protocol: TLS, tls: {}}"),
    ("options may end TLS", None, "{name: a, port: 80, protocol: TLS, tls: {options: {a: b}}}"),
    ("HTTPS without tls passes the schema", None, "{name: a, port: 80, protocol: HTTPS}"),
    ("one name twice is refused", "1.name", "{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}"),
    ("one place twice is refused", "1", "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}"),
    ("two hostnames on a port are accepted", None,
     "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP, hostname: a}"),
    ("port 0 is refused", "0.port", "{name: a, port: 0, protocol: HTTP}"),
)  # fmt: skip
OWNERS: dict[str, dict[str, Any]] = {
    "Gateway": {"gatewayClassName": "c"},
    "ListenerSet": {"parentRef": {"name": "g"}},
}


def _listener_rows() -> Iterator[Row]:
    for kind, owner in OWNERS.items():
        for sentence, place, listeners in LISTENERS:
            spec = {**owner, "listeners": yaml.safe_load(f"[{listeners}]")}
            yield Row(f"{sentence} in a {kind}", kind, spec, place and f"listeners.{place}")


def _long_rows() -> Iterator[Row]:
    full: dict[str, Any] = {"matches": [{}] * 64}
    yield Row("128 matches in all are accepted", "HTTPRoute", {"rules": [full, full]}, None)
    yield Row("129 matches in all are refused", "HTTPRoute", {"rules": [{}, full, full]}, "rules.2.matches")
    yield Row("65 matches in a rule are refused", "HTTPRoute", {"rules": [{"matches": [{}] * 65}]}, "rules.0.matches")
    yield Row("17 rules are refused", "HTTPRoute", {"rules": [{}] * 17}, "rules")
    prefix = "a." * 126 + "a"
    spec = {**OWNERS["Gateway"], "listeners": [{"name": "a", "port": 80, "protocol": "HTTP"}]}
    for field in ("labels", "annotations"):
        key = f"{prefix}/b"
        long_key = {**spec, "infrastructure": {field: {key: "c"}}}
        yield Row(f"a long prefix in {field} is refused", "Gateway", long_key, f"infrastructure.{field}.{key}")
    for length, place in ((108, None), (109, "endpoints.0.unix.path")):
        socket = {"endpoints": [{"unix": {"path": "é" * length}}]}
        yield Row(f"a socket's path of {length} characters", "Backend", socket, place)


SETTINGS: tuple[tuple[str, str | None, str], ...] = (
    ("settings of all kinds are accepted", None,
     "{circuitBreaker: {}, connection: {bufferLimit: 32Ki, socketBufferLimit: 1}, dns: {lookupFamily: IPv4}, "
     "healthCheck: {passive: {}, panicThreshold: 0}, http2: {maxConcurrentStreams: 1}, proxyProtocol: {version: V1}, "
     "loadBalancer: {type: RoundRobin, slowStart: {window: 1s}}, retry: {retryOn: {triggers: [5xx]}}, "
     "tcpKeepalive: {}, timeout: {http: {requestTimeout: 1s}}}"),
    ("a buffer is a number of bytes", "connection.bufferLimit", "{connection: {bufferLimit: 1.5Gi}}"),
    ("a budget is at most the whole", "circuitBreaker.retryBudget.percent.numerator",
     "{circuitBreaker: {retryBudget: {percent: {numerator: 2, denominator: 1}}}}"),
    ("to predict takes a balancer by turns", "connection", "{connection: {preconnect: {predictivePercent: 100}}}"),
    ("pings are answered before the next one", "http2.connectionKeepalive.timeout",
     "{http2: {connectionKeepalive: {interval: 1s, timeout: 1000ms}}}"),
    ("a check of type HTTP has http", "healthCheck.active.http", "{healthCheck: {active: {type: HTTP}}}"),
    ("a check of type TCP has tcp", "healthCheck.active.tcp", "{healthCheck: {active: {type: TCP}}}"),
    ("only a check of type GRPC has grpc", "healthCheck.active.grpc",
     "{healthCheck: {active: {type: TCP, tcp: {}, grpc: {}}}}"),
    ("a body goes with a method", "healthCheck.active.http.requestBody",
     "{healthCheck: {active: {type: HTTP, http: {path: /, method: get, requestBody: {type: Text, text: a}}}}}"),
    ("methods are compared without regard to case", None,
     "{healthCheck: {active: {type: HTTP, http: {path: /, method: post, requestBody: {type: Text, text: a}}}}}"),
    ("a payload of type Text has text", "healthCheck.active.tcp.send.text",
     "{healthCheck: {active: {type: TCP, tcp: {send: {type: Text}}}}}"),
    ("a payload of type Binary has binary", "healthCheck.active.tcp.send.binary",
     "{healthCheck: {active: {type: TCP, tcp: {send: {type: Binary}}}}}"),
    ("binary is Base64", "healthCheck.active.tcp.send.binary",
     "{healthCheck: {active: {type: TCP, tcp: {send: {type: Binary, binary: a}}}}}"),
    ("failures are logged with successes", "healthCheck.active.healthCheckLog.matches",
     "{healthCheck: {active: {type: TCP, tcp: {}, healthCheckLog: {matches: [Failure]}}}}"),
    ("a sink of type File has file", "healthCheck.active.healthCheckLog.sinks.0.file",
     "{healthCheck: {active: {type: TCP, tcp: {}, healthCheckLog: {sinks: [{type: File}]}}}}"),
    ("a report has a period", "loadBalancer.backendUtilization.outOfBand.reportingPeriod",
     "{loadBalancer: {type: BackendUtilization, backendUtilization: {outOfBand: {reportingPeriod: 0s}}}}"),
    ("preferLocal and weightedZones exclude each other", "loadBalancer.zoneAware.weightedZones",
     "{loadBalancer: {type: Random, zoneAware: {preferLocal: {}, weightedZones: []}}}"),
    ("hashing does not prefer a zone", "loadBalancer.zoneAware.preferLocal",
     "{loadBalancer: {type: ConsistentHash, consistentHash: {type: SourceIP}, zoneAware: {preferLocal: {}}}}"),
    ("utilization does not prefer a zone", "loadBalancer.zoneAware.preferLocal",
     "{loadBalancer: {type: BackendUtilization, backendUtilization: {}, zoneAware: {preferLocal: {}}}}"),
    ("a module knows no zones", "loadBalancer.zoneAware",
     "{loadBalancer: {type: DynamicModule, dynamicModule: {name: a, lbPolicyName: b}, zoneAware: {}}}"),
    ("a module is not overridden", "loadBalancer.endpointOverride",
     "{loadBalancer: {type: DynamicModule, dynamicModule: {name: a, lbPolicyName: b}, "
     "endpointOverride: {extractFrom: [{header: a}]}}}"),
    ("chance does not start slowly", "loadBalancer.slowStart",
     "{loadBalancer: {type: Random, slowStart: {window: 1s}}}"),
    *((f"a balancer of type {kind} has {field}", f"loadBalancer.{field}", f"{{loadBalancer: {{type: {kind}}}}}")
      for kind, field in (("ConsistentHash", "consistentHash"), ("BackendUtilization", "backendUtilization"),
                          ("DynamicModule", "dynamicModule"))),
    *((f"a hash of type {kind} has {field}", f"loadBalancer.consistentHash.{field}",
       f"{{loadBalancer: {{type: ConsistentHash, consistentHash: {{type: {kind}}}}}}}")
      for kind, field in (("Header", "header"), ("Headers", "headers"), ("Cookie", "cookie"),
                          ("QueryParams", "queryParams"))),
)  # fmt: skip


def _settings_rows() -> Iterator[Row]:
    route = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r"}
    for sentence, place, settings in SETTINGS:
        service = {"backendRefs": [{"name": "s", "port": 80}], "backendSettings": yaml.safe_load(settings)}
        at = place and f"extAuth.http.backendSettings.{place}"
        yield Row(sentence, "SecurityPolicy", {"targetRefs": [route], "extAuth": {"http": service}}, at)


PATHS = {
    "a path must start with a slash": "a",
    "a path may not contain two slashes together": "/a//b",
    "a path may not contain the segment '.'": "/a/./b",
    "a path may not contain the segment '..'": "/a/../b",
    "a path may not contain %2f": "/a%2fb",
    "a path may not contain %2F": "/a%2Fb",
    "a path may not contain a fragment": "/a#b",
    "a path may not end in '..'": "/a/..",
    "a path may not end in '.'": "/a/.",
    "a path may not contain a space": "/a b",
    "a path may not end with a line end": "/a\n",
    "a path may not be empty": "",
    "a path has at most 1024 characters": "/" + "a" * 1024,
}


def _path_rows() -> Iterator[Row]:
    for sentence, value in PATHS.items():
        spec = {"rules": [{"matches": [{"path": {"value": value}}]}]}
        yield Row(sentence, "HTTPRoute", spec, "rules.0.matches.0.path.value")


ROWS = [*_path_rows(), *_written_rows(), *_filter_rows(), *_listener_rows(), *_long_rows(), *_settings_rows()]


def places(model: type[Resource], written: dict[str, Any]) -> list[str]:
    """Where the model refuses an object."""
    try:
        model.model_validate(written)
    except ValidationError as error:
        return [".".join(map(str, line["loc"])) for line in error.errors()]
    return []
