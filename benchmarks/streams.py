"""Many slow streams at once, from a client of our own: how many flow, and how many events arrive."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from benchmarks import traffic

_REQUEST = f"GET {traffic.SLOW} HTTP/1.1\r\nHost: gateway.internal\r\nAccept: text/event-stream\r\n\r\n".encode()
_OPENING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Open:
    """Streams that were asked for, those in which something arrived, events each second, memory while open."""

    wanted: int
    flowing: int
    events: float
    memory: int


class _Stream(asyncio.Protocol):
    def __init__(self) -> None:
        self.events = 0
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b"data: ")


def watch(port: int, count: int, seconds: float, memory: Callable[[], int]) -> Open:
    """Open ``count`` streams, wait until all flow (20 s at most), count for ``seconds``, close."""
    return asyncio.run(_watch(port, count, seconds, memory))


async def _watch(port: int, count: int, seconds: float, memory: Callable[[], int]) -> Open:
    loop = asyncio.get_running_loop()
    streams = [_Stream() for _ in range(count)]
    try:
        for start in range(0, count, 50):
            some = streams[start : start + 50]
            await asyncio.gather(*(loop.create_connection(lambda one=one: one, "127.0.0.1", port) for one in some))
        end = time.monotonic() + _OPENING_SECONDS
        # Asked now and then: an event for each packet would slow the client down.
        while time.monotonic() < end and not all(stream.events for stream in streams):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        before, started = sum(stream.events for stream in streams), time.monotonic()
        await asyncio.sleep(seconds)
        events = (sum(stream.events for stream in streams) - before) / (time.monotonic() - started)
        return Open(count, sum(stream.events > 0 for stream in streams), events, memory())
    finally:
        for stream in streams:
            if stream.transport is not None:
                stream.transport.abort()
