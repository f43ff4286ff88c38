"""Translating again what changed means what translating everything means.

The golden pairs have manifests for all that can be said. Objects of a few of them are put beside each other, replaced
by namesakes and taken away, one edit after the other.
"""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import LONG
from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.load import Translation, Translator
from gateway_filters.gateway_api.loader import Loader
from gateway_filters.gateway_api.rules import RuleTranslator, RuleView
from gateway_filters.gateway_api.translation import Context

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.in.yaml"))

Edit = tuple[int, int, bool]
"""Which of the golden files, which of its objects, and whether it is there afterwards."""

EDITS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.booleans()), min_size=1, max_size=12)


@cache
def objects_of(file: Path) -> list[tuple[str, str]]:
    """The objects of a golden file: a name for a file of its own, and the text."""
    found: list[tuple[str, str]] = []
    for text in f"\n{file.read_text()}".split("\n---"):
        value = cast("dict[str, Any] | None", yaml.load(text, Loader=yaml.BaseLoader))
        if value:
            named = value.get("metadata", {})
            found.append((f"{value['kind']}-{named.get('namespace')}-{named.get('name')}.yaml", text))
    return found


@settings(max_examples=600 if LONG else 60, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.lists(st.sampled_from(GOLDEN), min_size=3, max_size=3), edits=EDITS)
def test_edit_after_edit_means_what_the_files_mean(files: list[Path], edits: list[Edit]) -> None:
    """Listeners, problems and statuses are those of a translation that knows nothing from before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "always.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: always}\n")
        for file, text in objects_of(files[0]):
            (folder / file).write_text(text)
        loader, translator = Loader([folder]), Translator()
        assert meaning(loader, translator) == meaning(Loader([folder]), Translator())
        for which, at, there in edits:
            objects = objects_of(files[which])
            file, text = objects[at % len(objects)]
            (folder / file).write_text(text) if there else (folder / file).unlink(missing_ok=True)
            assert meaning(loader, translator) == meaning(Loader([folder]), Translator())


def meaning(loader: Loader, translator: Translator) -> Any:
    """What is served, told and written; the times left out. Or the error."""
    try:
        translation = translator.translate(Context(loader.load()))
    except ManifestError as error:
        return str(error)
    return translation.listeners, sorted(map(str, translation.problems)), said(translation)


def said(translation: Translation) -> Any:
    """The statuses without their times."""
    return json.loads(
        json.dumps([[*key, status] for key, status in sorted(translation.statuses.items())]),
        object_hook=lambda value: {name: each for name, each in value.items() if name != "lastTransitionTime"},
    )


MANY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec:
  gatewayClassName: any
  listeners:
  - {name: all, port: 80, protocol: HTTP}
  - name: some
    port: 80
    hostname: some.example.com
    protocol: HTTP
    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {some: "yes"}}}}
---
apiVersion: v1
kind: Service
metadata: {name: busy}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: other}
stringData: {key: one}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s}
spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: %s, port: 80}]}]}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: slice, labels: {kubernetes.io/service-name: busy}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
"""
POLICY = """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: policy}
spec:
  targetRefs: [{group: "", kind: Service, name: busy}]
  validation: {hostname: busy.example.com, wellKnownCACertificates: System}
"""
NAMESPACE = "\napiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {some: 'yes'}}\n"


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param(("new.yaml", SLICE), {"busy"}, id="endpoints of a Service are its routes'"),
        pytest.param(("new.yaml", POLICY), {"busy"}, id="so is a policy for it"),
        pytest.param(("all.yaml", MANY.replace("key: one", "key: two")), set[str](), id="a Secret may be nobody's"),
        pytest.param(("all.yaml", f"\n\n# moved\n{MANY}"), set[str](), id="lines that move change nothing"),
        pytest.param(
            ("all.yaml", MANY.replace("port: 80,", "port: 81,")), {"busy", "idle"}, id="a new port is all rules'"
        ),
        pytest.param(("all.yaml", MANY.replace("some.ex", "more.ex")), set[str](), id="a new host name is no rule's"),
        pytest.param(("new.yaml", NAMESPACE), set[str](), id="neither is a label that lets routes in"),
        pytest.param(("new.yaml", ROUTE % ("new", "idle")), {"new"}, id="a new route is its own"),
    ],
)
def test_only_what_a_change_touches_is_translated_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], again: set[str]
) -> None:
    """The rules of a route are translated again when something that they asked for has changed, and rightly so."""
    (tmp_path / "all.yaml").write_text(MANY)
    for name in ("busy", "idle"):
        (tmp_path / f"{name}.yaml").write_text(ROUTE % (name, name))
    loader, translator = Loader([tmp_path]), Translator()
    meaning(loader, translator)
    file, text = change
    (tmp_path / file).write_text(text)
    expected = meaning(Loader([tmp_path]), Translator())
    translated: set[str] = set()
    view = RuleTranslator.view

    def noting(self: RuleTranslator) -> RuleView:
        made = view(self)
        translated.add(made.route.name.split("/")[1])
        return made

    monkeypatch.setattr(RuleTranslator, "view", noting)
    assert meaning(loader, translator) == expected
    assert translated == again
