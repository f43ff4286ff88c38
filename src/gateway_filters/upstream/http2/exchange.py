"""One request and its answer over a stream: the answer that the transport hands up.

Facts
- The window of an answer is opened again as its pieces are taken, so an origin is ahead of a client by one window
  at most. What is given up opens the connection's window all the same: others wait for it.
- An answer that is complete before its request is makes the rest of the request needless (RFC 9113 8.1).
- Failures are kept as a kind and a sentence and built when they are raised: an error that is kept knows the
  frames that raised it, and they know the exchange.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Self

from hpack.struct import HeaderTuple

from gateway_filters.errors import (
    StaleConnection,
    UpstreamAborted,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway_filters.message.headers import Headers
from gateway_filters.upstream.clocks import NEVER, Patience, Sweep
from gateway_filters.upstream.exchange import IdleTimeout, WriteTimeout
from gateway_filters.upstream.http2.answer_fields import AnswerFields, trailer_fields
from gateway_filters.upstream.http2.connection import Connection
from gateway_filters.upstream.http2.outbox import Outbox
from gateway_filters.upstream.http2.streamed import Streamed
from gateway_filters.upstream.http2.violation import NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, code_name
from gateway_filters.upstream.transport import IncomingResponse

_BODILESS = (204, 304)


class Unprocessed(UpstreamUnreachable):
    """The upstream vouches that it has not looked at the request, so it may be sent again, whatever it is."""


class Refused(Unprocessed):
    """It has so much to do that it takes no more, or so it may mean (RFC 9113 8.7)."""


class Exchange(IncomingResponse, Streamed):
    """An answer that has begun, once ``answered`` is through; see ``IncomingResponse``."""

    def __init__(self, name: str, sweep: Sweep, patience: Patience, outbox: Outbox, *, bodiless: bool) -> None:
        self.status = 0
        self.headers: Headers = ()
        self._trailers: Headers = ()
        self._name = name
        self._sweep = sweep
        self.patience = patience
        self._outbox = outbox
        self._bodiless = bodiless
        self._connection: Connection | None = None
        self._source: Connection | None = None  # where the pieces came from, also when it is no longer ours
        self._stream = 0
        self._body: bytes | bytearray = b""
        self._unread = 0
        self._left: int | None = None
        self._over = False
        self._uploaded = False
        self._failure: tuple[type[UpstreamError], str] | None = None
        self._raised: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._read_by = self._write_by = NEVER
        self._feeder: asyncio.Task[None] | None = None

    # The owner's side

    def begin(self, connection: Connection, fields: list[HeaderTuple]) -> None:
        """Send the request over a stream that ``connection`` has promised."""
        self._connection = self._source = connection
        self._sweep.watch(self)
        self._uploaded = self._outbox.whole and self._outbox.empty and not self._outbox.trailers
        self._stream = connection.begin(self, fields, ends=self._uploaded)
        self.push()
        connection.flush()

    def feed(self, body: AsyncIterator[bytes], trailers: Callable[[], list[HeaderTuple]]) -> None:
        """Put ``body`` into the outbox as it comes, and its ``trailers``, beside whatever the upstream does."""
        self._feeder = asyncio.create_task(self._feed(body, trailers))
        self._feeder.add_done_callback(self._fed)

    def rewind(self) -> bool:
        """Make ready to be begun again; False when a part of the body is not there any more."""
        if self._raised is not None or not self._outbox.rewind():
            return False
        self._failure = None
        return True

    async def answered(self) -> Self:
        """Wait for the head of the answer; raises an ``UpstreamError``, or what the request's body raised."""
        while not self.status or self._failure is not None or self._raised is not None:
            self._raise_failure()
            await self._wait(self.patience.first_byte if self._uploaded else NEVER)
        return self

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes; raises ``UpstreamAborted`` when it breaks off."""
        return self

    def at_hand(self) -> bytes | None:
        """The whole body if all of it has come by now, and is taken herewith; None if not."""
        if not self._over or self._failure is not None:
            return None
        return self._read()

    def trailers(self) -> Headers:
        """The fields behind the body, once that is complete."""
        return self._trailers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._body:
            self._raise_failure()
            if self._over:
                raise StopAsyncIteration
            await self._wait(self.patience.idle)
        return self._read()

    async def aclose(self) -> None:
        """End the stream unless the answer is whole; then it has long ended."""
        self.abandon()
        if self._feeder is not None:
            await asyncio.wait((self._feeder,))

    def abandon(self) -> None:
        """Give up what is left of the answer, and the stream with it."""
        connection = self._connection
        self._discard()
        if connection is not None:
            self._detach()
            self._failure = (UpstreamAborted, "the answer was given up")
            connection.give_up(self._stream)
        self._stop_feeding()

    # The connection's side

    def head(self, fields: list[HeaderTuple]) -> None:
        """The head of the answer has come, or one before it, which is passed over (RFC 9110 15.2)."""
        try:
            head = AnswerFields(fields)
        except UpstreamMalformed as error:
            self._break(str(error))
            return
        if head.status >= 200:
            self.status, self.headers = head.status, head.headers
            self._left = 0 if self._bodiless or head.status in _BODILESS else head.length
            self._wake()

    def data(self, piece: bytes, size: int) -> None:
        """A piece of the body has come, which takes ``size`` bytes of the window."""
        if self._left is not None:
            self._left -= len(piece)
        if self._left is not None and self._left < 0:
            self._consumed(size)
            self._break("its body is longer than its head says")
        elif piece:
            self._keep(piece, size)
            self._wake()
        else:
            self._consumed(size)

    def tail(self, fields: list[HeaderTuple]) -> None:
        """The trailers have come."""
        try:
            self._trailers = trailer_fields(fields)
        except UpstreamMalformed as error:
            self._break(str(error))

    def ended(self) -> None:
        """The other side has said all."""
        connection = self._connection
        if connection is None:
            return
        if self._left:
            self._break("its body is shorter than its head says")
            return
        self._over = True
        self._detach()
        if self._uploaded:
            connection.finish(self._stream)
        else:
            connection.give_up(self._stream, NO_ERROR)
        self._stop_feeding()
        self._wake()

    def reset(self, code: int) -> None:
        """The other side has ended the stream before its time."""
        if self.status:
            self._fail(UpstreamAborted, f"the answer of {self._name} broke off: {code_name(code)}")
        elif code == REFUSED_STREAM:
            self._fail(Refused, f"{self._name} did not process the request: it refused the stream")
        else:
            self._fail(UpstreamUnreachable, f"{self._name} ended the stream before an answer: {code_name(code)}")

    def unprocessed(self, reason: str) -> None:
        """The other side vouches that it has done nothing."""
        kind = UpstreamAborted if self.status else Unprocessed
        self._fail(kind, f"{self._name} did not process the request: {reason}")

    def malformed(self, reason: str) -> None:
        """What came is not HTTP/2."""
        if self.status:
            self._fail(UpstreamAborted, f"the answer of {self._name} broke off: {reason}")
        else:
            self._fail(UpstreamMalformed, f"{self._name} answered with something that is not HTTP/2: {reason}")

    def lost(self, reason: str, *, silent: bool) -> None:
        """The connection is gone; ``silent`` when nothing had come since the request left."""
        if self.status:
            self._fail(UpstreamAborted, f"the answer of {self._name} broke off: {reason}")
        elif silent:
            self._fail(StaleConnection, f"a kept connection to {self._name} was lost: {reason}")
        else:
            self._fail(UpstreamUnreachable, f"the connection to {self._name} was lost before an answer: {reason}")

    def push(self) -> None:
        """Send what is there and has room."""
        connection = self._connection
        if connection is None or self._uploaded:
            return
        while not self._outbox.empty:
            room = connection.room_for(self._stream)
            if not room:
                self._write_by = min(self._write_by, self._sweep.after(self.patience.write))
                return
            self._send(connection, self._outbox.next(room))
        if self._outbox.whole and not self._uploaded:
            self._end(connection)
        elif self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    # The clock's side

    def check(self, now: float) -> None:
        """Give up when a wait has been too long."""
        connection = self._connection
        if connection is None or (now < self._read_by and now < self._write_by):
            return
        connection.doubt(self._stream)
        if self.status:
            self._fail(IdleTimeout, f"the answer of {self._name} broke off: it stood still for too long")
        elif now >= self._write_by:
            self._fail(WriteTimeout, f"{self._name} did not read the request in time")
        else:
            self._fail(UpstreamTimeout, f"{self._name} did not answer in time")
        connection.give_up(self._stream)

    # Inside

    def _send(self, connection: Connection, piece: memoryview) -> None:
        ends = self._outbox.ends_with(len(piece))
        connection.send(self._stream, piece, ends=ends)
        self._outbox.sent(len(piece))
        self._write_by = NEVER
        if ends:
            self._sent_all()

    def _end(self, connection: Connection) -> None:
        trailers = self._outbox.trailers
        if trailers:
            connection.trail(self._stream, trailers)
        else:
            connection.send(self._stream, memoryview(b""), ends=True)
        self._sent_all()

    def _sent_all(self) -> None:
        self._uploaded = True
        if not self.status:
            self._read_by = self._sweep.after(self.patience.first_byte)

    def _break(self, reason: str) -> None:
        connection = self._connection
        if connection is not None:
            self.malformed(reason)
            connection.give_up(self._stream, PROTOCOL_ERROR)

    def _keep(self, piece: bytes, size: int) -> None:
        """Join it to what waits, or frames of one byte would weigh a hundred times what they carry."""
        self._unread += size
        if not self._body:
            self._body = piece
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += piece

    def _read(self) -> bytes:
        body, size = bytes(self._body), self._unread
        self._body, self._unread = b"", 0
        self._consumed(size)
        return body

    def _discard(self) -> None:
        self._read()

    def _consumed(self, size: int) -> None:
        if size and self._source is not None:
            self._source.consumed(self._stream, size)

    def _fail(self, kind: type[UpstreamError], reason: str) -> None:
        self._failure = (kind, reason)
        self._detach()
        self._wake()

    def _detach(self) -> None:
        self._connection = None
        self._read_by = self._write_by = NEVER
        self._sweep.forget(self)

    def _raise_failure(self) -> None:
        if self._raised is not None:
            raised, self._raised = self._raised, None
            self._failure = (UpstreamAborted, "the request's body broke off")
            try:
                raise raised
            finally:
                del raised  # or its traceback and this frame would know each other
        if self._failure is not None:
            kind, reason = self._failure
            raise kind(reason)

    async def _wait(self, patience: float) -> None:
        self._read_by = self._sweep.after(patience)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.abandon()
            raise
        finally:
            self._waiter = None
            self._read_by = NEVER

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The body, in a task of its own: the answer may come, and end, before it does

    async def _feed(self, body: AsyncIterator[bytes], trailers: Callable[[], list[HeaderTuple]]) -> None:
        try:
            async for piece in body:
                self._outbox.put(piece)
                self.push()
                if not self._outbox.empty:
                    await self._room()
            self._outbox.close(trailers())
            self.push()
        finally:
            # A generator that is left half way would be closed by the loop, some time, in a task of its own.
            finish = getattr(body, "aclose", None)
            if finish is not None:
                await finish()

    async def _room(self) -> None:
        self._emptied = asyncio.get_running_loop().create_future()
        try:
            await self._emptied
        finally:
            self._emptied = None

    def _stop_feeding(self) -> None:
        if self._feeder is not None:
            self._feeder.cancel()

    def _fed(self, feeder: asyncio.Task[None]) -> None:
        self._feeder = None  # a finished task that keeps its error knows our frames
        error = None if feeder.cancelled() else feeder.exception()
        if error is not None and not self._over:
            connection = self._connection
            self._raised = error
            self._detach()
            if connection is not None:
                connection.give_up(self._stream)
            self._wake()
