"""One connection and its streams: an ``asyncio.Protocol`` that feeds the engine and tells each exchange what came.

Facts
- An exchange has a stream from ``begin`` until one of both sides has ended it. What becomes of the pieces after
  that is the exchange's own affair, but for their share of the connection's window.
- Nothing is asked of the other side before its SETTINGS have come: until then it may not speak HTTP/2 at all.
- Servers count the streams that a client gives up (CVE-2023-44487), and end the connection of one that does it
  often, with everybody's streams. So a connection on which many were given up takes no new ones.
- Bodies wait for a reader, heads and answers to PING do not: what we keep for one who does not read has a limit.
- A request that met silence on the whole connection may have met a dead one: that takes no new ones either.
"""

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast

from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from hpack.struct import HeaderTuple

from gateway_filters.errors import NotConnected, UpstreamError, UpstreamMalformed
from gateway_filters.upstream.http2.budget import Budget
from gateway_filters.upstream.http2.engine import Engine, GoAway, Received
from gateway_filters.upstream.http2.frames import LONGEST
from gateway_filters.upstream.http2.streamed import Streamed
from gateway_filters.upstream.http2.violation import CANCEL, ENHANCE_YOUR_CALM, NO_ERROR, Violation, code_name
from gateway_filters.upstream.parting import part

_MOST_GIVEN_UP = 100
_MOST_UNREAD = 1024 * 1024
_EARNED_BY_A_STREAM = 10
_EARNED_BY_A_FRAME = 4
_GOODBYE = 2.0  # seconds that the other side has to take our last bytes


class Keeper(Protocol):
    """Where connections are kept."""

    name: str

    @abstractmethod
    def changed(self, connection: "Connection") -> None:
        """It may have more or less room for streams than before."""

    @abstractmethod
    def forget(self, connection: "Connection") -> None:
        """It takes no streams any more; may be said more than once."""

    @abstractmethod
    def gone(self, connection: "Connection") -> None:
        """Its socket is closed."""


class Connection(asyncio.Protocol):
    """A connection to an upstream. ``greeted`` is done when it can be used: None, or why it never will be.

    ``promised``: streams for requests that are about to begin; ``heard``: frames that have come.
    """

    def __init__(self, keeper: Keeper) -> None:
        self.promised = 0
        self.heard = 0
        self._loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[UpstreamError | None] = self._loop.create_future()
        self._keeper = keeper
        self._engine = Engine()
        self._budget = Budget(self._loop.time())
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Streamed] = {}
        self._since: dict[int, int] = {}
        self._blocked: dict[int, Streamed] = {}
        self._write_paused = False
        self._retired = False
        self._closed = False
        self._served = False
        self._given_up = 0
        self._farewell = ""
        self._goodbye: asyncio.TimerHandle | None = None

    @property
    def room(self) -> int:
        """How many more streams may begin."""
        if self._retired or self._closed or not self.greeted.done() or self._engine.spent:
            return 0
        return self._engine.streams - len(self._streams) - self.promised

    @property
    def barred(self) -> bool:
        """Whether the other side allows no streams at all."""
        return self.greeted.done() and self._engine.streams <= 0

    @property
    def idle(self) -> bool:
        """Whether nobody uses it."""
        return not self._streams and not self.promised

    @property
    def usable(self) -> bool:
        """Whether a stream that was promised can begin."""
        return not self._closed and not self._retired

    def socket_number(self) -> int:
        """The socket's file descriptor, or -1."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        return -1 if sock is None else sock.fileno()

    # What an exchange does with it

    def begin(self, exchange: Streamed, fields: list[HeaderTuple], *, ends: bool) -> int:
        """Open a stream that was promised, with the head of a request, which leaves with the next ``flush``."""
        self.promised -= 1
        stream = self._engine.open(fields, ends=ends)
        self._streams[stream] = exchange
        self._since[stream] = self.heard
        self._budget.earn(_EARNED_BY_A_STREAM)
        return stream

    def room_for(self, stream: int) -> int:
        """How many bytes of a body may be sent now; where there are none, ``push`` will be called."""
        room = 0 if self._write_paused else min(self._engine.window(stream), LONGEST)
        if room <= 0:
            self._blocked[stream] = self._streams[stream]
        return max(room, 0)

    def send(self, stream: int, piece: memoryview, *, ends: bool) -> None:
        """Send a piece of a body, no longer than ``room_for`` allows."""
        self._engine.send(stream, piece, ends=ends)
        self._budget.earn(_EARNED_BY_A_FRAME)
        self.flush()

    def trail(self, stream: int, fields: Sequence[HeaderTuple]) -> None:
        """Send what stands behind a body, which ends it."""
        self._engine.trail(stream, fields)
        self.flush()

    def consumed(self, stream: int, size: int) -> None:
        """So many bytes of an answer have been taken, or never will be."""
        if not self._closed:
            self._engine.consumed(stream, size)
            self.flush()

    def give_up(self, stream: int, code: int = CANCEL) -> None:
        """End a stream before its time; the exchange knows."""
        self._given_up += self._engine.reset(stream, code)
        if self._given_up >= _MOST_GIVEN_UP:
            self.retire()
        self.flush()
        self._release(stream)

    def finish(self, stream: int) -> None:
        """Both sides have said all."""
        self._served = True
        self._engine.forget(stream)
        self._release(stream)

    def doubt(self, stream: int) -> None:
        """The stream has been waited for in vain: where nothing else came either, no new one may begin."""
        if self._since[stream] == self.heard:
            self.retire()

    def flush(self) -> None:
        """Send what there is to send; what comes too late is dropped (uvloop would raise)."""
        data, transport = self._engine.outgoing(), self._transport
        if data and transport is not None and not transport.is_closing():
            transport.write(data)
            if transport.get_write_buffer_size() > _MOST_UNREAD:
                self._loop.call_soon(self.cut, "it does not read what is sent to it")

    # What its keeper does with it

    def unpromise(self) -> None:
        """A stream that was promised does not begin."""
        self.promised -= 1
        self._settle()

    def retire(self) -> None:
        """Begin no more streams, and close when the last one has ended."""
        if not self._retired:
            self._retired = True
            self._keeper.forget(self)
        if self.idle:
            self.close()

    def close(self) -> None:
        """Close with a goodbye; what was written still leaves."""
        if not self._closed:
            self._engine.close(NO_ERROR)
            self._part()

    def cut(self, reason: str) -> None:
        """Close at once, and tell the exchanges why."""
        self.abort()
        for silent, exchange in self._all():
            exchange.lost(reason + self._farewell, silent=silent)
        self._disappoint(NotConnected(f"{self._keeper.name} did not begin to speak HTTP/2: {reason}"))

    def abort(self) -> None:
        """Close at once; nobody is told."""
        self._closed = True
        self._keeper.forget(self)
        if self._transport is not None:
            self._transport.abort()

    # What the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's for TLS is no subclass
        tls = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        if tls is None or tls.selected_alpn_protocol() == "h2":  # else whoever dials will say so
            self.flush()

    def data_received(self, data: bytes) -> None:
        """Feed the engine, and tell each exchange what came for it."""
        if self._closed:
            return
        try:
            for received in self._engine.receive(data):
                self._take(received)
                if self._closed:
                    return
        except Violation as violation:
            self._refuse(violation)
            return
        self.flush()

    def eof_received(self) -> None:
        """The other side says that it has ended."""
        self.cut("it closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if self._goodbye is not None:
            self._goodbye.cancel()
        self.cut("it closed the connection" if exc is None else f"{type(exc).__name__}: {exc}")
        self._keeper.gone(self)

    def pause_writing(self) -> None:
        """The other side does not read as fast as we write."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._write_paused = False
        self._unblock()

    # What the engine says

    def _take(self, received: Received | GoAway) -> None:
        self.heard += 1
        if not received.useful and not self._budget.spend() and not self._budget.refill(self._loop.time()):
            self._engine.close(ENHANCE_YOUR_CALM)
            raise Violation(ENHANCE_YOUR_CALM, "too many frames that bring nothing")
        if isinstance(received, GoAway):
            self._go_away(received)
            return
        for event in received.events:
            reaction = self._REACTIONS.get(type(event))
            if reaction is not None:
                reaction(self, event, received.fields)

    def _go_away(self, said: GoAway) -> None:
        self._farewell = f", after GOAWAY with {code_name(said.code)}"
        self.retire()
        for stream in [stream for stream in self._streams if stream > said.last]:
            self._engine.forget(stream)
            self._forget(stream).unprocessed(f"it is going away: {code_name(said.code)}")
        self._settle()

    def _settings(self, _event: RemoteSettingsChanged, _fields: list[HeaderTuple]) -> None:
        self._disappoint(None)
        self._keeper.changed(self)
        self._unblock()

    def _head(self, event: ResponseReceived | InformationalResponseReceived, fields: list[HeaderTuple]) -> None:
        if event.stream_id in self._streams:
            self._streams[event.stream_id].head(fields)

    def _tail(self, event: TrailersReceived, fields: list[HeaderTuple]) -> None:
        if event.stream_id in self._streams:
            self._streams[event.stream_id].tail(fields)

    def _data(self, event: DataReceived, _fields: list[HeaderTuple]) -> None:
        stream, size = event.stream_id, event.flow_controlled_length
        if stream in self._streams:
            self._since[stream] = self.heard
            self._streams[stream].data(event.data, size)
        else:
            self._engine.consumed(stream, size)

    def _ended(self, event: StreamEnded, _fields: list[HeaderTuple]) -> None:
        if event.stream_id in self._streams:
            self._streams[event.stream_id].ended()

    def _reset(self, event: StreamReset, _fields: list[HeaderTuple]) -> None:
        stream = event.stream_id
        self._engine.forget(stream)
        if stream in self._streams:
            exchange = self._forget(stream)
            if event.remote_reset:
                exchange.reset(int(event.error_code))
            else:
                exchange.malformed("it breaks the rules of a stream")
            self._settle()

    def _window(self, event: WindowUpdated, _fields: list[HeaderTuple]) -> None:
        if not event.stream_id:
            self._unblock()
        elif event.stream_id in self._blocked:
            self._blocked.pop(event.stream_id).push()

    _REACTIONS: ClassVar[dict[type[Event], Callable[["Connection", Any, list[HeaderTuple]], None]]] = {
        RemoteSettingsChanged: _settings,
        InformationalResponseReceived: _head,
        ResponseReceived: _head,
        TrailersReceived: _tail,
        DataReceived: _data,
        StreamEnded: _ended,
        StreamReset: _reset,
        WindowUpdated: _window,
    }

    # Inside

    def _unblock(self) -> None:
        """Whoever still finds no room goes to the end: each has its turn."""
        for exchange in [self._blocked.pop(stream) for stream in tuple(self._blocked)]:
            exchange.push()

    def _refuse(self, violation: Violation) -> None:
        name = self._keeper.name
        self._disappoint(UpstreamMalformed(f"{name} answered with something that is not HTTP/2: {violation}"))
        self._part()
        for _, exchange in self._all():
            exchange.malformed(f"{violation} ({code_name(violation.code)})")

    def _part(self) -> None:
        self.flush()
        self._closed = True
        self._disappoint(NotConnected(f"{self._keeper.name} does not take requests"))
        self._keeper.forget(self)
        if self._transport is not None:
            part(self._transport)
            self._goodbye = self._loop.call_later(_GOODBYE, self._transport.abort)

    def _disappoint(self, error: UpstreamError | None) -> None:
        if not self.greeted.done():
            self.greeted.set_result(error)

    def _all(self) -> list[tuple[bool, Streamed]]:
        """All exchanges, which have no streams from now on, and whether each has met silence."""
        silent = [self._served and self._since[stream] == self.heard for stream in self._streams]
        return list(zip(silent, [self._forget(stream) for stream in tuple(self._streams)], strict=True))

    def _forget(self, stream: int) -> Streamed:
        self._blocked.pop(stream, None)
        self._since.pop(stream, None)
        return self._streams.pop(stream)

    def _release(self, stream: int) -> None:
        self._forget(stream)
        self._settle()

    def _settle(self) -> None:
        if self._retired and self.idle:
            self.close()
        elif self.usable:
            self._keeper.changed(self)
