"""Whatever the CRDs accept becomes a gateway: what cannot be done as written is a condition, never an error."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from effort import LONG
from gateway_api.crd_oracle import AVAILABLE, custom_resources
from gateway_api.crd_samples import valid_object, ways_of
from gateway_filters import Gateway

Json = dict[str, Any]

pytestmark = [
    pytest.mark.skipif(not AVAILABLE, reason="the CRDs are not beside the project, or the engines not installed"),
    pytest.mark.timeout(3600 if LONG else 60),
]

SAMPLES = 400 if LONG else 12
ENVOY = "gateway.envoyproxy.io"
BACKEND_REF = {"group": ENVOY, "kind": "Backend", "name": "backend"}


def _object(api_version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _route(name: str, parent: Json, rule: Json) -> Json:
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": [BACKEND_REF], **rule}]}
    return _object("gateway.networking.k8s.io/v1", "HTTPRoute", name, spec)


LISTENERS = [{"name": "http", "port": 80, "protocol": "HTTP"}]


def _gateway(name: str, **more: object) -> Json:
    spec = {"gatewayClassName": "any", "listeners": LISTENERS, **more}
    return _object("gateway.networking.k8s.io/v1", "Gateway", name, spec)


GATEWAY = _gateway("gateway", allowedListeners={"namespaces": {"from": "All"}})
BACKEND = _object(
    f"{ENVOY}/v1alpha1", "Backend", "backend", {"endpoints": [{"fqdn": {"hostname": "one.example", "port": 80}}]}
)
BESIDE = (_gateway("other", addresses=[{"value": "127.0.0.2"}]), _route("beside", {"name": "other"}, {}))
PARENT = {"name": "gateway"}
ROUTE = _route("route", PARENT, {})
EXTENSION = {"type": "ExtensionRef", "extensionRef": {"group": ENVOY, "kind": "HTTPRouteFilter", "name": "sample"}}


def _around_route(sample: Json, random: Random) -> list[Json]:
    spec = sample["spec"]
    spec["parentRefs"] = [PARENT]
    spec.pop("hostnames", None)
    for ref in (ref for rule in spec.get("rules", ()) for ref in rule.get("backendRefs", ())):
        if random.random() < 0.7:
            ref.update(BACKEND_REF)
            ref.pop("namespace", None)
    return [GATEWAY, BACKEND, sample]


def _around(sample: Json, random: Random) -> list[Json]:
    """The sample among objects that put it to use."""
    match sample["kind"]:
        case "HTTPRoute":
            return _around_route(sample, random)
        case "Gateway":
            return [{**sample, "metadata": {"name": "gateway"}}, BACKEND, ROUTE]
        case "Backend":
            return [GATEWAY, {**sample, "metadata": {"name": "backend"}}, ROUTE]
        case "BackendTLSPolicy":
            sample["spec"]["targetRefs"] = [BACKEND_REF]
            return [GATEWAY, BACKEND, sample, ROUTE]
        case "HTTPRouteFilter":
            on_backend = {"backendRefs": [{**BACKEND_REF, "filters": [EXTENSION]}]}
            of_both = (_route("rule", PARENT, {"filters": [EXTENSION]}), _route("backend", PARENT, on_backend))
            return [GATEWAY, BACKEND, sample, *of_both]
        case "ListenerSet":
            sample["spec"]["parentRef"] = PARENT
            return [GATEWAY, BACKEND, sample, _route("route", {"kind": "ListenerSet", "name": "sample"}, {})]
        case "ClientTrafficPolicy":
            sample["spec"].pop("targetRefs", None)
            sample["spec"]["targetRef"] = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway"}
            return [GATEWAY, BACKEND, sample, ROUTE]
        case _:
            return [GATEWAY, BACKEND, sample, ROUTE]


@pytest.mark.parametrize("kind", custom_resources() if AVAILABLE else ())
def test_what_the_crds_accept_becomes_a_gateway(kind: str, tmp_path: Path) -> None:
    """Nothing is raised, whatever the values of objects in use, and a route beside them is served."""
    resource = custom_resources()[kind]
    file = tmp_path / "all.yaml"
    for seed in range(SAMPLES):
        random = Random(f"{kind} {seed}")
        sample = valid_object(resource, random, random.choice(ways_of(kind)))
        if not resource.faults(sample):
            objects = [*BESIDE, *_around(sample, random)]
            file.write_text(yaml.safe_dump_all(objects, allow_unicode=True))
            served = [each.name for each in Gateway.from_manifests(file).routes]
            assert "default/beside/rules/0/matches/0" in served, seed
