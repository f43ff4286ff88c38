"""Reading in sips: a connection that uploads much is read 64 KiB at a time.

Event loops hand over what has come, 256 KiB and no less where a client is ahead. Three such pieces of each upload wait
somewhere on their way, so fifty uploads took 40 MB. A buffer of our own is what makes a loop read less. More reads take
more time, half as much again for a large upload; a body that comes in a read or two does not pay for it.
"""

import asyncio
from collections.abc import Iterable

SIP = 64 * 1024
_READ = 256 * 1024


def is_long(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a head says that its body may be longer than what one read may bring of it."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and int(value) > _READ) for name, value in headers
    )


class Sips(asyncio.BufferedProtocol):
    """Hands what comes to ``protocol``, at most ``len(buffer)`` bytes at a time; connections may share a buffer."""

    __slots__ = ("_buffer", "_protocol")

    def __init__(self, protocol: asyncio.Protocol, buffer: bytearray) -> None:
        self._protocol = protocol
        self._buffer = memoryview(buffer)  # asyncio's TLS writes into slices of it, which are copies of a bytearray

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop puts what comes."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So much has come."""
        self._protocol.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool | None:
        """The other side says that it has ended."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """The other side does not read as fast as it is written to."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._protocol.connection_lost(exc)
