"""Trailers through ``gateway-filters run``, both ways, between clients and upstreams on the h2 library."""

import asyncio
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from http2_peer import Peer, Request, upstream2
from http2_peer import serving as serving2

from run.gateway_run import documents, free_port, gateway, route, running
from run.h2_client import Answer, Client, speaking

GRPC = (b"content-type", b"application/grpc")
OVER = b"0\r\n\r\n"


def grpc(peer: Peer, request: Request) -> None:
    """The body comes back; in the answer's trailers are the request's, and the names of its head."""
    names = b",".join(name for name, _ in request.fields)
    said = tuple((b"request-" + name, value) for name, value in request.trailers)
    peer.answer(
        request, bytes(request.body), headers=(GRPC,), trailers=((b"grpc-status", b"0"), (b"head", names), *said)
    )


async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks HTTP/1.1, answers with the request as it came, and has trailers that nobody has asked for."""
    request = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in request:
        request += await reader.readuntil(OVER)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nTrailer: x-behind\r\n\r\n"
    writer.write(head + b"%x\r\n" % len(request) + request + b"\r\n0\r\nx-behind: 1\r\n\r\n")
    writer.close()


class Upstreams(threading.Thread):
    """One that speaks HTTP/2, and one that speaks HTTP/1.1; ``ports`` are theirs once ``started``."""

    def __init__(self) -> None:
        super().__init__()
        self.started = threading.Event()
        self.ports = (0, 0)

    def run(self) -> None:
        """Serve until ``stop``."""
        asyncio.run(self._serve())

    def stop(self) -> None:
        """End."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self.join()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            two = await stack.enter_async_context(upstream2(serving2(grpc)))
            one = await stack.enter_async_context(await asyncio.start_server(told, "127.0.0.1", 0))
            self.ports = (two.port, one.sockets[0].getsockname()[1])
            self.started.set()
            await self._stopped.wait()


BACKEND = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec:
  appProtocols: [{protocol}]
  endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A gateway whose ``/two`` leads to HTTP/2, and ``/one`` to HTTP/1.1."""
    folder, port, upstreams = tmp_path_factory.mktemp("trailers"), free_port(), Upstreams()
    upstreams.start()
    assert upstreams.started.wait(50)
    two, one = upstreams.ports
    (folder / "all.yaml").write_text(
        documents(
            gateway(port),
            route("two", "/two", "two"),
            route("one", "/one", "one"),
            BACKEND.format(name="two", protocol="gateway.envoyproxy.io/h2c", port=two),
            BACKEND.format(name="one", protocol="''", port=one).replace("  appProtocols: ['']\n", ""),
        )
    )
    try:
        with running(folder):
            yield port
    finally:
        upstreams.stop()


def asked(client: Client, path: str, pieces: list[bytes], *trailers: tuple[bytes, bytes]) -> Answer:
    """The answer to a body in pieces, with trailers behind it."""
    stream = client.ask(path, method="POST", body=True, more=((b"te", b"trailers"), GRPC))
    for piece in pieces:
        client.connection.send_data(stream, piece)
        client.flush()
    if trailers:
        client.connection.send_headers(stream, list(trailers), end_stream=True)
    else:
        client.connection.end_stream(stream)
    client.flush()
    return client.answer(stream)


def test_a_call_as_grpc_makes_it(port: int) -> None:
    """Request and its end; head, body, trailers."""
    with speaking(port) as client:
        answer = asked(client, "/two", [b"\0\0\0\0\2hi"])
        assert (answer.status, answer.body, answer.reset) == (200, b"\0\0\0\0\2hi", None)
        assert answer.head[b"content-type"] == b"application/grpc"
        assert answer.trailers[b"grpc-status"] == b"0"
        assert b"te" in answer.trailers[b"head"].split(b",")


BODIES = [
    pytest.param([], id="no body"),
    pytest.param([b"one"], id="a body in one piece"),
    pytest.param([b"one", b"two", b"x" * 10_000], id="a body in pieces"),
]


@pytest.mark.parametrize("pieces", BODIES)
def test_trailers_pass_both_ways(port: int, pieces: list[bytes]) -> None:
    """From the client to the upstream, and back; neither is found in a head."""
    with speaking(port) as client:
        answer = asked(client, "/two", pieces, (b"x-sum", b"abc"), (b"x-key-bin", b"AP8="))
        assert (answer.status, answer.body) == (200, b"".join(pieces))
        assert answer.trailers[b"request-x-sum"] == b"abc"
        assert answer.trailers[b"request-x-key-bin"] == b"AP8="
        assert not {b"x-sum", b"x-key-bin", b"grpc-status"} & {*answer.trailers[b"head"].split(b","), *answer.head}


def test_what_is_no_trailer_stays_behind(port: int) -> None:
    """Credentials, lengths and hosts are for heads."""
    with speaking(port) as client:
        bad = [
            (b"authorization", b"Bearer x"),
            (b"content-length", b"3"),
            (b"host", b"a"),
            (b"x-forwarded-for", b"::1"),
        ]
        answer = asked(client, "/two", [b"one"], *bad, (b"x-sum", b"abc"))
        assert {name for name in answer.trailers if name.startswith(b"request-")} == {b"request-x-sum"}


@pytest.mark.parametrize("name", [b":path", b"connection", b"transfer-encoding", b"X-Upper"])
def test_what_ends_the_stream(port: int, name: bytes) -> None:
    """Malformed requests are not sent on (RFC 9113 8.1); the connection goes on."""
    with speaking(port) as client:
        client.connection.config.validate_outbound_headers = False
        client.connection.config.normalize_outbound_headers = False
        assert asked(client, "/two", [b"one"], (name, b"x")).reset == 1
        assert asked(client, "/two", [b"one"]).status == 200


def test_from_http2_to_http1_they_are_dropped(port: int) -> None:
    """As in Envoy, in both directions; the body ends as it should."""
    with speaking(port) as client:
        answer = asked(client, "/one", [b"one", b"two"], (b"x-sum", b"abc"))
        assert (answer.status, answer.ended, answer.trailers) == (200, True, {})
        assert b"x-sum" not in answer.body
        assert answer.body.endswith(b"\r\n" + OVER)
        assert b"x-behind" not in answer.head


def test_from_http1_to_http2_they_are_dropped(port: int) -> None:
    """As in Envoy, in both directions; the next request is not harmed."""
    request = (
        b"POST /two HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\none\r\n0\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        for _ in range(2):
            client.sendall(request + b"x-sum: abc\r\nauthorization: Bearer x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"0\r\n\r\n"):
                answer += client.recv(4096)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert body == b"3\r\none\r\n0\r\n\r\n"
            assert b"grpc-status" not in answer


@pytest.mark.skipif(shutil.which("nghttp") is None, reason="nghttp2's tools are not installed")
def test_trailers_of_nghttp(port: int) -> None:
    """A client that nobody here has written."""
    command = ["nghttp", "-v", "-d", __file__, "--trailer=x-sum: abc", f"http://127.0.0.1:{port}/two"]
    said = subprocess.run(command, capture_output=True, check=True, timeout=50, text=True).stdout
    assert "request-x-sum: abc" in said
    assert "grpc-status: 0" in said
