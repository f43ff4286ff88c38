"""A second provider with another key stands behind the first one: own TLS, own name, own key, over real sockets."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import answers
import pytest
import trustme
from provider import Provider, wait_until
from raw_client import ask

from asgi_driver import exchange, http_scope
from gateway_filters import Clocks, Gateway
from run.gateway_run import documents, free_port, gateway, running

KEYS = {"first": b"Bearer sk-of-the-first", "second": b"Bearer sk-of-the-second"}
UPLOAD = [bytes([number]) * 100_000 for number in range(32)]

ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs:
    - group: gateway.envoyproxy.io
      kind: Backend
      name: first
      filters:
      - {type: URLRewrite, urlRewrite: {hostname: api.first.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /compatible-mode/v1}}}
      - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: key-of-first}}
    - group: gateway.envoyproxy.io
      kind: Backend
      name: second
      filters:
      - {type: URLRewrite, urlRewrite: {hostname: api.second.test}}
      - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: key-of-second}}
"""  # noqa: E501 - a manifest


@dataclass(frozen=True)
class Authority:
    """A provider's own CA, and the file with its certificate and key."""

    ca: trustme.CA
    file: Path


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _backend(name: str, port: int, ca: trustme.CA) -> str:
    fallback = "fallback: true, " if name == "second" else ""
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec: {{{fallback}endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: {name}}}]
  validation: {{hostname: tls.{name}.test, caCertificateRefs: [{{group: "", kind: ConfigMap, name: ca-of-{name}}}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca-of-{name}}}
data:
  ca.crt: |
{_indented(ca.cert_pem.bytes().decode())}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: key-of-{name}}}
spec: {{credentialInjection: {{overwrite: true, credential: {{valueRef: {{name: key-of-{name}}}}}}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: key-of-{name}}}
stringData: {{credential: {KEYS[name].decode()}}}
"""


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Authority]:
    """Neither provider's CA vouches for the other."""
    folder, made = tmp_path_factory.mktemp("authorities"), dict[str, Authority]()
    for name in KEYS:
        ca = trustme.CA()
        ca.issue_cert(f"tls.{name}.test").private_key_and_cert_chain_pem.write_to_path(folder / name)
        made[name] = Authority(ca, folder / name)
    return made


@pytest.fixture
def second(authorities: dict[str, Authority]) -> Iterator[Provider]:
    """The provider that stands behind."""
    with Provider(authorities["second"].file, answers.answer(200, b"second")) as provider:
        yield provider
        assert provider.failures == []


@pytest.fixture
def manifests(authorities: dict[str, Authority], second: Provider, tmp_path: Path) -> "Manifests":
    """What to serve."""
    return Manifests(tmp_path / "all.yaml", authorities, second.port)


@dataclass(frozen=True)
class Manifests:
    """A gateway to a first provider and, behind it, the second one."""

    file: Path
    authorities: dict[str, Authority]
    second_port: int

    def written(self, port: int, first_port: int) -> Path:
        """A file with all of them."""
        ports = {"first": first_port, "second": self.second_port}
        backends = (_backend(name, ports[name], each.ca) for name, each in self.authorities.items())
        self.file.write_text(documents(gateway(port), ROUTE, *backends))
        return self.file


HEADERS = [("Authorization", "of-the-client"), ("Content-Length", str(len(b"".join(UPLOAD))))]


def _assert_served_by_second(second: Provider, body: bytes) -> None:
    """It gets everything under its own name and key, and nothing that is the first one's."""
    arrived = second.only_exchange()
    request = arrived.request
    assert arrived.wire.sni == "tls.second.test"
    assert request.values(b"host") == [b"api.second.test"]
    assert request.values(b"authorization") == [KEYS["second"]]
    assert request.target == b"/v1/chat?a=1"
    assert arrived.body == body


def test_the_second_provider_takes_over_while_the_first_is_away(
    manifests: Manifests, authorities: dict[str, Authority], second: Provider
) -> None:
    """With the whole upload, of which a part had come before it was known that the first one is away."""
    port = free_port()
    with ExitStack() as stack:
        script = answers.answer(200, b"first", ("connection", "close"))
        with Provider(authorities["first"].file, script) as first:
            stack.enter_context(running(manifests.written(port, first.port)))
            assert ask(port, "/v1/chat?a=1", headers=HEADERS, body=UPLOAD).body == b"first"
        arrived = first.only_exchange()
        assert arrived.wire.sni == "tls.first.test"
        assert arrived.request.values(b"host") == [b"api.first.test"]
        assert arrived.request.values(b"authorization") == [KEYS["first"]]
        assert arrived.request.target == b"/compatible-mode/v1/chat?a=1"
        assert (arrived.body, second.exchanges) == (b"".join(UPLOAD), [])
        answer = ask(port, "/v1/chat?a=1", headers=HEADERS, body=UPLOAD)
        assert (answer.status, answer.body) == (200, b"second")
    _assert_served_by_second(second, b"".join(UPLOAD))


@pytest.mark.parametrize("fault", ["another's certificate", "no handshake"])
async def test_a_first_provider_that_cannot_be_spoken_to_gets_nothing(
    fault: str, manifests: Manifests, authorities: dict[str, Authority], second: Provider
) -> None:
    """No TLS, no connection: not a byte of the request goes there, and the second provider takes it."""
    impostor = authorities["second"].file
    with Provider(impostor, answers.answer(200, b"impostor")) as first:
        first.mute = fault == "no handshake"
        file = manifests.written(80, first.port)
        gateway = Gateway.from_manifests(file, clocks=Clocks(connect=0.5))
        scope = http_scope("/v1/chat?a=1", method="POST", headers=[(b"host", b"g"), (b"content-length", b"4")])
        answer = await exchange(gateway, scope, b"bo", b"dy")
        await gateway.aclose()
        assert (answer.status, answer.body) == (200, b"second")
        wait_until(lambda: len(first.wires) == 1)
        assert first.exchanges == []
        assert first.wires[0].plain_size == 0 or first.mute
        assert b"Bearer" not in first.wires[0].raw
    _assert_served_by_second(second, b"body")


async def test_an_upload_that_nobody_takes_is_503(manifests: Manifests, refused_port: int) -> None:
    """With the second one away too there is no provider left."""
    away = Manifests(manifests.file, manifests.authorities, refused_port)
    gateway = Gateway.from_manifests(away.written(80, refused_port))
    scope = http_scope("/v1/chat", method="POST", headers=[(b"host", b"g"), (b"content-length", b"4")])
    assert (await exchange(gateway, scope, b"bo", b"dy")).status == 503
    await gateway.aclose()
