"""A tunnel for httpx users: what httpcore puts into ``response.extensions["network_stream"]`` after a 101.

Facts
- ``read`` gives what has come, at most so many bytes, and nothing at the end; a timeout of None is no limit.
- TLS cannot begin inside a tunnel here: that is for CONNECT, which this transport does not send.
"""

import asyncio
from typing import NoReturn

import httpx

from gateway_filters.upstream.tunnel import Reader, Tunnel

_HIGH = 64 * 1024
# httpcore's names for what asyncio's transports know.
_EXTRAS = {"socket": "socket", "ssl_object": "ssl_object", "client_addr": "sockname", "server_addr": "peername"}


class NetworkStream(Reader):
    """Bytes both ways, as ``httpcore.AsyncNetworkStream`` has them; errors are those of httpx."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._come = bytearray()
        self._ended = ""
        self._closed = False
        self._changed = asyncio.Event()
        tunnel.read_into(self)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        """What has come, at most ``max_bytes``; empty at the end. Raises ``httpx.ReadTimeout``."""
        while not self._come and not self._ended:
            await self._change(timeout, httpx.ReadTimeout)
        piece = bytes(self._come[:max_bytes])
        del self._come[:max_bytes]
        if len(self._come) <= _HIGH:
            self._tunnel.resume()
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's signature
        """Send ``buffer`` and wait until there is room for more; raises ``WriteTimeout`` or ``WriteError``."""
        if self._ended or self._closed:
            raise httpx.WriteError(f"{self._tunnel.name}: {self._ended or 'the stream is closed'}")
        self._tunnel.write(bytes(buffer))
        while self._tunnel.write_paused and not self._ended:
            await self._change(timeout, httpx.WriteTimeout)

    async def aclose(self) -> None:
        """Close the connection; what was written still leaves."""
        self._closed = True
        self._tunnel.close()

    def get_extra_info(self, info: str) -> object:
        """``socket``, ``ssl_object``, ``client_addr`` or ``server_addr``; None for anything else."""
        return self._tunnel.told(_EXTRAS[info]) if info in _EXTRAS else None

    async def start_tls(self, *arguments: object, **options: object) -> NoReturn:
        """TLS inside a tunnel is not possible."""
        del arguments, options
        raise httpx.UnsupportedProtocol("TLS cannot begin inside an upgraded connection")

    # The tunnel's side

    def take(self, data: bytes) -> None:
        """Bytes have come."""
        self._come += data
        if len(self._come) > _HIGH:
            self._tunnel.pause()
        self._changed.set()

    def ended(self, reason: str) -> None:
        """No more will come."""
        self._ended = self._ended or reason
        self._changed.set()

    def writable(self) -> None:
        """What was written has left."""
        self._changed.set()

    async def _change(self, seconds: float | None, late: type[httpx.TimeoutException]) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            raise late(f"{self._tunnel.name} kept silent for {seconds} seconds") from None
