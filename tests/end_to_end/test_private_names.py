"""A gateway that denies private addresses reaches none by a name of any kind; and an address pins a name (T39)."""

# pyright: reportUnknownMemberType=false

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from asgi_driver import exchange, http_scope
from gateway_filters import Gateway
from tls_manifests import bundle

pytest.importorskip("joserfc", reason="the extra gateway-filters[jwt] is not installed")

CA = trustme.CA()
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
"""
ROUTES = (
    GATEWAY
    + """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{path: {value: /name}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: name}]
  - matches: [{path: {value: /address}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: address}]
  - matches: [{path: {value: /chosen}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: chosen}]
  - matches: [{path: {value: /asked}}]
    filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, http: {}, backendRef: %s}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: address}]
  - matches: [{path: {value: /copied}}]
    filters: [{type: RequestMirror, requestMirror: {backendRef: %s}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: name}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: signed}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{path: {value: /signed}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: name}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: signed}]
  jwt: {providers: [{name: p, remoteJWKS: {uri: "https://keys.test/keys"}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: name}
spec: {endpoints: [{fqdn: {hostname: provider.test, port: 80}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: address}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: PORT}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: chosen}
spec: {type: DynamicResolver}
"""
)
BY_NAME = "{group: gateway.envoyproxy.io, kind: Backend, name: name, port: 80}"
TOKEN = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.AAAA"


class Server:
    """Counts who comes, and answers; ``names`` are those that were asked for in TLS."""

    def __init__(self) -> None:
        self.came = 0
        self.names: list[str | None] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests."""
        self.came += 1
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while (await reader.read(65536)).startswith(b"GET "):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    def note(self, _: object, name: str | None, __: object) -> None:
        """Note a name."""
        self.names.append(name)

    def close(self) -> None:
        """End all connections."""
        for each in self._writers:
            each.close()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    """A server on this machine."""
    server = Server()
    if tls is not None:
        tls.sni_callback = server.note
    accepting = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = accepting.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        accepting.close()
        server.close()
        await asyncio.sleep(0.01)


def leading_to(server: Server) -> Callable[..., Any]:
    """All names lead to a server of this machine."""

    async def resolve(host: str, _: int) -> Sequence[tuple[str, int]]:
        del host
        return (("127.0.0.1", server.port),)

    return resolve


async def asked(gateway: Gateway, path: str, host: bytes = b"gateway.test") -> tuple[int, bytes]:
    """Status and body of a request."""
    headers = [(b"host", host), (b"authorization", TOKEN.encode())]
    answer = await exchange(gateway, http_scope(path, headers=headers))
    return answer.status, answer.body


NAMES = [
    pytest.param("/name", 503, id="a Backend's fqdn"),
    pytest.param("/chosen", 503, id="a host that a client has chosen"),
    pytest.param("/asked", 403, id="a service that is asked for permission"),
    pytest.param("/copied", 503, id="a mirror"),
    pytest.param("/signed", 503, id="the keys that have signed a token"),
]


@pytest.mark.parametrize(("path", "status"), NAMES)
async def test_no_name_leads_to_a_private_address(tmp_path: Path, path: str, status: int) -> None:
    """Nobody comes to the server, and what the client is told says nothing of it; else somebody comes."""
    for denied in (True, False):
        async with listening() as server:
            (tmp_path / "all.yaml").write_text((ROUTES % (BY_NAME, BY_NAME)).replace("PORT", str(server.port)))
            gateway = Gateway.from_manifests(
                tmp_path, resolve=leading_to(server), deny_private=denied, dynamic_hosts=("*.models.test",)
            )
            came, body = await asked(gateway, path, b"a.models.test")
            assert (came == status, server.came == 0) == (True, True) if denied else server.came > 0
            assert b"127.0.0.1" not in body and b"private" not in body
            await gateway.aclose()


async def test_without_a_word_it_holds_for_what_clients_choose(tmp_path: Path) -> None:
    """Names and addresses that manifests write down lead where they lead; a name under a wildcard does not."""
    async with listening() as server:
        (tmp_path / "all.yaml").write_text((ROUTES % (BY_NAME, BY_NAME)).replace("PORT", str(server.port)))
        gateway = Gateway.from_manifests(
            tmp_path, resolve=leading_to(server), dynamic_hosts=("*.models.test", "b.test")
        )
        assert await asked(gateway, "/name") == (200, b"ok")
        assert await asked(gateway, "/address") == (200, b"ok")
        assert await asked(gateway, "/chosen", b"b.test") == (200, b"ok")
        assert (await asked(gateway, "/chosen", b"a.models.test"))[0] == 503
        await gateway.aclose()


async def test_an_address_stays_the_operators_word(tmp_path: Path) -> None:
    """``ip`` is what somebody wrote down, so it is reached, denied or not."""
    async with listening() as server:
        (tmp_path / "all.yaml").write_text((ROUTES % (BY_NAME, BY_NAME)).replace("PORT", str(server.port)))
        gateway = Gateway.from_manifests(tmp_path, deny_private=True, dynamic_hosts=("b.test",))
        assert await asked(gateway, "/address") == (200, b"ok")
        await gateway.aclose()


PINNED = (
    GATEWAY
    + """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: pinned}]}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: pinned}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: PORT}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: pin}
spec:
  targetRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: pinned}]
  validation: {hostname: provider.test, caCertificateRefs: [{group: "", kind: ConfigMap, name: cas}]}
"""
)


@pytest.mark.parametrize(("certificate", "status"), [("provider.test", 200), ("other.test", 503)])
async def test_an_address_pins_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: str, status: int
) -> None:
    """An ``ip`` and a policy with the name: it is asked for and verified, and nobody is asked where it is."""

    def nobody(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was looked up")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(certificate).configure_cert(context)
    async with listening(context) as server:
        monkeypatch.setattr(socket, "getaddrinfo", nobody)
        texts = (PINNED.replace("PORT", str(server.port)), bundle("cas", CA))
        (tmp_path / "all.yaml").write_text("---".join(texts))
        gateway = Gateway.from_manifests(tmp_path, deny_private=True)
        assert (await asked(gateway, "/"))[0] == status
        assert server.names == ["provider.test"]
        await gateway.aclose()
