"""A server of ``GatewayProtocol`` on a real socket, and a raw client."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.server import ServerState

from gateway_filters.http1.limits import Limits
from gateway_filters.http1.protocol import GatewayProtocol
from gateway_filters.http1.watch import Watch
from gateway_filters.http1.websocket import GatewayWebSocket

PATIENCE = 25.0  # on a busy machine


class Client:
    """A connection that sends and reads exact bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send ``data``."""
        self.writer.write(data)

    async def answer(self) -> bytes:
        """One answer with a length: head and body."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            return head + await self._reader.readexactly(int(length.partition(b":")[2]))

    async def rest(self) -> bytes:
        """All that comes until the connection ends; a reset ends it as well."""
        got = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while piece := await self._reader.read(65536):
                    got += piece
            except ConnectionError:
                return got
        return got


class Server:
    """Where it listens, and its state."""

    def __init__(self, port: int, state: ServerState, tls: ssl.SSLContext | None = None) -> None:
        self.state = state
        self._port = port
        self._tls = tls
        self._clients: list[Client] = []

    async def client(self, limit: int = 2**16) -> Client:
        """A new connection."""
        name = None if self._tls is None else "h"
        told: dict[str, Any] = {"limit": limit, "ssl": self._tls, "server_hostname": name}
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port, **told))
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.writer.close()


@asynccontextmanager
async def serving(
    app: ASGIApp,
    limits: Limits | None = None,
    *,
    ping: float = 20.0,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
) -> AsyncGenerator[Server]:
    """``app`` on a free port of this machine; who opens a WebSocket is asked for a sign every ``ping`` seconds.

    ``tls``: the contexts of the server and of its clients.
    """
    served, asked = tls or (None, None)
    watch = Watch(limits)
    websocket = cast("type[asyncio.Protocol]", partial(GatewayWebSocket, watch=watch))
    config = Config(
        app,
        interface="asgi3",
        lifespan="off",
        ws=websocket,
        ws_ping_interval=ping,
        ws_ping_timeout=ping,
        log_config=None,
        access_log=False,
    )
    config.load()
    state = ServerState()
    protocol = partial(GatewayProtocol, config, state, {}, watch=watch)
    listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=served)
    server = Server(listening.sockets[0].getsockname()[1], state, asked)
    try:
        yield server
    finally:
        server.close()
        listening.close()
        async with asyncio.timeout(PATIENCE):
            while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn's own sets tell nobody
                await asyncio.sleep(0.01)
