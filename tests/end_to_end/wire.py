"""One connection at the provider: every byte that arrived is seen here first, before TLS makes anything of it."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time

KEPT = 256 * 1024
_PIECE = 256 * 1024


class Wire:
    """A connection's bytes, through TLS when there is a context; remembers what came and when it ended.

    ``raw``: the first ``KEPT`` bytes as they came from the socket. ``plain_size``: bytes after TLS.
    ``gone_at``: ``time.monotonic()`` of the moment the other side was seen to have left.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None) -> None:
        self.raw = bytearray()
        self.plain_size = 0
        self.sni: str | None = None
        self.handshake_error: str | None = None
        self.gone_at: float | None = None
        self.closed = False
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = self._wrapped(tls) if tls else None

    async def handshake(self) -> bool:
        """Do the TLS handshake, if there is TLS; false when it failed."""
        while self._tls:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._feed():
                    self.handshake_error = self.handshake_error or "the other side left"
                    return False
            except ssl.SSLError as error:
                self.handshake_error = error.reason or str(error)
                await self._flush()
                return False
            else:
                await self._flush()
                return True
        return True

    async def read(self) -> bytes:
        """The next bytes, after TLS; empty at the end."""
        data = await (self._decrypted() if self._tls else self._receive())
        self.plain_size += len(data)
        if not data:
            self.gone_at = self.gone_at or time.monotonic()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, through TLS; raises ``ConnectionError`` when nobody takes them."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            if self._tls:
                self._tls.write(piece)
                await self._flush()
            else:
                self._writer.write(piece)
                await self._writer.drain()

    def close(self) -> None:
        """End with a bare FIN, without TLS's own goodbye."""
        self.closed = True
        self._writer.close()

    async def say_goodbye(self) -> None:
        """End as TLS wants it, with close_notify, and a FIN."""
        if self._tls:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            await self._flush()
        self.close()

    def reset(self) -> None:
        """End with a RST."""
        self.closed = True
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def aclose(self) -> None:
        """Close, if nothing has, and wait for the socket to be gone."""
        self.close()
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            await self._writer.wait_closed()

    def _wrapped(self, context: ssl.SSLContext) -> ssl.SSLObject:
        context.sni_callback = self._hear_name
        return context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _hear_name(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str, context: ssl.SSLContext) -> None:
        self.sni = name

    async def _decrypted(self) -> bytes:
        assert self._tls
        while True:
            try:
                return self._tls.read(_PIECE)
            except ssl.SSLWantReadError:
                if not await self._feed():
                    return b""
            except ssl.SSLError:
                return b""

    async def _feed(self) -> bool:
        data = await self._receive()
        self._incoming.write(data)
        return bool(data)

    async def _receive(self) -> bytes:
        try:
            data = await self._reader.read(_PIECE)
        except ConnectionError:
            data = b""
        if not data:
            self.gone_at = self.gone_at or time.monotonic()
        self.raw += data[: max(0, KEPT - len(self.raw))]
        return data

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            with contextlib.suppress(ConnectionError):
                self._writer.write(data)
                await self._writer.drain()
