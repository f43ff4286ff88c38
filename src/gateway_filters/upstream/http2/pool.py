"""The connections to one origin: few, each with many streams.

Facts
- Where one has room, the stream goes there, to the one used last, so that the surplus grows old and expires.
- Where none has, requests wait in one queue, in which clients take turns, and as many connections are made as are
  needed for all of them, by what the last one had room for.
- A stream that somebody is given is promised to him: nobody else can take it before he begins.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway_filters.errors import ConnectTimeout, NotConnected, UpstreamBusy, UpstreamError
from gateway_filters.upstream.clocks import NEVER, Patience
from gateway_filters.upstream.http2.connection import Connection, Keeper
from gateway_filters.upstream.http2.engine import STREAMS
from gateway_filters.upstream.pool import readable
from gateway_filters.upstream.transport import Peer
from gateway_filters.upstream.turns import Turns, first_waiting, make_room

Dial = Callable[[Connection, float], Awaitable[None]]
Waiter = asyncio.Future[Connection | BaseException]

_SUSPICIOUS_AFTER = 0.5  # seconds without use before a connection's socket is asked whether it has been closed
_PARTING = 1.0  # seconds for goodbyes when the pool is closed


class Pool(Keeper):
    """Connections that ``dial`` makes, for one event loop; ``name`` is for errors.

    At most ``limit`` (None: as many as asked for), of which unused ones close after ``expiry`` seconds. At most
    ``queue`` requests wait when no other connection may be made.
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
        self._roomy: dict[Connection, None] = {}
        self._idle: dict[Connection, float] = {}
        self._dialling: set[asyncio.Task[Connection]] = set()
        self._waiting = Turns[Waiter]()
        self._departing: set[Connection] = set()
        self._empty: asyncio.Future[None] | None = None
        self._streams = STREAMS
        self._patience = 0.0
        self._expiring = False
        self._retired = False

    def __repr__(self) -> str:
        return f"Pool({self.name!r}, connections={len(self._open)}, idle={self.idle}, waiting={len(self._waiting)})"

    @property
    def connections(self) -> int:
        """Connections that take streams."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """Connections without a stream."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """A connection that has promised a stream, if one has room."""
        while self._roomy:
            connection = next(reversed(self._roomy))
            since = self._idle.get(connection)
            # What has come while nobody asked for anything is mostly a goodbye.
            if since is not None and self._loop.time() - since > _SUSPICIOUS_AFTER and readable(connection):
                connection.close()
                continue
            self._promise(connection)
            return connection
        return None

    async def wait(self, patience: Patience, client: Peer | None = None) -> Connection:
        """The next connection that has room and has promised a stream; ``client`` is as for HTTP/1.1.

        Raises ``UpstreamBusy`` when none has in time or the queue is full; ``NotConnected``, ``ConnectTimeout`` or
        ``UpstreamMalformed`` when none can be made.
        """
        who = client and client[0]
        if not self._may_dial() and not self._dialling and len(self._waiting) >= self._longest_queue:
            make_room(self._waiting, who, UpstreamBusy(f"too many requests wait for a stream to {self.name}"))
        waiter: Waiter = self._loop.create_future()
        self._waiting.join(waiter, who)
        self._patience = patience.connect
        self._dial_for_waiters()
        longest = max(patience.pool, patience.connect)
        try:
            async with asyncio.timeout(longest if longest < NEVER else None):
                await self._turn(waiter)
        except TimeoutError:
            raise self._too_long() from None
        outcome = waiter.result()
        del waiter  # it holds the error, if it is one, and a raised error holds this frame
        if isinstance(outcome, Connection):
            return outcome
        try:
            raise outcome
        finally:
            del outcome

    def changed(self, connection: Connection) -> None:
        """It may have more or less room for streams than before."""
        if connection not in self._open:
            return
        while connection.room > 0 and (waiter := first_waiting(self._waiting)) is not None:
            self._promise(connection)
            waiter.set_result(connection)
        self._place(connection)

    def forget(self, connection: Connection) -> None:
        """It takes no streams any more; may be said more than once."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._roomy.pop(connection, None)
        self._idle.pop(connection, None)
        self._departing.add(connection)
        self._dial_for_waiters()

    def gone(self, connection: Connection) -> None:
        """Its socket is closed."""
        self._departing.discard(connection)
        if self._empty is not None and not self._departing and not self._empty.done():
            self._empty.set_result(None)

    def retire(self) -> None:
        """Close each connection as soon as its last stream has ended."""
        self._retired = True
        for connection in tuple(self._open):
            connection.retire()

    async def aclose(self) -> None:
        """Close all connections, those in use too, and wait until they are."""
        self._retired = True
        for attempt in tuple(self._dialling):
            attempt.cancel()
        while (waiter := first_waiting(self._waiting)) is not None:
            waiter.set_result(NotConnected(f"the connections to {self.name} are being closed"))
        for connection in (*self._open, *self._departing):
            connection.close() if connection.idle else connection.cut("we closed it")
        await self._departed()

    async def _departed(self) -> None:
        """Wait until all sockets are closed; a peer that does not read our goodbye is not waited for long."""
        if self._departing:
            self._empty = self._loop.create_future()
            await asyncio.wait((self._empty,), timeout=_PARTING)
        for connection in tuple(self._departing):
            connection.abort()

    # Room

    def _promise(self, connection: Connection) -> None:
        connection.promised += 1
        self._place(connection)

    def _place(self, connection: Connection) -> None:
        """Among those with room and those without streams, where it belongs."""
        if connection.room > 0:
            self._roomy[connection] = None
        else:
            self._roomy.pop(connection, None)
        if not connection.idle:
            self._idle.pop(connection, None)
        elif connection not in self._idle:
            self._idle[connection] = self._loop.time()
            self._expire_later()

    # Waiting

    async def _turn(self, waiter: Waiter) -> None:
        try:
            await waiter
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def _leave(self, waiter: Waiter) -> None:
        self._waiting.leave(waiter)
        if not self._waiting:
            for attempt in self._dialling:
                attempt.cancel()
        if not waiter.cancelled() and waiter.done():
            given = waiter.result()
            if isinstance(given, Connection):
                given.unpromise()

    def _too_long(self) -> UpstreamError:
        if self._dialling or not self._open:
            return ConnectTimeout(f"{self.name} accepted no connection in time")
        return UpstreamBusy(f"no stream to {self.name} became free in time")

    # New connections

    def _may_dial(self) -> bool:
        # Who allows no streams allows none on another connection either, and would be connected to without end.
        return len(self._open) + len(self._dialling) < self._limit and not any(each.barred for each in self._open)

    def _dial_for_waiters(self) -> None:
        while len(self._waiting) > len(self._dialling) * self._streams and self._may_dial():
            attempt = self._loop.create_task(self._connect(self._patience))
            self._dialling.add(attempt)
            attempt.add_done_callback(self._attempted)

    async def _connect(self, patience: float) -> Connection:
        connection = Connection(self)
        try:
            async with asyncio.timeout(patience if patience < NEVER else None):
                await self._dial(connection, patience)
                error = await connection.greeted
        except TimeoutError:
            connection.abort()
            raise ConnectTimeout(f"{self.name} did not begin to speak HTTP/2 in time") from None
        except BaseException:
            connection.abort()
            raise
        if error is not None:
            raise error
        return connection

    def _attempted(self, attempt: asyncio.Task[Connection]) -> None:
        self._dialling.discard(attempt)
        if not attempt.cancelled():
            error = attempt.exception()
            if error is None:
                self._welcome(attempt.result())
            else:
                self._disappoint(error)
        self._dial_for_waiters()

    def _welcome(self, connection: Connection) -> None:
        if not connection.usable:
            self._disappoint(NotConnected(f"{self.name} accepted a connection and closed it at once"))
            return
        self._open.add(connection)
        self._streams = max(connection.room, 1)
        self.changed(connection)
        if self._retired:
            connection.retire()

    def _disappoint(self, error: BaseException) -> None:
        """Nobody else will serve those whom the attempt was made for."""
        while len(self._waiting) > len(self._dialling) * self._streams:
            waiter = first_waiting(self._waiting)
            if waiter is not None:
                waiter.set_result(error)

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
