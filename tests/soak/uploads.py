"""Fifty large uploads at once, to an upstream that begins to read late."""

import asyncio
import zlib
from pathlib import Path
from typing import cast

from soak import objects
from soak.caller import Caller, request
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_UPLOADS = 50
_MOST = _UPLOADS * 256 * 1024
_BLOCK = 64 * 1024
_PAUSE = 0.5


class _Digest(asyncio.Protocol):
    """An upstream's connection: takes a request of a known length and answers with the checksum of its body."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._head = b""
        self._left = -1
        self.transport.pause_reading()
        asyncio.get_running_loop().call_later(_PAUSE, self.transport.resume_reading)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                return
            self._sum = 0
            self._left = int(self._head.lower().partition(b"content-length:")[2].split()[0])
        self._sum = zlib.crc32(data, self._sum)
        self._left -= len(data)
        if self._left == 0:
            told = b"%d" % self._sum
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told))
            self._head, self._left = b"", -1


class _Upload(Caller):
    """A client's connection that writes no faster than what it writes is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._room = asyncio.Event()
        self._room.set()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def send(self, number: int, size: int) -> bool:
        """Upload ``size`` bytes; whether they have arrived as they were sent."""
        heard = self.begin(b"POST /%d HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n\r\n" % (number, size))
        checksum = 0
        for place in range(0, size, _BLOCK):
            block = (b"%4d,%15d;" % (number, place)) * (_BLOCK // 21 + 1)
            block = block[: min(_BLOCK, size - place)]
            checksum = zlib.crc32(block, checksum)
            await self._room.wait()
            self.transport.write(block)
        told = await heard
        return told.whole and told.status == 200 and told.body == b"%d" % checksum


async def run(size: int, folder: Path) -> Outcome:
    """Fifty uploads of ``size`` MiB."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Digest, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    manifests = objects.text(objects.entrance(), objects.backend("b", port), objects.route("r", "/", "b"))
    try:
        async with running(folder, manifests) as subject:
            warm = await Caller.to(subject.port)
            await warm.ask(request("POST", "/", body=b"warm"))
            warm.leave()
            callers = [await _Upload.to(subject.port) for _ in range(_UPLOADS)]
            subject.forget_most()
            before = subject.memory
            sent = (each.send(number, size * 1024 * 1024) for number, each in enumerate(callers))
            arrived = sum(await asyncio.gather(*sent))
            grown = subject.most_memory - before
            for each in callers:
                each.leave()
    finally:
        server.close()
    return Outcome(
        f"{arrived} of {_UPLOADS} arrived byte for byte; {grown / 1e6:+.1f} MB on {before / 1e6:.0f} MB at most",
        faults(
            [
                (arrived == _UPLOADS, f"{arrived} of {_UPLOADS} uploads arrived"),
                (grown < _MOST, f"it grew by {grown:,} bytes"),
            ]
        ),
    )


UPLOADS = Scenario(
    "uploads",
    "fifty at once take less than 256 KiB each, and arrive byte for byte",
    "MiB in each of fifty",
    1024,
    2,
    run,
)
