"""Clients that speak HTTP/1.1 byte by byte, and tell a whole answer from a broken one."""

import asyncio
from dataclasses import dataclass, field
from typing import Self, cast


@dataclass(slots=True)
class Heard:
    """An answer as it came. ``whole``: it has ended as its head said it would; ``seconds``: from its request on."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    body: bytes = b""
    whole: bool = False
    seconds: float = 0.0


class Caller(asyncio.Protocol):
    """One connection to the gateway; a request at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.lost = False
        self.body_begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._seen = b""
        self._head: Heard | None = None
        self._waiter: asyncio.Future[Heard] | None = None

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connect."""
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, "127.0.0.1", port))[1]

    async def ask(self, request: bytes, seconds: float = 30.0) -> Heard:
        """The answer to ``request``, whole or not; status 0 where none began."""
        begun = self._loop.time()
        heard = await asyncio.wait_for(self.begin(request), seconds)
        heard.seconds = self._loop.time() - begun
        return heard

    def begin(self, request: bytes) -> "asyncio.Future[Heard]":
        """Send, and do not wait."""
        self._waiter = waiter = self._loop.create_future()
        self._head = None
        if self.lost:
            waiter.set_result(Heard())
        else:
            self.transport.write(request)
        return waiter

    def leave(self) -> None:
        """Go without a word."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever was not whole will not be."""
        self.lost = True
        until_close = self._head is not None and not (_LENGTH & self._head.fields.keys())
        heard = self._head or Heard()
        heard.body = self._seen
        self._settle(heard, whole=until_close and exc is None)

    def data_received(self, data: bytes) -> None:
        """See whether the answer is whole."""
        self._seen += data
        if self._head is None:
            head, end, rest = self._seen.partition(b"\r\n\r\n")
            if not end:
                return
            self._head, self._seen = _told(head), rest
        if self._seen:
            self.body_begun.set()
        body = _body_of(self._head, self._seen)
        if body is not None:
            self._head.body, self._seen = body
            self._settle(self._head, whole=not self._seen)

    def _settle(self, heard: Heard, *, whole: bool) -> None:
        waiter, self._waiter, self._head = self._waiter, None, None
        if waiter is not None and not waiter.done():
            heard.whole = whole
            waiter.set_result(heard)


_LENGTH = {b"content-length", b"transfer-encoding"}


def _told(head: bytes) -> Heard:
    first, *lines = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return Heard(int(first.split(b" ")[1]), {name.lower(): value.strip() for name, _, value in pairs})


def _body_of(heard: Heard, seen: bytes) -> tuple[bytes, bytes] | None:
    """The body and what is behind it, once it is whole."""
    if heard.status in (204, 304):
        return b"", seen
    length = heard.fields.get(b"content-length")
    if length is not None:
        whole = int(length)
        return (seen[:whole], seen[whole:]) if len(seen) >= whole else None
    return _chunks(seen) if b"transfer-encoding" in heard.fields else None


def _chunks(seen: bytes) -> tuple[bytes, bytes] | None:
    if not seen.endswith(b"0\r\n\r\n"):
        return None
    pieces = list[bytes]()
    while True:
        line, end, rest = seen.partition(b"\r\n")
        size = int(line, 16) if end else -1
        if size < 0 or len(rest) < size + 2:
            return None
        if size == 0:
            return b"".join(pieces), rest[2:]
        pieces.append(rest[:size])
        seen = rest[size + 2 :]


def request(method: str, path: str, *fields: str, body: bytes = b"") -> bytes:
    """A request with a Host and the length of its body."""
    length = f"content-length: {len(body)}" if body or method == "POST" else ""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway.example", *fields, length]
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n\r\n" + body
