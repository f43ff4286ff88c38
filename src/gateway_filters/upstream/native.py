"""Our own HTTP/1.1 client: plain values in, plain values out, over one pool of connections to one origin."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial

from gateway_filters.errors import StaleConnection, UpstreamUnreachable
from gateway_filters.upstream.clocks import Patience, Sweep
from gateway_filters.upstream.connection import Connection
from gateway_filters.upstream.dial import Dialler, Places
from gateway_filters.upstream.exchange import Exchange
from gateway_filters.upstream.home import Home
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.pool import Pool
from gateway_filters.upstream.repetitions import PRICE, Repetitions
from gateway_filters.upstream.request_head import WireHead, framed
from gateway_filters.upstream.transport import Clocks, OutgoingRequest, Peer, Transport
from gateway_filters.upstream.trust import Trust

_log = logging.getLogger("gateway_filters")

_TRIES = 3


class NativeTransport(Transport):
    """Carries requests to ``origin``.

    ``tls``: the context for an https origin, without which there is none. ``unix``: a socket of this machine to
    connect to instead. At most ``limit`` connections (None: as many as there are requests) with at most ``queue``
    requests waiting; idle ones close after ``expiry`` seconds. A resolver of the origin's own is asked for each
    request, and when it names other places than before, the connections to those are used no more.

    Raises ``ConfigurationError`` for https without a context.
    """

    def __init__(
        self,
        origin: Origin,
        tls: ssl.SSLContext | None = None,
        *,
        unix: str | None = None,
        limit: int | None = None,
        queue: int = 1000,
        expiry: float = 45.0,
    ) -> None:
        self._dialler = Dialler(origin, tls, unix)
        self._name = str(origin)
        self._limits = (limit, queue, expiry)
        self._made: _Made | None = None
        self._origin = origin
        self._repetitions = Repetitions()
        self._trust = Trust()
        self._told: tuple[Clocks, Patience] | None = None

    @property
    def upgrades(self) -> bool:
        """A request with ``Connection: upgrade`` may be answered with 101 (RFC 9110 7.8)."""
        return True

    @property
    def pool(self) -> Pool:
        """The connections in the running event loop."""
        if self._made is None:
            raise LookupError("nothing has been sent yet")
        return self._made.pool

    def send(self, request: OutgoingRequest, clocks: Clocks) -> Awaitable[Exchange]:
        """Send a request and wait for the head of its answer; raises an ``UpstreamError`` or ``BadRequest``.

        An idempotent request that a kept connection lost before a byte came back, and whose body is still
        whole, is sent once more over a new one.
        """
        told = self._told
        if told is None or told[0] is not clocks:
            told = self._told = (clocks, Patience.of(clocks))
        return self.exchange(request, told[1])

    async def exchange(self, request: OutgoingRequest, patience: Patience) -> Exchange:
        """``send`` with every wait named."""
        head = WireHead(request)
        body = request.body or b""
        pieces = None if isinstance(body, bytes) else body
        data = head.block + framed(body, head.framing) if isinstance(body, bytes) else head.block
        made = self._place(() if self._origin.resolve is None else await self._dialler.places())
        pool, sweep = made.pool, made.sweep
        first = Exchange(self._name, sweep, patience, head)
        account, trust = self._repetitions, self._trust
        number = account.begun = account.begun + 1
        once = pieces is not None or not head.repeatable
        try:
            fresh = bool(number <= account.due or trust.wary) and self._distrusts(number, once=once)
            connection = (None if fresh else pool.take()) or await self._connection(
                pool, patience, request.client, fresh=fresh
            )
            on_trial = trust.wary and connection.reused
            first.begin(connection, data, pieces, head.framing)
            try:
                answer = await first.answered()
            except StaleConnection:
                why = self._not_again(first, head)
                if why is not None:
                    _log.info("a request that a kept connection lost is not sent again: %s", why)
                    raise
            else:
                if on_trial:
                    trust.held()
                return answer
            second = Exchange(self._name, sweep, patience, head)
            connection = await self._connection(pool, patience, request.client, fresh=True)
            second.begin(connection, data, pieces, head.framing)
            return await second.answered()
        finally:
            account.ended += 1

    async def aclose(self) -> None:
        """Close all connections; later requests open new ones."""
        if self._made is not None:
            made, self._made = self._made, None
            await made.pool.aclose()

    def _distrusts(self, number: int, *, once: bool) -> bool:
        """Whether the ``number``-th request, which may be sent ``once``, is to have a new connection after losses."""
        if once and self._trust.wary:
            return not self._trust.may_try(asyncio.get_running_loop().time())
        return number % PRICE != 0

    def _not_again(self, lost: Exchange, head: WireHead) -> str | None:
        """Why a lost request is not sent a second time; None when it is, and counted."""
        self._trust.lost(asyncio.get_running_loop().time())
        if lost.touched or not head.repeatable:
            self._repetitions.warn()
            return "its body is sent as it comes" if lost.touched else "it may have been carried out"
        self._repetitions.repeat()
        return None

    async def _connection(
        self, pool: Pool, patience: Patience, client: Peer | None, *, fresh: bool = False
    ) -> Connection:
        # One that was handed over may be lost before it is used; nothing was sent on it, so another one will do.
        for _ in range(_TRIES):
            connection = (None if fresh else pool.take()) or await pool.wait(patience, client, fresh=fresh)
            if connection.usable:
                return connection
        raise UpstreamUnreachable(f"{self._name} closes every connection at once")

    def _place(self, places: Places) -> "_Made":
        made = self._made
        # Connections belong to a loop; one that is gone (a test's, say) has taken its connections with it.
        if made is None or made.home.task() is None:
            home = Home()
            made = self._made = _Made(home, Sweep(home.loop), places, self._pool(places))
        elif made.places != places:
            made.pool.retire()
            made = self._made = _Made(made.home, made.sweep, places, self._pool(places))
        return made

    def _pool(self, places: Places) -> Pool:
        limit, queue, expiry = self._limits
        dial = partial(self._dialler.dial, places=places)
        return Pool(dial, name=self._name, limit=limit, queue=queue, expiry=expiry)


@dataclass(slots=True)
class _Made:
    home: Home
    sweep: Sweep
    places: Places
    pool: Pool
