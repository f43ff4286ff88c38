"""The connections to one origin. Every step is O(1), however many there are.

Facts
- Idle ones are taken last in, first out, so that the surplus grows old and expires.
- A connection is counted by being in ``_open`` or ``_dialling``, a slot freed by leaving it: no counter drifts.
- Whoever waits stands in one queue, in which clients take turns (``Turns``), and starts an attempt of its own while
  there is room. The first connection there is, new or given back, goes to the head of the queue and wakes nobody
  else; what is made and not needed any more becomes idle.
- Who wants a fresh connection, since kept ones were lost, stands in a queue of its own, and what is made goes there
  first: a connection that is given back was good for somebody else, and may be the next that is lost.
- Who leaves the queue takes its attempt along.
"""

import asyncio
import select
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway_filters.errors import ConnectTimeout, NotConnected, UpstreamBusy, UpstreamError
from gateway_filters.upstream.clocks import NEVER, Patience
from gateway_filters.upstream.connection import Connection, Keeper
from gateway_filters.upstream.transport import Peer
from gateway_filters.upstream.turns import Turns, first_waiting, make_room

Dial = Callable[[Connection, float], Awaitable[None]]
Waiter = asyncio.Future[Connection | BaseException]

_SUSPICIOUS_AFTER = 0.5  # seconds without use before a connection's socket is asked whether it has been closed
_PARTING = 1.0  # seconds for goodbyes when the pool is closed


class Pool(Keeper):
    """Connections that ``dial`` makes, for one event loop; ``name`` is for errors.

    At most ``limit`` (None: as many as asked for), of which idle ones close after ``expiry`` seconds. At most
    ``queue`` requests wait for one to become free.
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
        self._waiting = Turns[Waiter]()
        self._choosy = Turns[Waiter]()
        self._departing: set[Connection] = set()
        self._empty: asyncio.Future[None] | None = None
        self._patience = 0.0
        self._expiring = False
        self._retired = False

    def __repr__(self) -> str:
        return f"Pool({self.name!r}, active={self.active}, idle={len(self._idle)}, waiting={self._queued})"

    @property
    def active(self) -> int:
        """Connections in use or being made."""
        return len(self._open) - len(self._idle) + len(self._dialling)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    @property
    def _queued(self) -> int:
        return len(self._waiting) + len(self._choosy)

    def take(self) -> Connection | None:
        """The idle connection that was used last, if there is one that still stands."""
        while self._idle:
            connection, since = self._idle.popitem()
            if connection.usable and not (self._loop.time() - since > _SUSPICIOUS_AFTER and readable(connection)):
                return connection
            connection.abort()
        return None

    async def wait(self, patience: Patience, client: Peer | None = None, *, fresh: bool = False) -> Connection:
        """The next connection that is given back or made; where it has to be ``fresh``, one that is made.

        ``client``: whose turn that is; in a full queue a client that has fewer requests there crowds out another's.
        Raises ``UpstreamBusy`` when none becomes free in time or the queue is full, ``NotConnected`` or
        ``ConnectTimeout`` when none can be made.
        """
        who = client and client[0]
        if fresh and self._idle:
            next(iter(self._idle)).close()  # or the new ones would come on top of those that nobody trusts
        room = self._has_room()
        if not room and self._queued - len(self._dialling) >= self._longest_queue:
            make_room(self._waiting, who, UpstreamBusy(f"too many requests wait for a connection to {self.name}"))
        waiter: Waiter = self._loop.create_future()
        (self._choosy if fresh else self._waiting).join(waiter, who)
        self._patience = patience.connect
        attempt = self._attempt(patience.connect) if room else None
        try:
            async with asyncio.timeout(patience.pool if attempt is None and patience.pool < NEVER else None):
                await self._turn(waiter, attempt)
        except TimeoutError:
            raise self._too_long() from None
        outcome = waiter.result()
        del waiter, attempt  # they hold the error, if it is one, and a raised error holds this frame
        if isinstance(outcome, Connection):
            return outcome
        try:
            raise outcome
        finally:
            del outcome

    def release(self, connection: Connection) -> None:
        """Give back a connection: to whose turn it is, or it becomes idle."""
        usable = connection.usable
        waiter = first_waiting(self._waiting) if usable and self._waiting else None
        if waiter is not None:
            waiter.set_result(connection)
        elif self._retired or not usable:
            connection.close()
        else:
            self._idle[connection] = self._loop.time()
            self._expire_later()
            if self._choosy:
                self._attempt_for_waiters()  # in its place, where there is no room for both

    def forget(self, connection: Connection) -> None:
        """It is closed or about to be; its slot is free."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._departing.add(connection)
        self._attempt_for_waiters()

    def gone(self, connection: Connection) -> None:
        """Its socket is closed."""
        self._departing.discard(connection)
        if self._empty is not None and not self._departing and not self._empty.done():
            self._empty.set_result(None)

    def retire(self) -> None:
        """Close each connection as soon as nobody uses it."""
        self._retired = True
        for connection in tuple(self._idle):
            connection.close()

    async def aclose(self) -> None:
        """Close all connections, those in use too, and wait until they are."""
        self._retired = True
        for attempt in tuple(self._dialling):
            attempt.cancel()
        while (waiter := self._first_waiter()) is not None:
            waiter.set_result(NotConnected(f"the connections to {self.name} are being closed"))
        for connection in tuple(self._open):
            connection.close() if connection in self._idle else connection.cut("we closed it")
        await self._departed()

    async def _departed(self) -> None:
        """Wait until all sockets are closed; a TLS peer that says no goodbye is not waited for long."""
        if self._departing:
            self._empty = self._loop.create_future()
            await asyncio.wait((self._empty,), timeout=_PARTING)
        for connection in tuple(self._departing):
            connection.abort()

    # Waiting

    async def _turn(self, waiter: Waiter, attempt: asyncio.Task[Connection] | None) -> None:
        try:
            await waiter
        except asyncio.CancelledError:
            self._leave(waiter, attempt)
            raise

    def _leave(self, waiter: Waiter, attempt: asyncio.Task[Connection] | None) -> None:
        self._waiting.leave(waiter)
        self._choosy.leave(waiter)
        if attempt is not None:
            attempt.cancel()
        if not waiter.cancelled() and waiter.done():
            given = waiter.result()
            if isinstance(given, Connection):
                self.release(given)

    def _first_waiter(self) -> Waiter | None:
        return first_waiting(self._choosy) or first_waiting(self._waiting)

    def _too_long(self) -> UpstreamError:
        if self._dialling:
            return ConnectTimeout(f"{self.name} accepted no connection in time")
        return UpstreamBusy(f"no connection to {self.name} became free in time")

    # New connections

    def _has_room(self) -> bool:
        if self._idle and len(self._open) + len(self._dialling) >= self._limit:
            next(iter(self._idle)).close()  # nobody took it: a fresh one is wanted
        return len(self._open) + len(self._dialling) < self._limit

    def _attempt(self, patience: float) -> asyncio.Task[Connection]:
        attempt = self._loop.create_task(self._connect(patience))
        self._dialling.add(attempt)
        attempt.add_done_callback(self._attempted)
        return attempt

    async def _connect(self, patience: float) -> Connection:
        connection = Connection(self)
        await self._dial(connection, patience)
        return connection

    def _attempted(self, attempt: asyncio.Task[Connection]) -> None:
        self._dialling.discard(attempt)
        if not attempt.cancelled():
            error = attempt.exception()
            if error is None:
                error = self._welcome(attempt.result())
            if error is not None and self._queued > len(self._dialling):
                self._disappoint(error)
        self._attempt_for_waiters()

    def _welcome(self, connection: Connection) -> BaseException | None:
        if not connection.usable:
            return NotConnected(f"{self.name} accepted a connection and closed it at once")
        self._open.add(connection)
        waiter = first_waiting(self._choosy)
        if waiter is not None:
            waiter.set_result(connection)
        else:
            self.release(connection)
        return None

    def _disappoint(self, error: BaseException) -> None:
        waiter = self._first_waiter()
        if waiter is not None:
            waiter.set_result(error)

    def _attempt_for_waiters(self) -> None:
        while self._queued > len(self._dialling) and self._has_room():
            self._attempt(self._patience)

    # Old connections

    def _expire_later(self) -> None:
        if not self._expiring:
            self._expiring = True
            self._loop.call_later(self._expiry, self._expire)

    def _expire(self) -> None:
        self._expiring = False
        now = self._loop.time()
        while self._idle:
            connection, since = next(iter(self._idle.items()))
            if since + self._expiry > now:
                self._expiring = True
                self._loop.call_later(since + self._expiry - now, self._expire)
                return
            connection.close()


class Socketed(Protocol):
    """A connection that knows its socket."""

    @abstractmethod
    def socket_number(self) -> int:
        """The socket's file descriptor, or -1."""


def readable(connection: Socketed) -> bool:
    """Whether there is something to read where nothing is expected: the other side's end, most of all."""
    number = connection.socket_number()
    if number < 0:
        return True
    asked = select.poll()
    asked.register(number, select.POLLIN)
    return bool(asked.poll(0))
