"""Connections over TLS, which count from the moment they are accepted.

Facts
- Event loops show nobody a connection over TLS before its handshake is through: a peer could have as many silent ones
  as it liked. So they are accepted here, and a loop is given one at a time (``connect_accepted_socket``).
- Whoever may not stay is closed before a byte is read: to be refused in words it would need the handshake, which is
  most of what a limit is there to save.
- Without descriptors nobody is accepted for a moment. The system keeps who comes, and a loop that went on asking would
  do nothing else.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, MutableSet
from contextlib import suppress
from typing import Any, cast

from gateway_filters.http2 import Watch

_log = logging.getLogger("gateway_filters.run")

_AT_ONCE = 64
_REST_SECONDS = 0.5

Client = tuple[str, int]


class Arrivals:
    """Accepts at a socket that is ``bound``; stands where uvicorn has servers of asyncio's.

    ``tls`` makes the handshakes, which have ``seconds`` each; ``welcome`` makes the protocol of a connection that is
    through. ``watch`` counts peers; ``connections`` are all that are open, those that are shaking hands among them.
    """

    def __init__(
        self,
        bound: socket.socket,
        welcome: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext,
        *,
        watch: Watch,
        connections: MutableSet[Any],
        seconds: float,
    ) -> None:
        self.welcome = welcome
        self.tls = tls
        self.seconds = seconds
        self._bound = bound
        self._watch = watch
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None
        self._told = self._closed = False
        self._loop.add_reader(bound.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._bound.fileno())
            if self._rest is not None:
                self._rest.cancel()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: connections are among those that the server knows."""

    def left(self, arrival: "_Arrival") -> None:
        """One of them shakes hands no longer."""
        if arrival in self._connections:
            self._connections.discard(arrival)
            self._watch.forget(arrival.client)

    def _accept(self) -> None:
        try:
            for _ in range(_AT_ONCE):
                accepted, address = self._bound.accept()
                self._told = False
                self._admit(accepted, address[:2])
        except (BlockingIOError, ConnectionAbortedError):  # nobody waits, or who did has left
            return
        except OSError as error:
            self._pause(error)

    def _admit(self, accepted: socket.socket, client: Client) -> None:
        if self._watch.admit(client, len(self._connections) + 1):
            accepted.setblocking(False)  # noqa: FBT003 - the stdlib's signature
            self._connections.add(_Arrival(accepted, client, self))
        else:
            self._watch.forget(client)  # at once: those that are being refused take nobody's place
            accepted.close()

    def _pause(self, error: OSError) -> None:
        self._loop.remove_reader(self._bound.fileno())
        self._rest = self._loop.call_later(_REST_SECONDS, self._loop.add_reader, self._bound.fileno(), self._accept)
        if not self._told:
            self._told = True
            _log.warning("nobody else can come in for now: %s", error.strerror)


class _Arrival(asyncio.Protocol):
    """A connection that shakes hands."""

    def __init__(self, accepted: socket.socket, client: Client, arrivals: Arrivals) -> None:
        self.client = client
        self._arrivals = arrivals
        self._accepted: socket.socket | None = accepted
        self._over = False
        self._task = asyncio.get_running_loop().create_task(self._shake(accepted))
        self._task.add_done_callback(self._leave)

    async def _shake(self, accepted: socket.socket) -> None:
        loop, tls, seconds = asyncio.get_running_loop(), self._arrivals.tls, self._arrivals.seconds
        # Whatever a client does wrong in its handshake, or does not do at all, is its own business.
        with suppress(OSError):
            await loop.connect_accepted_socket(self._taken, accepted, ssl=tls, ssl_handshake_timeout=seconds)

    def _taken(self) -> "_Arrival":
        self._accepted = None  # it is the loop's to close
        return self

    def _leave(self, _: object) -> None:
        self._arrivals.left(self)
        if self._accepted is not None:
            self._accepted.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is through, and counts as what it becomes."""
        self._arrivals.left(self)
        secured = cast("asyncio.Transport", transport)
        if self._over:
            secured.abort()
            return
        protocol = self._arrivals.welcome()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)

    def shutdown(self) -> None:
        """Nothing was asked yet, so nothing is owed."""
        self._over = True
        self._task.cancel()
