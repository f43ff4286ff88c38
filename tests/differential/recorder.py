"""The upstream behind both gateways: keeps every request as it stood on the wire, answers from a fixed list."""

import socket
import socketserver
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

PATIENCE = 30.0
"""Seconds after which a read on loopback counts as never ending."""

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Received:
    """A request as the upstream got it: header names in lower case, all else as it came."""

    method: bytes
    target: bytes
    headers: Pairs
    body: bytes

    @property
    def host(self) -> tuple[bytes, ...]:
        """All Host lines."""
        return tuple(value for name, value in self.headers if name == b"host")


@dataclass(frozen=True)
class Head:
    """A start line and header pairs, names in lower case."""

    start: bytes
    headers: Pairs

    def first(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


class Stream:
    """Reads heads and bodies from a socket, and nothing beyond them."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._data = bytearray()

    def head(self) -> Head | None:
        """The next head; None when the connection ends before it."""
        while b"\r\n\r\n" not in self._data:
            if not self._more():
                return None
        raw, _, rest = bytes(self._data).partition(b"\r\n\r\n")
        self._data = bytearray(rest)
        start, *lines = raw.split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        # One blank belongs to the line; any other is what a gateway has written.
        return Head(start, tuple((name.lower(), value.removeprefix(b" ")) for name, _, value in pairs))

    def body(self, head: Head, *, to_the_end: bool = False) -> bytes:
        """The body that goes with ``head``; ``to_the_end`` where one without a length ends with the connection."""
        if (head.first(b"transfer-encoding") or b"").lower() == b"chunked":
            return b"".join(iter(self._chunk, b""))
        length = head.first(b"content-length")
        if length is not None:
            return self._exactly(int(length))
        while to_the_end and self._more():
            pass
        rest = bytes(self._data) if to_the_end else b""
        del self._data[: len(rest)]
        return rest

    def _chunk(self) -> bytes:
        while b"\r\n" not in self._data:
            if not self._more():
                raise ConnectionError("the connection ended inside a body")
        size, _, _ = bytes(self._data).partition(b"\r\n")
        self._exactly(len(size) + 2)
        return self._exactly(int(size.partition(b";")[0], 16) + 2)[:-2]

    def _exactly(self, count: int) -> bytes:
        while len(self._data) < count:
            if not self._more():
                raise ConnectionError("the connection ended inside a body")
        taken = bytes(self._data[:count])
        del self._data[:count]
        return taken

    def _more(self) -> bool:
        data = self._connection.recv(65536)
        self._data += data
        return bool(data)


_FIXED = b"date: Mon, 23 Nov 2026 00:00:00 GMT\r\nserver: provider/1\r\n"
_JSON = b"content-type: application/json\r\n"


def _answer(status: int, headers: bytes, body: bytes = b"", framing: bytes | None = None) -> bytes:
    length = b"content-length: %d\r\n" % len(body) if framing is None else framing
    return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n%b" % (
        status,
        HTTPStatus(status).phrase.encode(),
        _FIXED,
        headers,
        length,
        body,
    )


ANSWERS = {
    b"0": _answer(200, _JSON, b'{"ok":true}'),
    b"1": _answer(
        200, b"Connection: keep-alive, X-Named\r\nX-Named: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\n", b"hop"
    ),
    b"2": _answer(
        404, _JSON + b"X-Up: 1\r\nX-Up: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n", b'{"error":{}}'
    ),
    b"3": _answer(204, b"X-Up: none\r\n", framing=b""),
    b"4": _answer(302, b"Location: http://provider.test/next\r\n"),
    b"5": _answer(200, b"X-UP:   spaced  \r\n", b"5\r\nhello\r\n0\r\n\r\n", b"transfer-encoding: chunked\r\n"),
    b"6": _answer(503, b"Retry-After: 3\r\nX-Envoy-Overloaded: true\r\n", b"busy"),
    b"7": _answer(200, _JSON + b"Access-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 7\r\n", b"{}"),
}
"""What the upstream answers, by the request's ``x-answer``."""


class Recorder:
    """The upstream on a port of its own while inside ``with``."""

    def __init__(self) -> None:
        self._received: list[Received] = []
        recorder = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                recorder._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """A gateway that goes away takes its connections with it."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def take(self) -> tuple[Received, ...]:
        """What has come since the last time."""
        taken = tuple(self._received)
        self._received.clear()
        return taken

    def _serve(self, connection: socket.socket) -> None:
        stream = Stream(connection)
        # An idle connection is the gateway's to close.
        connection.settimeout(None)
        while (head := stream.head()) is not None:
            method, target, _ = head.start.split(b" ")
            self._received.append(Received(method, target, head.headers, stream.body(head)))
            answer = ANSWERS.get(head.first(b"x-answer") or b"0", ANSWERS[b"0"])
            connection.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == b"HEAD" else answer)
