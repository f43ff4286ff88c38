"""The models and the real CRDs must agree: on generated objects, on the table of rows, on the manifests at hand."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import LONG
from gateway_api.crd_oracle import AVAILABLE, CRDS, Schema, broken_rules, completed, custom_resources
from gateway_api.crd_samples import changed_object, valid_object, ways_of
from gateway_api.resource_rows import MODELS, ROWS, Row, manifest, places

SHARED = CRDS.parent
NAMES = (
    *("HTTPRoute", "Gateway", "BackendTLSPolicy", "GatewayClass", "ListenerSet", "ReferenceGrant"),
    *("Backend", "HTTPRouteFilter", "SecurityPolicy"),
)

# What no new object can break: rules about its former state, and those that a list's keys or an enum imply already.
IMPLIED = {
    "self == oldSelf",
    "self.all(l1, self.exists_one(l2, l1.name == l2.name))",
    "self.all(t1, self.exists_one(t2, t1.port == t2.port))",
    "self.type in ['Exact','PathPrefix'] || self.type == 'RegularExpression'",
}

needs_crds = pytest.mark.skipif(
    not AVAILABLE, reason="the CRDs are not beside the project, or the engines for their rules not installed"
)


def agree(kind: str, written: dict[str, Any]) -> bool:
    """Whether both accept an object; fails where they differ."""
    reasons = custom_resources()[kind].faults(written)
    refused = places(MODELS[kind], written)
    assert bool(reasons) == bool(refused), f"CRD: {reasons}, model: {refused}, object: {written}"
    return not reasons


@needs_crds
@pytest.mark.timeout(3600 if LONG else 60)
@pytest.mark.parametrize("kind", NAMES)
@settings(
    derandomize=True,
    database=None,
    max_examples=5_000 if LONG else 30,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random=st.randoms(use_true_random=True))
def test_generated_objects(kind: str, random: Random) -> None:
    """Valid objects are accepted by both; objects changed in one place by both or neither."""
    assert agree(kind, valid_object(custom_resources()[kind], random))
    for _ in range(3):
        agree(kind, changed_object(custom_resources()[kind], random))


@needs_crds
@pytest.mark.parametrize("kind", NAMES)
def test_defaults_are_those_of_the_api_server(kind: str) -> None:
    """An object means the same as with the defaults that the API server would write into it."""
    resource = custom_resources()[kind]
    for seed in range(1_000 if LONG else 25):
        random = Random(seed)
        written = valid_object(resource, random, random.choice(ways_of(kind)))
        full = {**written, "spec": completed(resource.spec, written["spec"])}
        if not resource.faults(written):
            assert MODELS[kind].model_validate(written) == MODELS[kind].model_validate(full), written


@needs_crds
@pytest.mark.parametrize("kind", NAMES)
def test_changes_matter(kind: str) -> None:
    """The generated changes break objects often enough to prove something, and not always."""
    resource = custom_resources()[kind]
    refused = sum(bool(resource.faults(changed_object(resource, Random(seed)))) for seed in range(50))
    assert 10 <= refused <= 48


CRD_ROWS = [row for row in ROWS if row.kind in NAMES]


@needs_crds
@pytest.mark.parametrize("row", [pytest.param(row, id=row.sentence) for row in CRD_ROWS])
def test_a_row_is_what_the_crd_says(row: Row) -> None:
    """The table of accepted and refused specs is not of our own making."""
    reasons = custom_resources()[row.kind].faults(manifest(row.kind, {"spec": row.spec}))
    assert bool(reasons) == bool(row.place), reasons


def _rules(schema: Schema) -> Iterator[str]:
    yield from (entry["rule"] for entry in schema.get("x-kubernetes-validations", ()))
    for part in schema.get("properties", {}).values():
        yield from _rules(part)
    if "items" in schema:
        yield from _rules(schema["items"])


@needs_crds
@pytest.mark.parametrize("kind", NAMES)
def test_every_rule_has_a_row_that_breaks_it(kind: str) -> None:
    """No CEL rule of a CRD is forgotten in the table."""
    schema = custom_resources()[kind].spec
    refused = [row for row in ROWS if row.kind == kind and row.place]
    broken = {rule for row in refused for rule in broken_rules(schema, completed(schema, row.spec))}
    assert set(_rules(schema)) - broken - IMPLIED == set()


PLACEHOLDERS = {
    "{GATEWAY_CLASS_NAME}": "sample",
    "PLACEHOLDER_UNUSABLE_ADDRS": "192.0.2.1",
    "PLACEHOLDER_USABLE_ADDRS": "127.0.0.1",
}
MANIFESTS = [*sorted(SHARED.glob("conformance/manifests/*.yaml")), *sorted(SHARED.glob("seed/*.yaml"))]


class _Loader(yaml.SafeLoader):
    """YAML with instants left as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _objects(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    found = yaml.load_all(text, _Loader)
    return [written for written in found if written and written["kind"] in MODELS]


@pytest.mark.skipif(not MANIFESTS, reason="the manifests are not beside the project")
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in MANIFESTS])
def test_manifests_of_the_conformance_suite_and_the_seed(path: Path) -> None:
    """What the suite applies is accepted; where it is wrong, it is wrong in what it refers to."""
    for written in _objects(path):
        assert places(MODELS[written["kind"]], written) == []
        assert not AVAILABLE or written["kind"] not in NAMES or agree(written["kind"], written)
