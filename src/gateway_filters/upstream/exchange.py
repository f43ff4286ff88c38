"""One request and its answer over one connection: the answer that a transport hands up.

Facts
- Whether the connection is ours is a field of the exchange (``_connection``), never a state of the connection:
  it may long serve somebody else while the last pieces of this answer are still being read.
- A connection is given back the moment the answer is whole, before its pieces have been taken.
- Bytes are counted where pieces come in and where they go out, nowhere else.
- Failures are kept as a kind and a sentence and built when they are raised: an error that is kept knows the
  frames that raised it, and they know the exchange.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from typing import Self

from gateway_filters.errors import (
    StaleConnection,
    UpstreamAborted,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway_filters.message.headers import Headers
from gateway_filters.message.sent import SENT
from gateway_filters.upstream.clocks import NEVER, Patience, Sweep
from gateway_filters.upstream.connection import Connection
from gateway_filters.upstream.request_head import WireHead
from gateway_filters.upstream.response_head import AnswerHead, Fields, WholeAnswer
from gateway_filters.upstream.transport import Framing, Take
from gateway_filters.upstream.tunnel import Tunnel
from gateway_filters.upstream.upload import pour

_HIGH = 64 * 1024
_LOW = 16 * 1024


class IdleTimeout(UpstreamAborted):
    """The answer broke off because nothing came for too long."""


class WriteTimeout(UpstreamTimeout):
    """The upstream took no bytes for too long."""


class Exchange:
    """An answer that has begun, once ``answered`` is through; see ``IncomingResponse``.

    ``fields``: the header pairs with names as they came; ``version``: 1.1 or 1.0; ``touched``: whether the
    request's body has been asked for its pieces, so that it cannot be sent again; ``switches``: see ``WireHead``.
    """

    __slots__ = (
        "_connection",
        "_failure",
        "_left",
        "_name",
        "_over",
        "_patience",
        "_paused",
        "_pieces",
        "_queued",
        "_raised",
        "_read_by",
        "_sweep",
        "_take",
        "_tunnel",
        "_upload",
        "_waiter",
        "_write_by",
        "_writer",
        "bodiless",
        "closes",
        "fields",
        "headers",
        "status",
        "switches",
        "touched",
        "uploaded",
        "version",
    )

    def __init__(self, name: str, sweep: Sweep, patience: Patience, head: WireHead) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.fields: Fields = ()
        self.version = ""
        self.bodiless = head.bodiless_answer
        self.closes = head.closes
        self.switches = head.switches
        self.uploaded = True
        self.touched = False
        self._name = name
        self._sweep = sweep
        self._patience = patience
        self._connection: Connection | None = None
        self._pieces: deque[bytes] = deque()
        self._queued = 0
        self._paused = False
        self._over = False
        self._failure: tuple[type[UpstreamError], str] | None = None
        self._raised: BaseException | None = None
        self._take: Take | None = None
        self._left: Awaitable[None] | None = None
        self._tunnel: Tunnel | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._read_by = self._write_by = NEVER
        self._upload: asyncio.Task[None] | None = None

    # The owner's side

    def begin(self, connection: Connection, data: bytes, body: AsyncIterator[bytes] | None, framing: Framing) -> None:
        """Send ``data`` over ``connection``, and after it ``body``, beside whatever the upstream does."""
        self._connection = connection
        self._sweep.watch(self)
        connection.begin(self, data)
        if body is not None:
            self.uploaded = False
            self._upload = asyncio.create_task(self._pour(body, framing, connection))
            self._upload.add_done_callback(self._poured)

    async def answered(self) -> Self:
        """Wait for the head of the answer; raises an ``UpstreamError``, or what the request's body raised."""
        while not self.status or self._failure is not None or self._raised is not None:
            if self._failure is not None or self._raised is not None:
                self._raise_failure()
            try:
                await self._news(self._patience.first_byte if self.uploaded else NEVER)
            except asyncio.CancelledError:
                self.abandon()
                raise
        return self

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes; raises ``UpstreamAborted`` when it breaks off."""
        return self

    def at_hand(self) -> bytes | None:
        """The whole body if all of it has come by now, and is taken herewith; None if not."""
        # While an upload runs there is something left to close.
        if not self._over or self._upload is not None or self._failure is not None or self._raised is not None:
            return None
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._queued = 0
        return body

    def trailers(self) -> Headers:
        """None: those of HTTP/1.1 are dropped."""
        return ()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            self._raise_failure()
            if self._over:
                raise StopAsyncIteration
            try:
                await self._news(self._patience.idle)
            except asyncio.CancelledError:
                self.abandon()
                raise
        piece = self._pieces.popleft()
        self._queued -= len(piece)
        if self._paused and self._queued <= _LOW:
            self._resume()
        return piece

    async def pour(self, take: Take) -> None:
        """Hand every piece of the body to ``take``; raises what ``chunks`` raises, and what ``take`` does.

        While nothing is left to await of a piece, those that follow go to ``take`` in the callback that brought them:
        a future and a turn of the loop less for each.
        """
        async for piece in self:
            left = take(piece)
            if left is not SENT:
                await self._held_back(left)
            elif not (self._pieces or self._over or self._failure or self._raised):
                await self._pouring(take)

    async def _pouring(self, take: Take) -> None:
        """Until ``take`` gives something to await, or the body has ended one way or the other."""
        self._take = take
        try:
            await self._news(self._patience.idle)
        except asyncio.CancelledError:
            self.abandon()
            if asyncio.iscoroutine(self._left):
                self._left.close()
            raise
        finally:
            self._take = None
        left, self._left = self._left, None
        if left is not None:
            await self._held_back(left)

    async def _held_back(self, left: Awaitable[None]) -> None:
        """Read no more while somebody has yet to take what came: another piece would wait beside it."""
        self._pause()
        await left
        if self._paused and self._queued <= _LOW:
            self._resume()

    def upgraded(self) -> Tunnel | None:
        """After a 101 what the connection has become, which is the caller's from now on; None after any other."""
        tunnel, self._tunnel = self._tunnel, None
        return tunnel

    async def aclose(self) -> None:
        """Close the connection unless the answer is whole; then it has long been given back."""
        self.abandon()
        if self._upload is not None:
            await asyncio.wait((self._upload,))

    def abandon(self) -> None:
        """Give up what is left of the answer, and the connection with it."""
        connection = self._connection
        if connection is not None:
            self._detach()
            self._failure = (UpstreamAborted, "the answer was given up")
            connection.abort()
        tunnel = self.upgraded()
        if tunnel is not None:
            tunnel.abort()
        self._pieces.clear()
        self._queued = 0

    # The connection's side

    def answer(self, head: AnswerHead) -> None:
        """The head of the answer has come."""
        self.status = head.status
        self.headers = head.headers
        self.fields = head.fields
        self.version = head.version
        self._wake()

    def whole(self, answer: WholeAnswer) -> None:
        """The answer has come, all of it; the connection is no longer ours."""
        self.status = answer.status
        self.headers = answer.headers
        self.fields = answer.fields
        self.version = "1.1"
        if answer.body:
            self._pieces.append(answer.body)
            self._queued = len(answer.body)
        self._over = True
        self._detach()
        self._wake()

    def switch(self, fields: Fields, tunnel: Tunnel) -> None:
        """The other side has switched protocols; the connection is no longer ours, ``tunnel`` is."""
        self.status, self.version, self.fields = 101, "1.1", fields
        self.headers = tuple((name.lower(), value) for name, value in fields)
        self._tunnel = tunnel
        self._over = True
        self._detach()
        self._wake()

    def take(self, piece: bytes) -> None:
        """A piece of its body has come."""
        if self._take is not None:
            self._hand(piece, self._take)
            return
        self._pieces.append(piece)
        self._queued += len(piece)
        if self._queued > _HIGH:
            self._pause()
        self._wake()

    def finish(self) -> None:
        """The answer is whole; the connection is no longer ours."""
        if self._paused:
            self._resume()
        self._over = True
        self._detach()
        self._wake()

    def malformed(self, reason: str) -> None:
        """What came is not HTTP."""
        if self.status:
            self._fail(UpstreamAborted, f"the answer of {self._name} broke off: {reason}")
        else:
            self._fail(UpstreamMalformed, f"{self._name} answered with something that is not HTTP: {reason}")

    def lost(self, reason: str, *, silent: bool) -> None:
        """The connection is gone; ``silent`` when not one byte had come on it for us."""
        if self.status:
            self._fail(UpstreamAborted, f"the answer of {self._name} broke off: {reason}")
        elif silent and self._connection is not None and self._connection.reused:
            self._fail(StaleConnection, f"a kept connection to {self._name} was lost: {reason}")
        else:
            self._fail(UpstreamUnreachable, f"the connection to {self._name} was lost before an answer: {reason}")

    def writable(self) -> None:
        """What was written has left."""
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    # The clock's side

    def check(self, now: float) -> None:
        """Give up when a wait has been too long."""
        if now < self._read_by and now < self._write_by:
            return
        connection = self._connection
        if self.status:
            self._fail(IdleTimeout, f"the answer of {self._name} broke off: it stood still for too long")
        elif now >= self._write_by:
            self._fail(WriteTimeout, f"{self._name} did not read the request in time")
        else:
            self._fail(UpstreamTimeout, f"{self._name} did not answer in time")
        if connection is not None:
            connection.abort()

    # Inside

    def _hand(self, piece: bytes, take: Take) -> None:
        try:
            left = take(piece)
        except Exception as error:  # noqa: BLE001 - it is raised where the pieces are awaited
            self._break(error)
            return
        if left is SENT:
            self._read_by = self._sweep.after(self._patience.idle)
        else:
            self._take, self._left = None, left
            self._pause()
            self._wake()

    def _break(self, error: BaseException) -> None:
        """Give up, for a reason that is not the upstream's."""
        self._raised = error
        connection = self._connection
        self._detach()
        if connection is not None:
            connection.abort()
        self._wake()

    def _pause(self) -> None:
        if self._connection is not None and not self._paused:
            self._paused = True
            self._connection.pause()

    def _resume(self) -> None:
        self._paused = False
        if self._connection is not None:
            self._connection.resume()

    def _fail(self, kind: type[UpstreamError], reason: str) -> None:
        self._failure = (kind, reason)
        self._detach()
        self._wake()

    def _detach(self) -> None:
        self._connection = None
        self._read_by = self._write_by = NEVER
        self._sweep.forget(self)
        if self._upload is not None:
            self._upload.cancel()

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

    def _news(self, patience: float) -> asyncio.Future[None]:
        """What to wait for when nothing is left to do; ``patience`` seconds at most."""
        self._read_by = self._sweep.after(patience)
        waiter = self._waiter = self._sweep.loop.create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._read_by = NEVER
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # The upload, in a task of its own: the answer may come, and end, before it does

    async def _pour(self, body: AsyncIterator[bytes], framing: Framing, connection: Connection) -> None:
        self.touched = True
        await pour(body, framing, connection, drained=self._drained)
        self.uploaded = True
        if not self.status:
            self._read_by = self._sweep.after(self._patience.first_byte)

    async def _drained(self) -> None:
        self._write_by = self._sweep.after(self._patience.write)
        self._writer = asyncio.get_running_loop().create_future()
        try:
            await self._writer
        finally:
            self._writer = None
            self._write_by = NEVER

    def _poured(self, upload: asyncio.Task[None]) -> None:
        self._upload = None  # a finished task that keeps its error knows our frames
        if upload.cancelled():
            return
        error = upload.exception()
        if error is not None and not self._over:
            self._break(error)
