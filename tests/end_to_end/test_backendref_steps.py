"""Filters of one backendRef on real sockets: who is asked, what is copied, and which key reaches whom."""

import http.client
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import answers
import pytest
from provider import Provider, wait_until

from run.gateway_run import documents, free_port, gateway, running

NAMES = ("first", "second", "copy", "asked")
KEYS = {"first": "Bearer sk-of-the-first", "second": "Bearer sk-of-the-second"}


def _backend(name: str, port: int) -> str:
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
"""


def _key(name: str) -> str:
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: key-of-{name}}}
stringData: {{credential: {KEYS[name]}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: key-of-{name}}}
spec: {{credentialInjection: {{overwrite: true, credential: {{valueRef: {{name: key-of-{name}}}}}}}}}
"""


ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - backendRefs:
    - group: gateway.envoyproxy.io
      kind: Backend
      name: first
      filters:
      - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: key-of-first}}
      - {type: RequestMirror, requestMirror: {backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: copy}}}
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-First, value: "1"}]}}
      - type: ExternalAuth
        externalAuth:
          protocol: HTTP
          http: {path: /may, allowedResponseHeaders: [X-User]}
          backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: asked}
    - group: gateway.envoyproxy.io
      kind: Backend
      name: second
      filters:
      - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: key-of-second}}
"""


@pytest.fixture
def providers() -> Iterator[dict[str, Provider]]:
    """A server for each Backend, which answers with its name; the one that is asked permits as one user."""
    with ExitStack() as stack:
        made = {name: stack.enter_context(Provider(None, answers.answer(200, name.encode()))) for name in NAMES}
        made["asked"].script = answers.answer(200, b"", ("x-user", "alice"))
        yield made
        assert [failure for each in made.values() for failure in each.failures] == []


def _post(port: int, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/x?a=1", body, {"Host": "g", "Authorization": "Bearer of-the-client"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_each_backend_has_its_own_steps_and_its_own_key(providers: dict[str, Provider], tmp_path: Path) -> None:
    """What is asked and copied never holds a key of the gateway's, and no backend gets the other one's."""
    port, file = free_port(), tmp_path / "all.yaml"
    backends = (_backend(name, each.port) for name, each in providers.items())
    file.write_text(documents(gateway(port), ROUTE, *map(_key, KEYS), *backends))
    with running(file):
        answered = [_post(port, b"body %d" % number) for number in range(20)]
    taken = {name: answered.count((200, name.encode())) for name in KEYS}
    assert sum(taken.values()) == 20
    assert all(taken.values())
    wait_until(lambda: len(providers["copy"].exchanges) == taken["first"])
    assert {name: len(each.exchanges) for name, each in providers.items()} == {
        **taken,
        "copy": taken["first"],
        "asked": taken["first"],
    }
    for name, each in providers.items():
        authorizations = {exchange.request.values(b"authorization")[0] for exchange in each.exchanges}
        assert authorizations == {KEYS.get(name, "Bearer of-the-client").encode()}
    for name, users, first in (("copy", [b"alice"], [b"1"]), ("first", [b"alice"], [b"1"]), ("second", [], [])):
        for exchange in providers[name].exchanges:
            assert (exchange.request.target, exchange.body[:5]) == (b"/v1/x?a=1", b"body ")
            assert (exchange.request.values(b"x-user"), exchange.request.values(b"x-first")) == (users, first)
    assert {each.request.target for each in providers["asked"].exchanges} == {b"/may/v1/x?a=1"}


def test_a_refusal_is_that_backends_alone(providers: dict[str, Provider], tmp_path: Path) -> None:
    """Where the service says no, nothing is copied or sent, and the other backend serves its share."""
    providers["asked"].script = answers.answer(401, b"who?", ("www-authenticate", "Bearer"))
    port, file = free_port(), tmp_path / "all.yaml"
    backends = (_backend(name, each.port) for name, each in providers.items())
    file.write_text(documents(gateway(port), ROUTE, *map(_key, KEYS), *backends))
    with running(file):
        answered = {_post(port, b"body") for _ in range(20)}
    assert answered == {(401, b"who?"), (200, b"second")}
    assert providers["first"].exchanges == providers["copy"].exchanges == []
