"""Clients that send exact bytes and see exact bytes."""

import http.client
import json
import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

CHAT = b'{"model": "qwen3-32b", "messages": [{"role": "user", "content": "Hello"}], "enable_thinking": false}'


@dataclass(frozen=True)
class Answer:
    """An answer with its header pairs in order, names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return [value for key, value in self.headers if key == name]

    def error(self) -> dict[str, object]:
        """What the body says of an error, without the id that differs each time."""
        error = cast("dict[str, dict[str, object]]", json.loads(self.body))["error"]
        request_id = error.pop("request_id", None)
        assert request_id is None or len(str(request_id)) == 16
        return error


def ask(
    port: int,
    target: str = "/v1/chat/completions",
    *,
    method: str = "POST",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Iterable[bytes] = CHAT,
) -> Answer:
    """Send one request, its target and headers exactly as given, and read the whole answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        for piece in (body,) if isinstance(body, bytes) else body:
            connection.send(piece)
        answer = connection.getresponse()
        pairs = tuple((name.lower(), value) for name, value in answer.getheaders())
        return Answer(answer.status, pairs, answer.read())
    finally:
        connection.close()


@contextmanager
def dial(port: int, sent: bytes | None = None) -> Generator[socket.socket]:
    """A connection on which ``sent``, by default a chat completion, has been sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(chat() if sent is None else sent)
        yield connection


def chat(length: int = len(CHAT), body: bytes = CHAT) -> bytes:
    """The bytes of a chat completion; ``length`` is what it claims for its body."""
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: %d\r\n\r\n%b" % (length, body)


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Everything up to and with ``mark``, and what came in the same moment."""
    received = bytearray()
    while mark not in received:
        data = connection.recv(65536)
        assert data, f"the connection ended after {bytes(received)!r}"
        received += data
    return bytes(received)


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the connection ends, however it does."""
    received = bytearray()
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)
