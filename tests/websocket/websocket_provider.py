"""A provider that speaks WebSocket: the ``websockets`` library's server in a thread, which does as the path says.

``…/echo`` sends everything back; ``…/close/CODE/REASON`` closes so; ``…/lose`` cuts the connection; ``…/refuse/STATUS``
answers the handshake with that status; ``…/hear`` says nothing and reads, ``…/mute`` does not even read until
``release``; ``…/burst`` sends ``number`` messages of ``size`` bytes, ``…/fragments`` one message of so many pieces;
``…/seen`` says what it has seen of the handshake.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

REFUSAL = b'{"error": {"message": "slow down", "type": "limit"}}'


@dataclass
class Visit:
    """A WebSocket as the provider had it: its handshake, and how the gateway left."""

    path: str
    headers: Headers
    code: int | None = None
    reason: str = ""
    received: int = 0


class Provider:
    """A server on 127.0.0.1 while inside ``with``; ``visits`` are all there have been since ``start_over``."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.port = 0
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="provider")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def start_over(self) -> None:
        """Forget what has been."""
        with self._changed:
            self.visits.clear()
        self._loop.call_soon_threadsafe(self._released.clear)

    def release(self) -> None:
        """Have those that are mute read on."""
        self._loop.call_soon_threadsafe(self._released.set)

    def visit(self) -> Visit:
        """The one visit that there has been."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.visits), 30)
            (only,) = self.visits
            return only

    def left(self) -> Visit:
        """The one visit, once the gateway has left."""
        only = self.visit()
        with self._changed:
            assert self._changed.wait_for(lambda: only.code is not None, 30), "the gateway did not leave"
        return only

    async def _run(self) -> None:
        self._loop, self._stop, self._released = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        server: Server
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._refuse,
            select_subprotocol=_select,
            max_size=None,
            compression="deflate",
            close_timeout=1,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        visit = Visit(request.path, request.headers)
        with self._changed:
            self.visits.append(visit)
            self._changed.notify_all()
        _, _, status = urlsplit(request.path).path.partition("/refuse/")
        if not status:
            return None
        headers = Headers({"Content-Type": "application/json", "Retry-After": "7", "Content-Length": str(len(REFUSAL))})
        return Response(int(status), "No", headers, REFUSAL)

    async def _serve(self, connection: ServerConnection) -> None:
        visit = self.visits[-1]
        with contextlib.suppress(ConnectionClosed):
            await self._do(connection, visit)
        await connection.wait_closed()
        with self._changed:
            visit.code, visit.reason = connection.close_code, connection.close_reason or ""
            self._changed.notify_all()

    async def _do(self, connection: ServerConnection, visit: Visit) -> None:
        url = urlsplit(visit.path)
        what, *arguments = url.path.partition("/ws/")[2].split("/")
        asked = {name: int(values[0]) for name, values in parse_qs(url.query).items() if values[0].isdigit()}
        await getattr(self, f"_{what}")(connection, visit, *arguments, **asked)

    async def _echo(self, connection: ServerConnection, visit: Visit, **_: int) -> None:
        async for message in connection:
            visit.received += 1
            await connection.send(message)

    async def _hear(self, connection: ServerConnection, visit: Visit) -> None:
        async for _ in connection:
            visit.received += 1

    async def _mute(self, connection: ServerConnection, visit: Visit) -> None:
        connection.transport.pause_reading()
        await self._released.wait()
        connection.transport.resume_reading()
        await self._hear(connection, visit)

    async def _close(self, connection: ServerConnection, visit: Visit, code: str, reason: str = "") -> None:
        await connection.close(int(code), reason)

    async def _lose(self, connection: ServerConnection, visit: Visit) -> None:
        connection.transport.abort()

    async def _burst(self, connection: ServerConnection, visit: Visit, *, number: int, size: int) -> None:
        for _ in range(number):
            await connection.send(bytes(size))
            visit.received += 1

    async def _fragments(self, connection: ServerConnection, visit: Visit, *, number: int, size: int) -> None:
        await connection.send(_pieces(number, size))

    async def _seen(self, connection: ServerConnection, visit: Visit, **_: int) -> None:
        seen = {name: visit.headers.get_all(name) for name in visit.headers}
        await connection.send(json.dumps({"path": visit.path, "headers": seen, "chosen": connection.subprotocol}))


def _pieces(number: int, size: int) -> Iterator[bytes]:
    return (bytes([each % 256]) * size for each in range(number))


def _select(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((each for each in offered if each.startswith("yes")), None)
