"""What the models accept and refuse, where an error points, and which defaults apply."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from gateway_api.resource_rows import MODELS, ROWS, Row, manifest, places
from gateway_filters.gateway_api.resources import KINDS, ConfigMap, Gateway, HTTPRoute, Service
from gateway_filters.gateway_api.resources.scalars import milliseconds


@pytest.mark.parametrize("row", [pytest.param(row, id=row.sentence) for row in ROWS])
def test_a_spec_is_accepted_or_refused_in_its_place(row: Row) -> None:
    """The first error points where the row says."""
    found = places(MODELS[row.kind], manifest(row.kind, {"spec": row.spec}))
    assert found[:1] == ([f"spec.{row.place}"] if row.place else [])


@pytest.mark.parametrize(("kind", "entry"), [pytest.param(*item, id="/".join(item[0])) for item in KINDS.items()])
def test_a_model_accepts_the_versions_of_the_table_and_no_other(kind: tuple[str, str], entry: Any) -> None:
    """The table and the models name the same versions."""
    for version in ("v1", "v1beta1", "v1alpha1", "v1alpha2", "v1alpha3"):
        head = {"apiVersion": f"{kind[0]}/{version}".lstrip("/"), "kind": kind[1], "metadata": {"name": "a"}}
        assert ("apiVersion" in places(entry.model, head)) == (version not in entry.versions)


SENTENCES = [
    pytest.param("{rulez: []}", "the field is not known", id="an unknown field"),
    pytest.param("{parentRefs: [{}]}", "the field is required", id="a missing field"),
    pytest.param("{hostnames: a}", "the value must be a list", id="no list"),
    pytest.param("{hostnames: [1]}", "the value must be text", id="no text"),
    pytest.param("{hostnames: ['']}", "the text must have at least 1 characters", id="a short text"),
    pytest.param("{rules: [[]]}", "the value must be a mapping", id="no mapping"),
    pytest.param("{rules: []}", "the list must have at least 1 items", id="a short list"),
    pytest.param("{rules: [{1: 2}]}", "the name of a field must be text", id="a number as field"),
    pytest.param("{rules: [{retry: {attempts: 0}}]}", "the number must be at least 1", id="a small number"),
    pytest.param("{rules: [{retry: {attempts: 1.0}}]}", "the value must be a whole number", id="no whole number"),
    pytest.param("{useDefaultGateways: all}", "the value must be 'All' or 'None'", id="none of the words"),
    pytest.param("{parentRefs: [{name: a}, {name: a}]}", "parentRefs to one parent must differ in", id="a rule"),
]


@pytest.mark.parametrize(("spec", "sentence"), SENTENCES)
def test_errors_speak_of_yaml(spec: str, sentence: str) -> None:
    """One sentence, in the words of manifests and not of Python."""
    with pytest.raises(ValidationError) as caught:
        HTTPRoute.model_validate(manifest("HTTPRoute", {"spec": yaml.safe_load(spec)}))
    assert caught.value.errors()[0]["msg"].startswith(sentence)


METADATA = [
    pytest.param({"name": "a", "creationTimestamp": None}, None, id="a null creationTimestamp is absent"),
    pytest.param({"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}, None, id="an instant is RFC 3339 text"),
    pytest.param({"name": "a", "creationTimestamp": "today"}, "creationTimestamp", id="an instant in words is refused"),
    pytest.param({}, "name", id="a name is required"),
    pytest.param({"name": None}, "name", id="a null name is no name"),
    pytest.param({"name": "A"}, "name", id="a name in capitals is refused"),
    pytest.param({"name": "a" * 254}, "name", id="a name has at most 253 characters"),
    pytest.param({"name": "a", "namespace": "a.b"}, "namespace", id="a namespace has no dots"),
    pytest.param({"name": "a", "nmae": "b"}, "nmae", id="an unknown field is refused"),
    pytest.param({"name": "a", "labels": {"a/b": "c"}}, None, id="a label's key may have a prefix"),
    pytest.param({"name": "a", "labels": {"a": 1}}, "labels.a", id="a label's value is text"),
    pytest.param({"name": "a", "labels": {"a": "b c"}}, "labels.a", id="a label's value has no space"),
    pytest.param({"name": "a", "annotations": {"a": "b c"}}, None, id="an annotation may be any text"),
    pytest.param({"name": "a", "managedFields": [{"manager": "m"}]}, None, id="managedFields may hold anything"),
]


@pytest.mark.parametrize(("metadata", "place"), METADATA)
def test_metadata(metadata: dict[str, Any], place: str | None) -> None:
    """ObjectMeta is checked as the API server checks it."""
    found = places(ConfigMap, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    assert found[:1] == ([f"metadata.{place}"] if place else [])


def test_status_is_allowed_and_ignored() -> None:
    """Manifests taken from a cluster carry the status of its controllers."""
    route = HTTPRoute.model_validate(manifest("HTTPRoute", {"spec": {}, "status": {"parents": [1]}}))
    assert route.status is None


def test_defaults_of_an_http_route() -> None:
    """The defaults of the API server, at every depth."""
    spec = yaml.safe_load("{parentRefs: [{name: a}], rules: [{matches: [], backendRefs: [{name: b, port: 1}]}]}")
    written = manifest("HTTPRoute", {"spec": spec})
    (rule,) = HTTPRoute.model_validate(written).spec.rules
    (match,), (backend,) = rule.matches, rule.backend_refs
    (parent,) = HTTPRoute.model_validate(written).spec.parent_refs
    assert (match.path.type, match.path.value) == ("PathPrefix", "/")
    assert (backend.group, backend.kind, backend.weight) == ("", "Service", 1)
    assert (parent.group, parent.kind, parent.namespace) == ("gateway.networking.k8s.io", "Gateway", None)


def test_absent_and_null_rules_are_one_rule_for_every_path() -> None:
    """A route without rules matches everything; a null is no rule either."""
    absent = HTTPRoute.model_validate(manifest("HTTPRoute", {"spec": {}}))
    null = HTTPRoute.model_validate(manifest("HTTPRoute", {"spec": {"rules": None}}))
    assert absent.spec.rules == null.spec.rules
    assert [match.path.value for rule in absent.spec.rules for match in rule.matches] == ["/"]


def test_defaults_of_a_listener() -> None:
    """Routes of the same namespace may attach; a protocol decides their kinds elsewhere."""
    listeners = "[{name: a, port: 80, protocol: HTTP, allowedRoutes: {}}]"
    spec = {"gatewayClassName": "c", "listeners": yaml.safe_load(listeners)}
    (listener,) = Gateway.model_validate(manifest("Gateway", {"spec": spec})).spec.listeners
    assert (listener.allowed_routes.namespaces.from_, listener.allowed_routes.kinds) == ("Same", ())


def test_a_target_port_is_the_port_by_default() -> None:
    """Also where a name is given for another port."""
    spec = {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81, "targetPort": "http"}]}
    service = Service.model_validate(manifest("Service", {"spec": spec}))
    assert [port.target_port for port in service.spec.ports] == [80, "http"]


def test_a_model_cannot_be_changed() -> None:
    """Resources are values."""
    route = HTTPRoute.model_validate(manifest("HTTPRoute", {"spec": {}}))
    with pytest.raises(ValidationError, match="frozen"):
        route.spec = route.spec


def test_the_length_of_a_duration() -> None:
    """Units may be combined and repeated."""
    assert milliseconds("1h1m1s1ms") == 3_661_001
    assert milliseconds("1ms1ms") == 2


def test_equal_manifests_are_equal_resources() -> None:
    """The order of keys does not matter."""
    one = manifest("HTTPRoute", {"spec": {"hostnames": ["a"], "rules": [{}]}})
    other = manifest("HTTPRoute", {"spec": {"rules": [{}], "hostnames": ["a"]}})
    assert HTTPRoute.model_validate(one) == HTTPRoute.model_validate(other)


SLICES = [
    pytest.param("IPv4", ["127.0.0.1"], None, id="a loopback address is accepted"),
    pytest.param("IPv6", ["::1"], None, id="an IPv6 address is accepted"),
    pytest.param("IPv4", ["10.0.0.1", "::1"], "endpoints.0.addresses.1", id="an IPv6 address is no IPv4 address"),
    pytest.param("FQDN", ["a.example.com"], None, id="a name is accepted"),
    pytest.param("IPv4", [], "endpoints.0.addresses", id="an endpoint needs an address"),
    pytest.param("IPv5", ["a"], "addressType", id="an unknown type of address is refused"),
]


@pytest.mark.parametrize(("kind", "addresses", "place"), SLICES)
def test_endpoint_slices(kind: str, addresses: list[str], place: str | None) -> None:
    """Addresses are of the slice's type."""
    written = manifest("EndpointSlice", {"addressType": kind, "endpoints": [{"addresses": addresses}]})
    assert places(MODELS["EndpointSlice"], written) == ([place] if place else [])


def test_ports_of_an_endpoint_slice_have_different_names() -> None:
    """An absent name is the empty one, so that two of them are equal."""
    written = manifest("EndpointSlice", {"addressType": "IPv4", "ports": [{"port": 1}, {"port": 2}]})
    assert places(MODELS["EndpointSlice"], written) == ["ports.1.name"]


def test_a_key_of_a_config_map_is_text_or_bytes() -> None:
    """The same key in data and binaryData is refused."""
    written = manifest("ConfigMap", {"data": {"a": "b"}, "binaryData": {"a": "Yg=="}})
    assert places(ConfigMap, written) == ["binaryData.a"]
