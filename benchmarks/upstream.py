"""The upstream that every peer goes to: a raw protocol that knows this benchmark's requests and no others.

``python -m benchmarks.upstream PORT TLS_PORT PEM`` serves until it is ended. It reads a head with two searches, counts
the body without keeping it, and answers prepared bytes. A request without the injected key gets 401.
"""

import asyncio
import re
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

from benchmarks import traffic

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = traffic.KEY.encode()
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_SLOW_PAUSE = 0.2


def _answer(body: bytes, media_type: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %s\r\nserver: upstream\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (status, media_type, len(body)) + body


_PLAIN = _answer(traffic.ANSWER)
_LARGE = _answer(b"x" * traffic.LARGE, b"application/octet-stream")
_REFUSED = _answer(b"{}", status=b"401 Unauthorized")
_STREAM = (
    b"HTTP/1.1 200 OK\r\nserver: upstream\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_CHUNK = b"%x\r\n%s\r\n" % (len(traffic.EVENT), traffic.EVENT)


class Upstream(asyncio.Protocol):
    """One connection; a client sends its next request after the answer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._head = b""
        self._missing = 0
        self._tail: bytes | None = None
        self._respond: Callable[[], None] = self._plain

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface
        """Streams look here whether anybody listens."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer once the whole request is in."""
        if self._missing:
            self._missing -= len(data)
            self._done(self._missing <= 0)
        elif self._tail is not None:
            self._tail = self._tail[-len(_LAST_CHUNK) :] + data[-len(_LAST_CHUNK) :]
            self._done(self._tail.endswith(_LAST_CHUNK))
        else:
            self._begin(self._head + data)

    def _begin(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._head = data
            return
        self._head = b""
        head = data[:end]
        self._respond = self._responder(head)
        length = _LENGTH.search(head)
        if length is not None:
            self._missing = int(length[1]) - (len(data) - end - 4)
            self._done(self._missing <= 0)
        elif b"chunked" in head:
            self._tail = data[end + 2 :]
            self._done(self._tail.endswith(_LAST_CHUNK))
        else:
            self._respond()

    def _done(self, done: bool) -> None:  # noqa: FBT001 - private
        if done:
            self._missing, self._tail = 0, None
            self._respond()

    def _responder(self, head: bytes) -> Callable[[], None]:
        path = head[: head.find(b"\r\n")]
        if _KEY not in head:
            return self._refuse
        if b"/chat/" in path:
            return self._plain
        others = ((b"/events", self._events), (b"/slow", self._slow), (b"/download", self._large))
        return next((answer for part, answer in others if part in path), self._plain)

    def _plain(self) -> None:
        self._write(_PLAIN)

    def _large(self) -> None:
        self._write(_LARGE)

    def _refuse(self) -> None:
        self._write(_REFUSED)

    def _events(self) -> None:
        self._write(_STREAM)
        self._event(traffic.EVENT_COUNT)

    def _event(self, left: int) -> None:
        """One event for each turn of the loop, so that each is a packet of its own."""
        if left:
            self._write(_CHUNK)
            self._loop.call_soon(self._event, left - 1)
        else:
            self._write(b"0\r\n\r\n")

    def _slow(self) -> None:
        self._write(_STREAM)
        self._tick()

    def _tick(self) -> None:
        if self._transport is not None:
            self._write(_CHUNK)
            self._loop.call_later(_SLOW_PAUSE, self._tick)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def serve(port: int, tls_port: int, pem: Path) -> None:
    """Serve plainly and over TLS until cancelled."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    loop = asyncio.get_running_loop()
    await loop.create_server(Upstream, "127.0.0.1", tls_port, ssl=context, backlog=2048)
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
