"""Upstreams that do on the wire what a script says; they know nothing of the code that they judge."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from ssl import SSLContext
from typing import cast

_LINE = b"\r\n"


class Asked:
    """A request as it came: ``fields`` with names in lower case, the last one of a name; ``repeated``: all names."""

    __slots__ = ("body", "fields", "method", "names", "target")

    def __init__(self, head: bytes) -> None:
        first, *lines = head.split(_LINE)
        self.method, self.target, _ = first.split(b" ")
        pairs = [line.partition(b":") for line in lines]
        self.names = [name.lower() for name, _, _ in pairs]
        self.fields = {name.lower(): value.strip() for name, _, value in pairs}
        self.body = b""

    @property
    def length(self) -> int | None:
        """The bytes of its body; None for chunks."""
        if b"transfer-encoding" in self.fields:
            return None
        return int(self.fields.get(b"content-length", b"0"))


Script = Callable[["Visit", Asked], None]
"""Answers a request, now or later, or does not."""


class Visit(asyncio.Protocol):
    """A connection to an origin. ``tag`` is for the script; ``gone`` is called when it ends."""

    transport: asyncio.Transport

    def __init__(self, origin: "Origin") -> None:
        self.tag: object = None
        self.gone: Callable[[], None] | None = None
        self._origin = origin
        self._seen = b""
        self._asked: Asked | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._origin.visits.add(self)
        self._origin.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        del exc
        self._origin.visits.discard(self)
        if self.gone is not None:
            self.gone()

    def data_received(self, data: bytes) -> None:
        """Give every request to the script as soon as it is whole; a head alone where the origin is eager."""
        self._seen += data
        while not self.transport.is_closing():
            if self._asked is None and not self._head():
                return
            assert self._asked is not None
            if not self._whole(self._asked):
                return
            asked, self._asked = self._asked, None
            if not self._origin.eager:
                self._origin.script(self, asked)

    def write(self, data: bytes) -> None:
        """Send, unless they have gone."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def answer(self, body: bytes, head: bytes = b"") -> None:
        """A 200 with a length; ``head`` are more lines, each with its end."""
        self.write(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    def _head(self) -> bool:
        head, end, rest = self._seen.partition(b"\r\n\r\n")
        if end:
            self._asked = Asked(head)
            self._seen = rest
            if self._origin.eager:
                self._origin.script(self, self._asked)
        return bool(end)

    def _whole(self, asked: Asked) -> bool:
        length = asked.length
        if length is None:
            asked.body, end, rest = self._seen.partition(b"0\r\n\r\n")
            if not end:
                return False
            self._seen = rest
            return True
        if len(self._seen) < length:
            return False
        asked.body, self._seen = self._seen[:length], self._seen[length:]
        return True


class Origin:
    """Who is connected to an upstream, and what it does. ``eager``: the script gets heads before their bodies."""

    def __init__(self, script: Script, *, eager: bool = False) -> None:
        self.script = script
        self.eager = eager
        self.port = 0
        self.connections = 0
        self.visits: set[Visit] = set()
        self._server: asyncio.Server

    async def open(self, tls: SSLContext | None = None) -> None:
        """Listen on a port of this machine."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Visit(self), "127.0.0.1", 0, backlog=4096, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more, and leave everybody."""
        self._server.close()
        for visit in tuple(self.visits):
            visit.transport.abort()


@contextmanager
def closing(*origins: Origin) -> Generator[None]:
    """Close them in any case."""
    try:
        yield
    finally:
        for origin in origins:
            origin.close()
