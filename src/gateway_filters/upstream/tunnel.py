"""What is left of a connection whose other side has switched protocols (101): bytes both ways, nothing of HTTP.

Facts
- The bytes that came right behind the head belong to the new protocol.
- Nothing is read until there is a reader, so nothing piles up; what a transport hands over after it was asked
  to pause is kept.
- The pool goes on counting the connection and can cut it; nobody else is ever given it.
"""

import asyncio
from abc import abstractmethod
from typing import Protocol

from gateway_filters.upstream.parting import part


class Reader(Protocol):
    """Who speaks the new protocol."""

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Bytes have come."""

    @abstractmethod
    def ended(self, reason: str) -> None:
        """No more will come, and none can be sent; may be said more than once."""

    @abstractmethod
    def writable(self) -> None:
        """What was written has left, more may be."""


class Owner(Protocol):
    """The connection that switched."""

    @abstractmethod
    def connection_lost(self, exc: Exception | None) -> None:
        """Its socket is closed."""


class Tunnel(asyncio.Protocol):
    """The bytes of a connection to ``name``, both ways; ``rest`` came behind the head of the 101."""

    def __init__(self, name: str, owner: Owner, transport: asyncio.Transport, rest: bytes) -> None:
        self.name = name
        self.write_paused = False
        self._owner = owner
        self._transport = transport
        self._kept = bytearray(rest)
        self._lost = ""
        self._reader: Reader | None = None
        transport.pause_reading()
        transport.set_protocol(self)

    def read_into(self, reader: Reader) -> None:
        """Hand ``reader`` all that has come and will come, from now on."""
        self._reader = reader
        if self._kept:
            reader.take(bytes(self._kept))
            self._kept.clear()
        if self._lost:
            reader.ended(self._lost)
        else:
            self.resume()

    def write(self, data: bytes) -> None:
        """Send, or keep until it can be sent; what comes too late is dropped (uvloop would raise)."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        """Read no more for now."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close; what was written still leaves."""
        part(self._transport)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def told(self, name: str) -> object:
        """What the transport knows: ``socket``, ``ssl_object``, ``peername`` and others (asyncio)."""
        return self._transport.get_extra_info(name)

    # What the loop says

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._reader is None:
            self._kept += data
        else:
            self._reader.take(data)

    def eof_received(self) -> None:
        """The other side has ended; the transport closes itself."""
        self._end("it closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end("it closed the connection" if exc is None else f"{type(exc).__name__}: {exc}")
        self._owner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side does not read as fast as we write."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self.write_paused = False
        if self._reader is not None:
            self._reader.writable()

    def _end(self, reason: str) -> None:
        self._lost = self._lost or reason
        if self._reader is not None:
            self._reader.ended(self._lost)
