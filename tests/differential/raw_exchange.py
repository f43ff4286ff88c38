"""The client before both gateways: sends exact bytes, keeps its connection as long as it may."""

import socket
from dataclasses import dataclass
from typing import Self

from recorder import PATIENCE, Pairs, Received, Recorder, Stream


@dataclass(frozen=True)
class Answered:
    """An answer as the client got it: header names in lower case."""

    status: int
    headers: Pairs
    body: bytes


@dataclass(frozen=True)
class Seen:
    """One exchange from both ends: what the upstream received, if anything, and what the client got."""

    received: tuple[Received, ...]
    answered: Answered


class Client:
    """Sends requests to ``port`` one after the other; ``recorder`` is the upstream behind it."""

    def __init__(self, port: int, recorder: Recorder) -> None:
        self._port = port
        self._recorder = recorder
        self._open: tuple[socket.socket, Stream] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def ask(self, request: bytes) -> Seen:
        """Send the bytes of one request, on a new connection where the old one has ended."""
        fresh = self._open is None
        try:
            answered = self._exchange(request)
        except ConnectionError:
            self._close()
            if fresh:
                raise
            # Servers end idle connections; nothing has been answered on this one.
            self._recorder.take()
            answered = self._exchange(request)
        return Seen(self._recorder.take(), answered)

    def _exchange(self, request: bytes) -> Answered:
        connection, stream = self._open = self._open or self._dial()
        connection.sendall(request)
        head = stream.head()
        if head is None:
            raise ConnectionError("the connection ended before an answer")
        status = int(head.start.split(b" ")[1])
        bodiless = request.startswith(b"HEAD ") or status in (204, 304)
        body = b"" if bodiless else stream.body(head, to_the_end=True)
        if (head.first(b"connection") or b"").lower() == b"close":
            self._close()
        return Answered(status, head.headers, body)

    def _dial(self) -> tuple[socket.socket, Stream]:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, Stream(connection)

    def _close(self) -> None:
        if self._open is not None:
            self._open[0].close()
            self._open = None
