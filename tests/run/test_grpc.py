"""gRPC through ``gateway-filters run``: a real client and a real server of grpcio, who know each other by HTTP/2 only.

Nothing here knows a message format: requests and answers are bytes.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import trustme

from run.gateway_run import documents, free_port, gateway, running
from tls_manifests import bundle, secret

CA = trustme.CA()
_NOT_READ = 60


class Service(grpc.GenericRpcHandler):
    """``/test.Service/<method>``; ``left`` is set when a client leaves ``Forever``."""

    def __init__(self) -> None:
        self.left = threading.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The method of this name."""
        known: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Echo": grpc.unary_unary_rpc_method_handler(self._echo),
            "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "Count": grpc.unary_stream_rpc_method_handler(self._count),
            "Join": grpc.stream_unary_rpc_method_handler(self._join),
            "Talk": grpc.stream_stream_rpc_method_handler(self._talk),
            "Forever": grpc.unary_stream_rpc_method_handler(self._forever),
        }
        return known.get(handler_call_details.method.rpartition("/")[2])

    def _echo(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("x-seen", dict(context.invocation_metadata())["x-mark"]), ("x-bin", b"\0\xff")))
        return request

    def _fail(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        del request
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not töday")

    def _count(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        del context
        yield from (b"%d" % number for number in range(int(request)))

    def _join(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        del context
        return b"".join(requests)

    def _talk(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        del context
        yield b"welcome"
        for request in requests:
            yield b"re: " + request

    def _forever(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.left.set)
        yield request
        self.left.wait(_NOT_READ)


@pytest.fixture(scope="module")
def service() -> Service:
    """What is behind the gateway."""
    return Service()


@pytest.fixture(scope="module", params=[False, True], ids=["in plain text", "over TLS"])
def channel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: Service
) -> Iterator[grpc.Channel]:
    """A client of the gateway in front of a server that has the service; the route has filters and clocks.

    On both sides of the gateway the same is spoken: HTTP/2 with prior knowledge, or over TLS, by ALPN.
    """
    folder, port, secured = tmp_path_factory.mktemp("grpc"), free_port(), bool(request.param)
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((service,))
    place = server.add_secure_port("127.0.0.1:0", _shown()) if secured else server.add_insecure_port("127.0.0.1:0")
    server.start()
    written = _over_tls(port, place) if secured else (gateway(port), BACKEND.format(port=place))
    (folder / "all.yaml").write_text(documents(ROUTE, *written))
    with running(folder), _connected(port, secured=secured) as connected:
        yield connected
    server.stop(0).wait()


def _connected(port: int, *, secured: bool) -> grpc.Channel:
    if not secured:
        return grpc.insecure_channel(f"127.0.0.1:{port}")
    trusted = grpc.ssl_channel_credentials(CA.cert_pem.bytes())
    return grpc.secure_channel(f"127.0.0.1:{port}", trusted, (("grpc.ssl_target_name_override", "gateway.test"),))


def _shown() -> grpc.ServerCredentials:
    certificate = CA.issue_cert("upstream.test")
    chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
    return grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])


def _over_tls(port: int, place: int) -> tuple[str, ...]:
    """A listener and a backend that speak HTTP/2 over TLS."""
    listener = gateway(port).replace("protocol: HTTP,", "protocol: HTTPS, tls: {certificateRefs: [{name: shown}]},")
    backend = BACKEND.replace("  appProtocols: [gateway.envoyproxy.io/h2c]\n", "").format(port=place) + BACKEND_TLS
    return listener, backend, secret("shown", CA.issue_cert("gateway.test")), bundle("cas", CA)


ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /test.Service}}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-mark, value: marked}]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-gateway, value: here}]}
    timeouts: {request: 30s}
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: b}]
"""
BACKEND = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b}}
spec:
  appProtocols: [gateway.envoyproxy.io/h2c]
  endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]
"""
BACKEND_TLS = """
  tls:
    sni: upstream.test
    alpnProtocols: [h2]
    caCertificateRefs: [{group: "", kind: ConfigMap, name: cas}]
"""


@pytest.mark.parametrize("message", [b"", b"hello", b"x" * 1_000_000], ids=["empty", "short", "a megabyte"])
def test_a_call(channel: grpc.Channel, message: bytes) -> None:
    """Message, metadata before and behind, and status come through; filters see a request like any other."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Service/Echo")
    answer, done = call.with_call(message, timeout=50, metadata=(("x-mark", "the client's"),))
    assert answer == message
    assert done.code() is grpc.StatusCode.OK
    assert dict(done.initial_metadata())["x-gateway"] == "here"
    assert dict(done.trailing_metadata()) == {"x-seen": "marked", "x-bin": b"\0\xff"}


FAILURES = [
    pytest.param("Fail", grpc.StatusCode.FAILED_PRECONDITION, "not töday", id="a status with words"),
    pytest.param("Missing", grpc.StatusCode.UNIMPLEMENTED, "Method not found!", id="trailers only"),
]


@pytest.mark.parametrize(("method", "code", "words"), FAILURES)
def test_a_failure(channel: grpc.Channel, method: str, code: grpc.StatusCode, words: str) -> None:
    """The status is the service's, not one of the way to it."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/test.Service/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=50)
    assert isinstance(caught.value, grpc.Call)
    assert (caught.value.code(), caught.value.details()) == (code, words)


def test_many_answers(channel: grpc.Channel) -> None:
    """A stream of messages, and its end."""
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/Count")
    assert [*call(b"1000", timeout=50)] == [b"%d" % number for number in range(1000)]


def test_many_requests(channel: grpc.Channel) -> None:
    """More than the windows hold at once."""
    call: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary("/test.Service/Join")
    assert call(iter([b"x" * 10_000] * 100), timeout=50) == b"x" * 1_000_000


def test_a_talk(channel: grpc.Channel) -> None:
    """Both sides speak, the server first, each after it has heard the other."""
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/test.Service/Talk")
    said, heard = ("one", "two", "three"), list[bytes]()
    turn = threading.Semaphore(0)

    def requests() -> Iterator[bytes]:
        for each in said:
            turn.acquire()
            yield each.encode()

    for answer in call(requests(), timeout=50):
        heard.append(answer)
        turn.release()
    assert heard == [b"welcome", *(f"re: {each}".encode() for each in said)]


def _first(channel: grpc.Channel, *, timeout: float) -> Any:
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/Forever")
    answers: Any = call(b"begun", timeout=timeout)
    assert next(answers) == b"begun"
    return answers


def test_a_call_that_is_given_up(channel: grpc.Channel, service: Service) -> None:
    """The server sees its client leave."""
    service.left.clear()
    _first(channel, timeout=50).cancel()
    assert service.left.wait(50)


def test_a_deadline(channel: grpc.Channel, service: Service) -> None:
    """The client's own ends the call on both sides."""
    service.left.clear()
    with pytest.raises(grpc.RpcError) as caught:
        list(_first(channel, timeout=0.5))
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert service.left.wait(50)
