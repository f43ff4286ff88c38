"""What a connection sends: in order, within the client's windows, in one write for each turn of the event loop.

Facts
- Streams with something to send take turns, a frame each (5.2); one whose window is closed waits aside.
- While the socket takes nothing, answers wait where they are made, also those without a body: none of them is over
  before it has left, so there are never more than streams. What is queued here then are answers to frames of the
  client's own, and a client that sends those without reading is cut off (CVE-2019-9512, 9515, 9517).
- A head waits for the end of the turn: an answer without a body is one frame, which is how gRPC says that there are
  trailers only.
"""

import asyncio
import math
from collections import deque
from typing import Protocol

from gateway_filters.http2.encoder import NO_TABLE
from gateway_filters.http2.faults import ConnectionFault, ErrorCode
from gateway_filters.http2.frames import DATA, END_STREAM, LARGEST, frame_header, headers
from gateway_filters.http2.limits import LARGEST_WINDOW, Http2Limits
from gateway_filters.http2.settings import DEFAULT_WINDOW

_HIGH = 64 * 1024


class Sender(Protocol):
    """A stream's answer, as far as it concerns the outbox."""

    stream: int
    window: int
    waiting: bool
    since: float

    def wake(self) -> None:
        """The socket takes bytes again."""
        ...

    def put_head(self) -> None:
        """Queue the head if it still waits."""
        ...

    def pending(self) -> int:
        """How many bytes wait to be sent."""
        ...

    def take(self, most: int) -> tuple[bytes | memoryview, bool]:
        """The next bytes to be sent, and whether they are the last of the stream."""
        ...

    def sent_last(self) -> None:
        """The last bytes of the stream have been queued."""
        ...


class Outbox:
    """The sending side of a connection.

    ``now``: a moment that is not before this one, as the connection's clock tells it once in a while. ``frames``: how
    many frames of bodies have been sent. ``blocked``: who waits until the socket takes bytes again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, limits: Http2Limits) -> None:
        self.window = DEFAULT_WINDOW
        self.stream_window = DEFAULT_WINDOW
        self.paused = False
        self.now = loop.time()
        self.frames = 0
        self.blocked: list[Sender] = []
        self._greeting = NO_TABLE
        self._loop = loop
        self._transport = transport
        self._most_unsent = limits.unsent_bytes
        self._widened = self.now
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._scheduled = False
        self._closed = False
        self._heads: list[Sender] = []
        self._queue: deque[Sender] = deque()
        transport.set_write_buffer_limits(_HIGH)

    def closed_since(self, sender: Sender) -> float:
        """Since when the client's windows let nothing of ``sender`` pass; never, if they do."""
        if sender.window <= 0:
            return sender.since
        return max(sender.since, self._widened) if self.window <= 0 else math.inf

    def put(self, data: bytes) -> None:
        """Send ``data``, whole frames, in this turn."""
        self._parts.append(data)
        self._size += len(data)
        if not self._scheduled:
            self._schedule()

    def put_block(self, stream: int, block: bytes, *, end: bool) -> None:
        """Send a header block."""
        self.put(headers(stream, self._greeting + block, end=end))
        self._greeting = b""

    def put_reply(self, data: bytes) -> None:
        """Answer a frame that the client sent; raises ``ConnectionFault`` for a client that does not read answers."""
        self.put(data)
        self.check_read()

    def check_read(self) -> None:
        """Raises ``ConnectionFault`` where too much waits for a client that does not read."""
        if self.paused and self._size > self._most_unsent:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "answers to frames are not read")

    def put_later(self, sender: Sender) -> None:
        """Queue the head of an answer at the end of this turn, unless its body comes before."""
        self._heads.append(sender)
        if not self._scheduled:
            self._schedule()

    def fits(self, sender: Sender, length: int) -> bool:
        """Whether ``length`` bytes may be sent now, before anybody else's."""
        return (
            length <= LARGEST and length <= self.window and length <= sender.window and not (self.paused or self._queue)
        )

    def put_data(self, sender: Sender, data: bytes | memoryview, *, end: bool) -> None:
        """Send a frame of a body, which ``fits``."""
        length = len(data)
        self._parts.append(frame_header(DATA, END_STREAM if end else 0, sender.stream, length))
        self._parts.append(data)
        self._size += length + 9
        self.window -= length
        sender.window -= length
        self.frames += 1
        if not self._scheduled:
            self._schedule()
        if self._size > _HIGH:
            self.flush()

    def queue(self, sender: Sender) -> None:
        """Send what ``sender`` has as soon as its turn comes; it is asked for it piece by piece."""
        sender.since = self.now
        if sender.window > 0:
            sender.waiting = True
            self._queue.append(sender)
            self.pump()

    def pump(self) -> None:
        """Send as much as the windows and the socket take now."""
        queue = self._queue
        while queue and self.window > 0 and not self.paused:
            sender = queue.popleft()
            sender.waiting = False
            if not sender.pending() or sender.window <= 0:
                continue
            sender.put_head()
            data, end = sender.take(min(LARGEST, sender.window, self.window))
            sender.since = self.now
            self.put_data(sender, data, end=end)
            if end:
                sender.sent_last()
            elif sender.pending() and sender.window > 0:
                sender.waiting = True
                queue.append(sender)

    def widen(self, sender: Sender | None, increment: int) -> bool:
        """Open a stream's window, or the connection's; False when it would be wider than windows can be."""
        if sender is None:
            self.window += increment
            self._widened = self.now
            fits = self.window <= LARGEST_WINDOW
        else:
            sender.window += increment
            fits = sender.window <= LARGEST_WINDOW
            if sender.pending() and not sender.waiting and sender.window > 0:
                sender.waiting = True
                self._queue.append(sender)
        self.pump()
        return fits

    def pause(self) -> None:
        """The socket takes no more for now."""
        self.paused = True

    def resume(self) -> None:
        """The socket takes bytes again."""
        if not self._closed:
            self.paused = False
            self.pump()
            self.flush()
            blocked, self.blocked = self.blocked, []
            for sender in blocked:
                sender.wake()

    def flush(self) -> None:
        """Hand everything to the socket, unless it takes nothing."""
        if self.paused:
            self._scheduled = False
            return
        heads, self._heads = self._heads, []
        for sender in heads:
            sender.put_head()
        self._scheduled = False
        if self._parts:
            parts, self._parts = self._parts, []
            self._size = 0
            self._transport.write(b"".join(parts))

    def close(self, last: bytes) -> None:
        """Hand everything to the socket, and ``last`` after it; nothing is sent from now on."""
        parts, self._parts = self._parts, []
        self.paused = self._closed = True
        self._transport.write(b"".join((*parts, last)))

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self.flush)
