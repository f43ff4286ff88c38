"""The connections to one origin. Every step is O(1), however many there are.

Facts
- Idle ones are taken last in, first out, so that the surplus grows old and expires.
- A connection is counted by being in ``_open`` or ``_dialling``, a slot freed by leaving it: no counter drifts.
- Whoever waits stands in one queue, first come first served, and starts an attempt of its own while there is
  room. The first connection there is, new or given back, goes to the head of the queue and wakes nobody else;
  what is made and not needed any more becomes idle.
- Who leaves the queue takes its attempt along.
"""

import asyncio
import select
from collections.abc import Awaitable, Callable

from gateway_filters.errors import ConnectTimeout, UpstreamBusy
from gateway_filters.upstream.clocks import NEVER, Patience
from gateway_filters.upstream.connection import Connection, Keeper

Dial = Callable[[Connection, float], Awaitable[None]]

_SUSPICIOUS_AFTER = 0.5  # seconds without use before a connection's socket is asked whether it has been closed
_PARTING = 1.0  # seconds for goodbyes when the pool is closed


class Pool(Keeper):
    """Connections that ``dial`` makes, for one event loop; ``name`` is for errors.

    At most ``limit`` (None: as many as asked for), of which idle ones close after ``expiry`` seconds. At most
    ``queue`` requests wait for one.
    """

    def __init__(
        self, dial: Dial, *, name: str, limit: int | None = None, queue: int = 1000, expiry: float = 45.0
    ) -> None:
        self.name = name
        self._dial = dial
        self._limit = NEVER if limit is None else limit
        self._longest_queue = queue
        self._expiry = expiry
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._idle: dict[Connection, float] = {}
        self._dialling: set[asyncio.Task[Connection]] = set()
        self._waiting: dict[asyncio.Future[Connection | BaseException], None] = {}
        self._expiring = False
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"Pool({self.name!r}, active={self.active}, idle={len(self._idle)}, waiting={len(self._waiting)})"

    @property
    def active(self) -> int:
        """Connections in use or being made."""
        return len(self._open) - len(self._idle) + len(self._dialling)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """The idle connection that was used last, if there is one that still stands."""
        while self._idle:
            connection, since = self._idle.popitem()
            if connection.usable and not (self._loop.time() - since > _SUSPICIOUS_AFTER and _readable(connection)):
                return connection
            connection.abort()
        return None

    async def wait(self, patience: Patience) -> Connection:
        """The next connection that is given back or made.

        Raises ``UpstreamBusy`` when none becomes free in time or the queue is full, ``NotConnected`` or
        ``ConnectTimeout`` when none can be made.
        """
        if len(self._waiting) >= self._longest_queue:
            raise UpstreamBusy(f"too many requests wait for a connection to {self.name}")
        waiter: asyncio.Future[Connection | BaseException] = self._loop.create_future()
        self._waiting[waiter] = None
        attempt = self._attempt(patience.connect) if self._has_room() else None
        try:
            async with asyncio.timeout(patience.pool if attempt is None and patience.pool < NEVER else None):
                return _outcome(await waiter)
        except TimeoutError:
            raise self._too_long() from None
        finally:
            self._leave(waiter, attempt)

    def release(self, connection: Connection) -> None:
        """Give back a connection: to who has waited longest, or it becomes idle."""
        waiter = self._first_waiter()
        if self._closed or not connection.usable:
            connection.close()
        elif waiter is not None:
            waiter.set_result(connection)
        else:
            self._idle[connection] = self._loop.time()
            self._expire_later()

    def forget(self, connection: Connection) -> None:
        """It is closed or about to be; its slot is free."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._idle.pop(connection, None)
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)
        self._attempt_for_waiters()

    async def aclose(self) -> None:
        """Close all connections, those in use too, and wait until they are."""
        self._closed = True
        for attempt in tuple(self._dialling):
            attempt.cancel()
        for connection in tuple(self._open):
            connection.close() if connection in self._idle else connection.abort()
        ...
