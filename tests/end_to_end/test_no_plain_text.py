"""In no state of the manifests and of no server does a byte of a request leave in plain text.

Servers keep every byte that comes from the gateway, as it is on the wire. Where TLS cannot be had nothing may come
at all; where a server cannot prove who it is, nothing but TLS records in which no request fits.
"""

# pyright: reportUnknownMemberType=false

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from wire import Wire

from asgi_driver import exchange, http_scope, settled
from gateway_filters import Gateway
from gateway_filters.upstream import default
from issued import issue
from tls_manifests import bundle, secret
from tls_peers import pair_of

CA, OTHER_CA = trustme.CA(), trustme.CA()
SPIFFE = "spiffe://cluster.test/ns/a/sa/b"
GOOD = issue(CA, "b.test", SPIFFE)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
# What a request would show.
MARKS = (b"sk-not-a-key", b"Bearer", b"uthorization", b"GET", b"HTTP/1", b"/v1/secret-path", b"gateway.test")
_HANDSHAKE, _CHANGE_CIPHER, _ALERT, _ENCRYPTED = 22, 20, 21, 23


class Server:
    """A server on a port of its own, over TLS where there is a context; keeps every byte that comes, as it comes."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.wires: list[Wire] = []
        self.requests: list[bytes] = []
        self.port = 0
        self._tls = tls
        self._came = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def raw(self) -> bytes:
        """What came from the gateway, before TLS made anything of it."""
        return b"".join(wire.raw for wire in self.wires)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = Wire(reader, writer, self._tls)
        self.wires.append(wire)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while await wire.handshake() and (request := await wire.read()):
                self.requests.append(request)
                self._came.set()
                await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await wire.aclose()

    async def until(self, mark: bytes) -> None:
        """Wait for a request with that in it."""
        async with asyncio.timeout(5):
            while not any(mark in each for each in self.requests):
                self._came.clear()
                await self._came.wait()

    async def stop(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None) -> AsyncGenerator[Server]:
    """A server that listens."""
    server = Server(tls)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


# Manifests

BASE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec:
  gatewayClassName: any
  listeners: [{name: http, port: 80, protocol: HTTP}]%s
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{path: {value: /v1}}]
    backendRefs: [%s]
  - matches: [{path: {value: /mirrored}}]
    filters: [{type: RequestMirror, requestMirror: {backendRef: %s}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: elsewhere}]
  - matches: [{path: {value: /asked}}]
    filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: %s, http: {}}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: elsewhere}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: elsewhere}
spec: {endpoints: [{fqdn: {hostname: elsewhere.test, port: 80}}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{name: https, port: 443, targetPort: 8443%s}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
ports: [{name: https, port: 8443}]
endpoints: [{addresses: [10.0.0.1]}]
"""
TO_SERVICE = "{name: s, port: 443}"
TO_BACKEND = "{group: gateway.envoyproxy.io, kind: Backend, name: b}"
SYSTEM = "wellKnownCACertificates: System"
HERE = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]'


def routed(to: str, gateway_tls: str = "") -> str:
    """Everything leads to one backend."""
    return BASE % (f"\n  tls: {gateway_tls}" if gateway_tls else "", to, to, to)


def backend(tls: str = "", ports: Sequence[int] = (443,)) -> str:
    """A Backend, with TLS of its own where it is given."""
    endpoints = ", ".join(f"{{fqdn: {{hostname: b.test, port: {port}}}}}" for port in ports)
    own = f"\n  tls: {{{tls}}}" if tls else ""
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b}}
spec:
  endpoints: [{endpoints}]{own}
"""


def policy(name: str, validation: str, *, section: str = "", to: str = "Backend", born: str = "2026") -> str:
    """A BackendTLSPolicy for the Backend or the Service."""
    group = "gateway.envoyproxy.io" if to == "Backend" else '""'
    at = f', sectionName: "{section}"' if section else ""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}, creationTimestamp: "{born}-01-01T00:00:00Z"}}
spec:
  targetRefs: [{{group: {group}, kind: {to}, name: {to[0].lower()}{at}}}]
  validation: {{hostname: b.test, {validation}}}
"""


def ref(name: str, kind: str = "ConfigMap") -> str:
    """Authorities in an object."""
    return f'caCertificateRefs: [{{group: "", kind: {kind}, name: {name}}}]'


EMPTY = "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: empty}\ndata: {other.crt: x}\n"
BROKEN = "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken}\ndata: {ca.crt: not a certificate}\n"
VALID = policy("valid", HERE)
UNMET = [
    pytest.param([routed(TO_BACKEND), backend(), policy("p", ref("missing"))], id="a policy whose CA is not there"),
    pytest.param([routed(TO_BACKEND), backend(), policy("p", ref("empty"))], id="a policy whose ConfigMap has no CA"),
    pytest.param([routed(TO_BACKEND), backend(), policy("p", ref("broken"))], id="a policy whose CA is malformed"),
    pytest.param([routed(TO_BACKEND), backend(), policy("p", ref("ca", "Pod"))], id="a policy with a CA in a Pod"),
    pytest.param(
        [routed(TO_BACKEND), backend(), policy("p", f"{ref('ca')[:-1]}, {ref('missing')[20:]}")],
        id="a policy with a CA that is there and one that is not",
    ),
    pytest.param(
        [routed(TO_BACKEND), backend(), policy("p", "wellKnownCACertificates: example.com/ours")],
        id="a policy with CAs that nobody knows",
    ),
    pytest.param(
        [routed(TO_BACKEND), backend(), policy("p", HERE, section="8443")],
        id="a policy for a port that the Backend does not have",
    ),
    pytest.param(
        [routed(TO_BACKEND), backend(ports=(443, 8443)), policy("p", HERE, section="443")],
        id="a policy for one of two ports",
    ),
    pytest.param(
        [routed(TO_BACKEND), backend(), VALID, policy("older", ref("missing"), born="2025")],
        id="an older policy that is broken before one that is not",
    ),
    pytest.param(
        [routed(TO_BACKEND), backend(), VALID, policy("p", ref("missing"), section="443", born="2027")],
        id="a broken policy for the port before one for all",
    ),
    pytest.param(
        [routed(TO_SERVICE), SERVICE % "", policy("p", HERE, section="http", to="Service")],
        id="a policy for a port that the Service does not have",
    ),
    pytest.param(
        [routed(TO_SERVICE), SERVICE % ", protocol: UDP", policy("p", HERE, to="Service")],
        id="a policy for a port that is not TCP",
    ),
    pytest.param([routed(TO_SERVICE), SERVICE % ", appProtocol: kubernetes.io/wss"], id="wss without a policy"),
    pytest.param([routed(TO_BACKEND), backend("sni: b.test")], id="tls without authorities"),
    pytest.param([routed(TO_BACKEND), backend(ref("missing"))], id="tls whose CA is not there"),
    pytest.param([routed(TO_BACKEND), backend(f"{HERE}, ciphers: [eNULL]")], id="a cipher that encrypts nothing"),
    pytest.param([routed(TO_BACKEND), backend(f"{HERE}, ciphers: [aNULL]")], id="a cipher that verifies nobody"),
    pytest.param([routed(TO_BACKEND), backend(f'{HERE}, minVersion: "1.0", maxVersion: "1.1"')], id="TLS of old"),
    pytest.param([routed(TO_BACKEND), backend(f"{HERE}, ecdhCurves: [P-256]")], id="curves that cannot be chosen"),
    pytest.param([routed(TO_BACKEND), backend(f"{HERE}, alpnProtocols: [spdy]")], id="no protocol that is spoken"),
    pytest.param(
        [routed(TO_BACKEND), backend(f"{HERE}, clientCertificateRef: {{name: missing}}")],
        id="a Backend's certificate of ours that is not there",
    ),
    pytest.param(
        [routed(TO_BACKEND), backend(ref("missing")), VALID],
        id="a policy that holds with tls that does not",
    ),
    pytest.param(
        [routed(TO_BACKEND, "{backend: {clientCertificateRef: {name: missing}}}"), backend(), VALID],
        id="a Gateway's certificate of ours that is not there",
    ),
    pytest.param(
        [routed(TO_BACKEND, "{backend: {clientCertificateRef: {name: ours, namespace: other}}}"), backend(), VALID],
        id="a Gateway's certificate of ours that it may not have",
    ),
]


def served(folder: Path, texts: Iterable[str], server: Server, elsewhere: Server | None = None) -> Gateway:
    """A gateway that finds the server at every name but one."""
    known = (bundle("ca", CA), EMPTY, BROKEN, secret("ours", CA.issue_cert("us.test"), "other"))
    (folder / "all.yaml").write_text("---".join((*texts, *known)))

    async def resolve(host: str, _: int) -> Sequence[tuple[str, int]]:
        found = elsewhere if host == "elsewhere.test" else server
        return [("127.0.0.1", found.port)] if found else []

    return Gateway.from_manifests(folder, resolve=resolve)


async def ask(gateway: Gateway, path: str = "/v1/secret-path") -> int:
    """The status of one request with a credential."""
    headers = ((b"host", b"gateway.test"), (b"authorization", b"Bearer sk-not-a-key"))
    answer = await exchange(gateway, http_scope(path, headers=headers))
    return answer.status


@pytest.mark.parametrize("texts", UNMET)
async def test_tls_that_cannot_be_had(texts: list[str], tmp_path: Path) -> None:
    """500, and nobody is even called: not for a request, nor for its copy, nor for permission."""
    async with listening(None) as server, listening(None) as elsewhere:
        gateway = served(tmp_path, texts, server, elsewhere)
        paths = ("/v1/secret-path", "/asked/secret-path", "/mirrored/secret-path")
        assert [await ask(gateway, path) for path in paths] == [500, 500, 200]
        await settled()
        await gateway.aclose()
        assert (len(server.wires), server.raw) == (0, b"")
        assert len(elsewhere.requests) == 1  # the one whose copy had nowhere to go


def serving_tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair_of(certificate).load_into(context)
    return context


def without_intermediate() -> ssl.SSLContext:
    """A server that forgets the CA between its own certificate and the root."""
    leaf = CA.create_child_ca().issue_cert("b.test")
    return serving_tls(trustme.LeafCert(leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes(), []))


def named(kind: str, name: str) -> str:
    """A policy that expects one other name."""
    return policy("p", f"{HERE}, subjectAltNames: [{{type: {kind}, {kind.lower()}: '{name}'}}]")


IMPOSTORS = [
    pytest.param(VALID, serving_tls(OTHER_CA.issue_cert("b.test")), id="a certificate of another CA"),
    pytest.param(VALID, serving_tls(CA.issue_cert("c.test")), id="a certificate for another name"),
    pytest.param(VALID, serving_tls(issue(CA, SPIFFE)), id="a certificate without a host name"),
    pytest.param(
        VALID, serving_tls(CA.issue_cert("b.test", not_before=FIRST, not_after=LAST)), id="one that has expired"
    ),
    pytest.param(VALID, without_intermediate(), id="a chain with a gap"),
    pytest.param(named("Hostname", "c.test"), serving_tls(GOOD), id="the name that is asked for, but not expected"),
    pytest.param(named("Hostname", "*.b.test"), serving_tls(GOOD), id="a host that a wildcard does not cover"),
    pytest.param(named("URI", f"{SPIFFE}2"), serving_tls(GOOD), id="another URI"),
    pytest.param(
        named("URI", SPIFFE), serving_tls(issue(OTHER_CA, "b.test", SPIFFE)), id="the right URI, by another CA"
    ),
    pytest.param(
        named("URI", SPIFFE),
        serving_tls(issue(CA, SPIFFE, not_before=FIRST, not_after=LAST)),
        id="the right URI, expired",
    ),
    pytest.param(VALID, None, id="a server without TLS"),
    pytest.param(named("URI", SPIFFE), None, id="a server without TLS where a URI is expected"),
]


@pytest.mark.parametrize("client", ["our own client", "httpx"])
@pytest.mark.parametrize(("expecting", "certified"), IMPOSTORS)
async def test_servers_that_cannot_prove_who_they_are(
    expecting: str, certified: ssl.SSLContext | None, client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503; a ClientHello and an alert leave, and nothing in which a request would fit."""
    if client == "httpx":
        monkeypatch.setattr(default, "transport_to", default.through_httpx)
    async with listening(certified) as server:
        gateway = served(tmp_path, [routed(TO_BACKEND), backend(), expecting], server)
        assert await ask(gateway) == 503
        await gateway.aclose()
        await server.stop()
    (kind, hello), *rest = records(server.raw)
    assert (kind, hello[:1]) == (_HANDSHAKE, b"\x01")
    # A Finished of TLS 1.3 is 53 bytes, an encrypted alert 19: no request of a hundred and more fits in there.
    assert {each for each, _ in rest} <= {_CHANGE_CIPHER, _ALERT, _ENCRYPTED, _HANDSHAKE}
    assert sum(len(content) for each, content in rest if each == _ENCRYPTED) <= 100
    assert [mark for mark in MARKS if mark in server.raw] == []
    assert [each for each in server.requests if not each.startswith(b"\x16")] == []


async def test_the_right_server_gets_the_request_in_tls(tmp_path: Path) -> None:
    """The control: requests, copies and questions arrive, and on the wire there are records and no word of them."""
    async with listening(serving_tls(GOOD)) as server, listening(None) as elsewhere:
        gateway = served(tmp_path, [routed(TO_BACKEND), backend(), named("URI", SPIFFE)], server, elsewhere)
        for path in ("/v1/secret-path", "/asked/secret-path", "/mirrored/secret-path"):
            assert await ask(gateway, path) == 200
            await server.until(path.encode())
        await gateway.aclose()
        assert b"sk-not-a-key" in server.requests[0]
        assert sum(len(content) for each, content in records(server.raw) if each == _ENCRYPTED) > 100
        assert [mark for mark in MARKS if mark in server.raw] == []


async def test_the_server_would_see_it(tmp_path: Path) -> None:
    """The other control: where nobody asks for TLS, every word is there to be seen."""
    async with listening(None) as server:
        gateway = served(tmp_path, [routed(TO_BACKEND), backend()], server)
        assert await ask(gateway) == 200
        await gateway.aclose()
        assert all(mark in server.raw for mark in (b"sk-not-a-key", b"GET", b"/v1/secret-path"))


def records(raw: bytes) -> list[tuple[int, bytes]]:
    """The TLS records in ``raw`` (RFC 8446 5.1): type and content; fails for bytes that are none."""
    found: list[tuple[int, bytes]] = []
    while raw:
        assert raw[0] in (_HANDSHAKE, _CHANGE_CIPHER, _ALERT, _ENCRYPTED) and raw[1] == 3, "not a TLS record"
        length = int.from_bytes(raw[3:5], "big")
        assert len(raw) >= 5 + length, "half a TLS record"
        found.append((raw[0], raw[5 : 5 + length]))
        raw = raw[5 + length :]
    return found
