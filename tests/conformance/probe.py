"""One request over a new connection, byte for byte as the case says, and its answer."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import h11

from . import http2
from .cases import Request
from .certificates import Certificates, covers
from .http1 import Answer, Line

SECONDS = 10.0
# The ssl module's own debugging hook; it has no public way to tell that a certificate was asked for.
_MESSAGE_HOOK = "_msg_callback"
_CERTIFICATE_REQUEST = 13


@dataclass(frozen=True)
class Exchange:
    """An answer, and whether the handshake before it asked for a client certificate."""

    answer: Answer
    certificate_requested: bool = False


@dataclass(frozen=True)
class Probe:
    """Sends requests to one gateway's address; raises ``OSError`` or h11's errors when no answer comes."""

    address: str
    certificates: Certificates

    def send(self, request: Request) -> Exchange:
        """The answer to the request."""
        with socket.create_connection((self.address, request.port), SECONDS) as plain:
            if request.scheme != "https":
                return Exchange(self._exchange(plain, request))
            asked: list[int] = []
            with self._secured(plain, request, asked) as stream:
                answer = self._exchange(stream, request)
            return Exchange(answer, _CERTIFICATE_REQUEST in asked)

    def host(self, request: Request) -> str:
        """The Host header."""
        if request.host is not None:
            return request.host
        return self.address if request.port in (80, 443) else f"{self.address}:{request.port}"

    def _exchange(self, stream: socket.socket, request: Request) -> Answer:
        lines = self._lines(request)
        if request.protocol:
            return http2.exchange(stream, request.method, request.scheme, request.path, lines)
        head = f"{request.method} {request.path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in lines
        )
        stream.sendall(head.encode("latin-1") + b"\r\n")
        return _read_answer(stream, request.method)

    def _lines(self, request: Request) -> list[Line]:
        wanted = ",".join(f"{name}:{value}" for name, value in request.backend_set_response_headers.items())
        lines = [("Host", self.host(request)), ("User-Agent", "conformance"), *request.headers.items()]
        if request.method in ("POST", "PUT", "PATCH"):
            lines.append(("Content-Length", "0"))
        return [*lines, ("X-Echo-Set-Header", wanted), ("Connection", "close")]

    def _secured(self, plain: socket.socket, request: Request, asked: list[int]) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # see ``covers``
        context.load_verify_locations(cadata=self.certificates.trust)
        context.set_alpn_protocols(["h2" if request.protocol else "http/1.1"])
        if request.client_cert_secret:
            self.certificates.load(context, request.client_cert_secret)
        setattr(context, _MESSAGE_HOOK, _hook(asked))
        name = request.sni or self.host(request).partition(":")[0]
        return _checked(context.wrap_socket(plain, server_hostname=name), name)


def _hook(asked: list[int]) -> Callable[..., None]:
    def see(connection: object, direction: str, version: int, content: int, kind: int, data: bytes) -> None:
        asked.append(kind)

    return see


def _checked(stream: ssl.SSLSocket, name: str) -> ssl.SSLSocket:
    certificate = stream.getpeercert() or {}
    pairs = certificate.get("subjectAltName", ())
    names = [str(pair[1]) for pair in pairs if isinstance(pair, tuple)]
    if not covers(names, name):
        stream.close()
        raise ssl.SSLCertVerificationError(f"the certificate is for {names}, not for {name}")
    return stream


def _read_answer(stream: socket.socket, method: str) -> Answer:
    reader = h11.Connection(h11.CLIENT)
    # Only to tell the reader what it reads the answer to: the bytes have been sent by hand.
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = bytearray()
    while not isinstance(event := reader.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            reader.receive_data(stream.recv(65536))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("the connection ended without an answer")
    return _answer(head, bytes(body))


def _answer(head: h11.Response | None, body: bytes) -> Answer:
    if head is None:
        raise ConnectionError("the connection ended without an answer")
    return Answer(
        head.status_code, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers], body
    )
