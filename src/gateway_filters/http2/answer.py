"""An answer on its way out: head, body and trailers of one stream, waiting where the client's windows say so."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from gateway_filters.http2.encoder import encoded_fields, encoded_head
from gateway_filters.http2.outbox import Outbox
from gateway_filters.http2.static_table import Field


class Owner(Protocol):
    """Whoever wants to know when an answer's last frame is queued."""

    def answered(self, number: int) -> None:
        """The stream of this number has its whole answer."""
        ...


class Answer:
    """The sending half of a stream: ``begun`` once it has a head, ``over`` once it has its last frame, or was cut."""

    __slots__ = (
        "_body",
        "_ends",
        "_head",
        "_outbox",
        "_owner",
        "_waiter",
        "begun",
        "over",
        "since",
        "stream",
        "waiting",
        "window",
    )

    def __init__(self, stream: int, owner: Owner, outbox: Outbox) -> None:
        self.stream = stream
        self.window = outbox.stream_window
        self.waiting = False
        self.since = 0.0
        self.begun = False
        self.over = False
        self._owner = owner
        self._outbox = outbox
        self._head: bytes | None = None
        self._body: memoryview | None = None
        self._ends = False
        self._waiter: asyncio.Future[None] | None = None

    def begin(self, status: int, fields: Iterable[Field]) -> None:
        """The head; it leaves with the body's first piece, at the latest at the end of this turn.

        Raises ``ValueError`` for what HTTP does not have.
        """
        self._head = encoded_head(status, fields)
        self.begun = True
        self._outbox.put_later(self)

    def reply(self, status: int, body: bytes) -> None:
        """A whole answer in JSON, at once; without the body where the client has no room for it now."""
        if not self._outbox.fits(self, len(body)):
            body = b""
        fields = (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))
        self.begin(status, fields if body else ())
        self._write_now(body, end=True)

    def hint(self, status: int) -> None:
        """An answer before the answer, such as 100."""
        self._outbox.put_block(self.stream, encoded_head(status, ()), end=False)

    def write(self, data: bytes, *, end: bool) -> bool:
        """Send a piece of the body; whether all of it has been sent. Else ``room`` is to be waited for.

        Raises ``RuntimeError`` while another piece waits.
        """
        if self._body is not None:
            raise RuntimeError("an answer is sent by one task at a time")
        if not data or self._outbox.fits(self, len(data)):
            self._write_now(data, end=end)
            return True
        self._body, self._ends = memoryview(data), end
        self._outbox.queue(self)
        return not self.pending()

    async def room(self) -> None:
        """Return when what waits has been sent, or never will be."""
        if self.pending():
            try:
                await self._woken()
            finally:
                self._body = None

    @property
    def blocked(self) -> bool:
        """Whether the socket takes nothing: an end that has no body to wait with has to wait for itself."""
        return self._outbox.paused and not self.over

    async def unblocked(self) -> None:
        """Return when the socket takes bytes again, or nothing is to be sent any more."""
        while self.blocked:
            self._outbox.blocked.append(self)
            await self._woken()

    def end(self, trailers: Iterable[Field]) -> None:
        """Send the trailers, and with them the end; raises ``ValueError`` for what HTTP does not have."""
        block = encoded_fields(trailers)
        if not block:
            self._write_now(b"", end=True)
            return
        self.put_head()
        self._outbox.put_block(self.stream, block, end=True)
        self.sent_last()

    def cut(self) -> None:
        """Nothing more is sent; whoever waits to send is let go."""
        self.over = True
        self._head = self._body = None
        self.wake()

    def stalled(self, moment: float) -> bool:
        """Whether there was something to send at ``moment``, and the client's windows have been closed since."""
        return self._body is not None and self._outbox.closed_since(self) < moment

    # The outbox's side

    def wake(self) -> None:
        """Whoever waits may go on."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def put_head(self) -> None:
        """Queue the head if it still waits."""
        if self._head is not None:
            self._put_head(end=False)

    def pending(self) -> int:
        """How many bytes wait to be sent."""
        return 0 if self._body is None else len(self._body)

    def take(self, most: int) -> tuple[memoryview, bool]:
        """The next bytes to be sent, and whether they are the last of the stream."""
        assert self._body is not None
        piece, rest = self._body[:most], self._body[most:]
        if rest:
            self._body = rest
            return piece, False
        self._body = None
        self.wake()
        return piece, self._ends

    def sent_last(self) -> None:
        """The last frame of the stream has been queued."""
        self.over = True
        self._owner.answered(self.stream)

    # Inside

    def _write_now(self, data: bytes, *, end: bool) -> None:
        if not data and not end:
            return
        if self._head is not None:
            self._put_head(end=not data)
        if not self.over:
            self._outbox.put_data(self, data, end=end)
            if end:
                self.sent_last()

    def _put_head(self, *, end: bool) -> None:
        block, self._head = self._head, None
        assert block is not None
        self._outbox.put_block(self.stream, block, end=end)
        if end:
            self.sent_last()

    async def _woken(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
