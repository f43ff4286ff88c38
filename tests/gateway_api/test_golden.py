"""Golden pairs: manifests in, listeners with routes and status conditions out; the names are sentences.

``tests/golden/<sentence>.in.yaml`` are manifests as one would apply them, ``<sentence>.out.yaml`` is what the
specification says they mean. What is left out of an expectation has its default. Under ``requests`` an
expectation may say which route takes a request, and what the filters of its rule make of it.

With ``GATEWAY_FILTERS_WRITE_GOLDEN=1`` an expectation that is missing is written as we see it. It is a draft:
each line is to be read against the specification before it stays.
"""

import difflib
import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509

from gateway_filters.credentials import KeySet, Roll
from gateway_filters.errors import ClientError, KeysUnavailable, RouteRefused, verdict
from gateway_filters.filters import Refusal
from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.matching import ExactMatch, FieldMatch, Match, PrefixMatch, RegexMatch
from gateway_filters.message.client import Client, address_of
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.routing import (
    Backend,
    BackendTLS,
    Endpoint,
    ExternalAuth,
    Listener,
    ListenerTable,
    Mirror,
    RemoteJWKS,
    Retry,
    Route,
    RouteTable,
    SecurityPolicy,
    SessionPersistence,
    Timeouts,
    Unusable,
    WeightedBackend,
)
from gateway_filters.secrets import MemorySecret, MissingSecret

Json = dict[str, Any]

GOLDEN = Path(__file__).parents[1] / "golden"
PAIRS = sorted(file.name.removesuffix(".in.yaml") for file in GOLDEN.glob("*.in.yaml"))
# Where only one kind can stand, its name would say nothing.
_ALONE = (
    Backend,
    ExternalAuth,
    Listener,
    Match,
    Mirror,
    RemoteJWKS,
    Retry,
    Route,
    SecurityPolicy,
    SessionPersistence,
    Timeouts,
    WeightedBackend,
)


@pytest.mark.parametrize("sentence", PAIRS)
def test_manifests_mean_what_the_specification_says(sentence: str) -> None:
    """The translation of the manifests is the one that was written down."""
    expected_file = GOLDEN / f"{sentence}.out.yaml"
    translation = translate_files([GOLDEN / f"{sentence}.in.yaml"])
    if os.environ.get("GATEWAY_FILTERS_WRITE_GOLDEN") and not expected_file.exists():
        expected_file.write_text(_yaml(_rendered(translation, [])))
    expected = cast("Json", yaml.safe_load(expected_file.read_text()))
    found = _rendered(translation, expected.get("requests", []))
    if found != expected:
        pytest.fail("\n".join(_difference(expected, found)), pytrace=False)


def test_each_expectation_has_its_manifests() -> None:
    """No expectation is left over from manifests that were renamed."""
    assert sorted(file.name.removesuffix(".out.yaml") for file in GOLDEN.glob("*.out.yaml")) == PAIRS


def _rendered(translation: Translation, requests: list[Json]) -> Json:
    found: Json = {"listeners": [_listener(each) for each in translation.listeners]}
    if requests:
        found["requests"] = [_answered(translation.listeners, each) for each in requests]
    return {**found, "status": dict(_statuses(translation))}


def _yaml(value: Json) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=120)


def _difference(expected: Json, found: Json) -> Iterator[str]:
    wanted, seen = _yaml(expected).splitlines(), _yaml(found).splitlines()
    return difflib.unified_diff(wanted, seen, "expected", "found", lineterm="", n=20)


def _listener(listener: Listener) -> Json:
    """The listener with its routes in the order in which they win."""
    value = cast("Json", _plain(listener))
    if listener.routes:
        value["routes"] = [_plain(route) for route in RouteTable(listener.routes).routes]
    return value


def _plain(value: object) -> object:
    if isinstance(value, (tuple, frozenset)):
        items = [_plain(each) for each in cast("tuple[object, ...]", value)]
        return sorted(cast("list[int]", items)) if isinstance(value, frozenset) else items
    if isinstance(value, bytes):
        return value.decode("ascii")
    if isinstance(value, MemorySecret):
        return {"type": "MemorySecret", "fingerprint": value.current().fingerprint}
    if isinstance(value, (Roll, KeySet)):
        return repr(value)
    return _mapping(value) if is_dataclass(value) else value


def _mapping(value: object) -> object:
    name = type(value).__name__
    if isinstance(value, (Refusal, MissingSecret)):
        return {"type": name}  # what they hold is a sentence for the log
    if isinstance(value, FieldMatch):
        return f"{value.name}{'=' if value.exact else ' matches '}{value.text}"
    if isinstance(value, (ExactMatch, PrefixMatch, RegexMatch)):
        return f"{name} {value.value}"
    if isinstance(value, Endpoint):
        named = f" named {value.name}" if value.name else ""
        return f"{value.host}:{value.port}{f' at {value.unix}' if value.unix else ''}{named}"
    if isinstance(value, BackendTLS):
        return dict(_tls(value))
    told = {} if isinstance(value, _ALONE) else {"type": name}
    return {**told, **{key: _plain(given) for key, given in _given(value)}}


def _tls(tls: BackendTLS) -> Iterator[tuple[str, object]]:
    count = None if tls.cas is None else tls.cas.count("BEGIN CERTIFICATE")
    yield "hostname", tls.hostname
    yield "certificates", "none" if not tls.verified else "system" if count is None else count
    if tls.names:
        yield "names", [each.value for each in tls.names]
    if tls.certificate is not None:
        yield "shows", _names_in(tls.certificate.certificate)
    yield from ((key, _plain(given)) for key, given in _given(tls.parameters))


def _names_in(pem: str) -> str:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return ", ".join(
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    )


def _given(value: object) -> Iterator[tuple[str, object]]:
    """The fields that make two such values equal, without those that have their default."""
    assert is_dataclass(value)
    for field in fields(value):
        if field.compare and not isinstance(value, type):
            given = getattr(value, field.name)
            made = field.default_factory() if callable(field.default_factory) else field.default
            if given != made:
                yield field.name, given


def _answered(listeners: tuple[Listener, ...], asked: Json) -> Json:
    """What becomes of a request: the route, and the Host and target that its rule's filters send or answer."""
    method, _, url = cast("str", asked["request"]).partition(" ")
    parts = urlsplit(url)
    headers = tuple((name.encode(), text.encode()) for name, text in asked.get("headers", {}).items())
    head = RequestHead(
        method.encode(),
        parts.path.encode(),
        authority=parts.netloc.encode(),
        query=parts.query.encode(),
        headers=headers,
    ).with_client(Client(address_of(asked.get("from", ""))))
    port = asked.get("on", parts.port or 80)
    route = ListenerTable(each for each in listeners if each.port == port).find(head)
    return {**asked, "takes": route and route.name, "becomes": _filtered(route, head)}


def _filtered(route: Route | None, head: RequestHead) -> str:
    if route is None:
        return "404"
    if any(isinstance(each.backend, Unusable) for each in route.auth):
        return "500"  # nobody can be asked
    for each in (*(route.security.filters if route.security else ()), *route.filters):
        try:
            step = each.on_request(head)
        except (RouteRefused, ClientError, KeysUnavailable) as error:
            return str(verdict(error).status)
        if isinstance(step, Reply):
            told = dict(step.head.headers)
            place = told.get(b"location") or told.get(b"access-control-allow-origin", b"")
            return f"{step.head.status} {place.decode()}".strip()
        head = step
    return (head.authority + head.target).decode()


def _statuses(translation: Translation) -> Iterator[tuple[str, object]]:
    for (_, kind, namespace, name), status in translation.statuses.items():
        yield f"{kind} {namespace}/{name}".replace(" /", " "), _status(status)


def _status(status: Json) -> object:
    if "parents" in status:
        return [{"parent": _parent(each["parentRef"]), **_conditions(each)} for each in status["parents"]]
    if "ancestors" in status:
        return [{"ancestor": _parent(each["ancestorRef"]), **_conditions(each)} for each in status["ancestors"]]
    value: Json = _conditions(status)
    if "addresses" in status:
        value["addresses"] = [f"{each['type']} {each['value']}" for each in status["addresses"]]
    if "listeners" in status:
        value["listeners"] = {each["name"]: _listener_status(each) for each in status["listeners"]}
    return value


def _listener_status(status: Json) -> Json:
    kinds = [each["kind"] for each in status["supportedKinds"]]
    return {**_conditions(status), "supportedKinds": kinds, "attachedRoutes": status["attachedRoutes"]}


def _parent(ref: Json) -> str:
    words = (ref["kind"], f"{ref['namespace']}/" if "namespace" in ref else "", ref["name"])
    section = f" section {ref['sectionName']}" if "sectionName" in ref else ""
    port = f" port {ref['port']}" if "port" in ref else ""
    return f"{words[0]} {words[1]}{words[2]}{section}{port}"


def _conditions(status: Json) -> Json:
    return {each["type"]: _condition(each) for each in status["conditions"]}


def _condition(each: Json) -> str:
    # The specification fixes how this one message begins, and of no other a word.
    dropped = ", Dropped Rule" if each["message"].startswith("Dropped Rule") else ""
    return f"{each['status']} {each['reason']}{dropped}"
