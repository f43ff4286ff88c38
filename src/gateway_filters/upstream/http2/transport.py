"""Our own HTTP/2 client: plain values in, plain values out, over few connections to one origin."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from hpack.struct import HeaderTuple

from gateway_filters.errors import NotConnected, StaleConnection, UpstreamTimeout, UpstreamUnreachable
from gateway_filters.message.head import IDEMPOTENT
from gateway_filters.upstream.clocks import Patience, Sweep
from gateway_filters.upstream.dial import Dialler, Places
from gateway_filters.upstream.http2.connection import Connection
from gateway_filters.upstream.http2.exchange import Exchange, Refused, Unprocessed
from gateway_filters.upstream.http2.outbox import Outbox
from gateway_filters.upstream.http2.pool import Pool
from gateway_filters.upstream.http2.request_fields import body_length, request_fields, trailer_fields
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.repetitions import Repetitions
from gateway_filters.upstream.transport import Clocks, OutgoingRequest, Peer, Transport

_log = logging.getLogger("gateway_filters")

_TRIES = 3


class Http2Transport(Transport):
    """Carries requests to ``origin``, each over a stream of its own.

    ``tls``: the context for an https origin, which must offer ``h2`` (ALPN); a plain one is spoken to in HTTP/2
    from the first byte. ``unix``: a socket of this machine to connect to instead. At most ``limit`` connections
    (None: as many as their streams are needed) with at most ``queue`` requests waiting; unused ones close after
    ``expiry`` seconds. A resolver of the origin's own is asked for each request, and when it names other places
    than before, the connections to those get no new streams.

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
        self._dialler = Dialler(origin, tls, unix, http2=True)
        self._name = str(origin)
        self._scheme = origin.scheme.encode()
        self._resolves = origin.resolve is not None
        self._limits = (limit, queue, expiry)
        self._made: _Made | None = None
        self._repetitions = Repetitions()

    @property
    def pool(self) -> Pool:
        """The connections in the running event loop."""
        if self._made is None:
            raise LookupError("nothing has been sent yet")
        return self._made.pool

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> Exchange:
        """Send a request and wait for the head of its answer; raises an ``UpstreamError`` or ``BadRequest``.

        It is sent once more, as long as its body can be, when the upstream vouches that it has not processed it,
        or when it is idempotent and a kept connection was lost before anything came back; unless too many were
        (``Repetitions``), but for those that a connection leaves behind which goes in good order (GOAWAY).
        """
        fields = request_fields(request, self._scheme)
        outbox, pieces = _outbox(request)
        patience = Patience.of(clocks)
        made = self._place(await self._dialler.places() if self._resolves else ())
        self._repetitions.begun += 1
        exchange = Exchange(self._name, made.sweep, patience, outbox, bodiless=request.method == "HEAD")
        connect = partial(self._connection, made.pool, patience, request.client)
        try:
            exchange.begin(await connect(), fields)
            if pieces is not None:
                exchange.feed(pieces, partial(trailer_fields, request))
            try:
                return await exchange.answered()
            except (Unprocessed, StaleConnection) as error:
                why = self._not_again(request, error, exchange)
                if why is not None:
                    _log.info("a request is not sent again, since %s: %s", why, error)
                    raise
            return await _again(exchange, connect, fields, fed=pieces is not None)
        except BaseException:
            exchange.abandon()
            raise
        finally:
            self._repetitions.ended += 1

    async def aclose(self) -> None:
        """Close all connections; later requests open new ones."""
        if self._made is not None:
            made, self._made = self._made, None
            await made.pool.aclose()

    def _not_again(self, request: OutgoingRequest, error: UpstreamUnreachable, exchange: Exchange) -> str | None:
        """Why a lost request is not sent a second time; None when it is, and counted."""
        if not _repeatable(request, error):
            return "it may have been carried out"
        if not exchange.rewind():
            return "its body is sent as it comes"
        left_behind = isinstance(error, Unprocessed) and not isinstance(error, Refused)
        if left_behind or self._repetitions.grant(lost=not isinstance(error, Refused)):
            return None
        return "too many others were"

    async def _connection(self, pool: Pool, patience: Patience, client: Peer | None) -> Connection:
        # One that was handed over may be lost before it is used; nothing was sent on it, so another one will do.
        for _ in range(_TRIES):
            connection = pool.take() or await pool.wait(patience, client)
            if connection.usable:
                return connection
            connection.unpromise()
        raise UpstreamUnreachable(f"{self._name} closes every connection at once")

    def _place(self, places: Places) -> "_Made":
        loop, made = asyncio.get_running_loop(), self._made
        # Connections belong to a loop; one that is gone (a test's, say) has taken its connections with it.
        if made is None or made.loop is not loop:
            made = self._made = _Made(loop, Sweep(loop), places, self._pool(places))
        elif made.places != places:
            made.pool.retire()
            made = self._made = _Made(loop, made.sweep, places, self._pool(places))
        return made

    def _pool(self, places: Places) -> Pool:
        limit, queue, expiry = self._limits
        dial = partial(self._dialler.dial, places=places)
        return Pool(dial, name=self._name, limit=limit, queue=queue, expiry=expiry)


@dataclass(slots=True)
class _Made:
    loop: asyncio.AbstractEventLoop
    sweep: Sweep
    places: Places
    pool: Pool


async def _again(
    exchange: Exchange, connect: Callable[[], Awaitable[Connection]], fields: list[HeaderTuple], *, fed: bool
) -> Exchange:
    try:
        connection = await connect()
    except NotConnected as error:
        if fed:  # who tries another place would send what is left of the body
            kind = UpstreamTimeout if isinstance(error, UpstreamTimeout) else UpstreamUnreachable
            raise kind(str(error)) from error
        raise
    exchange.begin(connection, fields)
    return await exchange.answered()


def _outbox(request: OutgoingRequest) -> tuple[Outbox, AsyncIterator[bytes] | None]:
    outbox = Outbox(body_length(request))
    if request.body is not None and not isinstance(request.body, bytes):
        return outbox, request.body
    outbox.put(request.body or b"")
    outbox.close(trailer_fields(request))
    return outbox, None


def _repeatable(request: OutgoingRequest, error: UpstreamUnreachable) -> bool:
    return isinstance(error, Unprocessed) or (request.repeat and request.method in IDEMPOTENT)
