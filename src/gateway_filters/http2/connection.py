"""A connection: an ``asyncio.Protocol`` that takes bytes, keeps the clock and calls the app.

Facts
- After a fault the client is told, and what it still sends is thrown away for a moment: a socket that is closed with
  bytes unread resets, and the reset overtakes what we said.
- A shutdown is said twice (6.8): first that no more should be asked, and when the client has heard that, which
  stream was the last. So no request is lost between the two.
- The clock is looked at once in a while: a wait ends late by up to half of it, never early.
"""

import asyncio
import logging
import math
from typing import Any, cast

from gateway_filters.http2 import frames
from gateway_filters.http2.faults import ConnectionFault, ErrorCode
from gateway_filters.http2.limits import LARGEST_WINDOW
from gateway_filters.http2.outbox import Outbox
from gateway_filters.http2.request import Asked
from gateway_filters.http2.scope import connection_scope, request_scope, secure
from gateway_filters.http2.service import Service
from gateway_filters.http2.session import Session
from gateway_filters.http2.settings import announcement
from gateway_filters.http2.stream import Stream

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What every client says first (3.4)."""

_log = logging.getLogger("gateway_filters")
_LOOKS = 4
_LINGER_SECONDS = 1.0
_DRAIN_SECONDS = 1.0


class Http2Connection(asyncio.Protocol):
    """One client's connection; ``state`` is copied into the scope of each of its requests."""

    def __init__(self, service: Service, state: dict[str, Any]) -> None:
        self._service = service
        self._limits = limits = service.limits
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._period = limits.shortest_seconds / _LOOKS
        self._reader = frames.FrameReader()
        self._preface = PREFACE
        self._closed = False
        self._draining = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        self._transport = cast("asyncio.Transport", transport)
        self._service.connections.add(self)
        self._scope = connection_scope(transport)
        self._outbox = Outbox(self._loop, self._transport, self._limits)
        self._session = Session(self._outbox, self._limits, self._serve, self._accept_no_more, self._service.words)
        self._looked = self._loop.time()
        self._outbox.now = self._whole_at = self._asked_at = self._read_at = self._looked + self._period
        self._newest = 0
        self._unread = math.inf
        self._timer = self._loop.call_later(self._period, self._look)
        self._outbox.put(announcement(self._limits))
        if not self._service.watch.admit(self._scope["client"], len(self._service.connections)):
            self._fail(ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many connections"))
        elif not secure(transport):
            self._fail(ConnectionFault(ErrorCode.INADEQUATE_SECURITY, "the cipher is none for HTTP/2"))

    def data_received(self, data: bytes) -> None:
        """Take the frames that have come."""
        if self._closed:
            return
        session, outbox = self._session, self._outbox
        if session.only is None and self._reader.inside is None:
            self._whole_at = outbox.now
        try:
            if self._preface:
                data = self._greeted(data)
            for kind, flags, number, payload in self._reader.feed(data):
                session.take(kind, flags, number, payload)
                if session.only is None:
                    self._whole_at = outbox.now
        except ConnectionFault as fault:
            self._fail(fault)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._read_at = self._outbox.now
        self._unread = math.inf
        self._outbox.pause()

    def resume_writing(self) -> None:
        """The socket takes bytes again."""
        self._outbox.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """All streams are over."""
        del exc
        self._closed = True
        self._timer.cancel()
        self._session.streams.abandon_all()
        self._service.connections.discard(self)
        self._service.watch.forget(self._scope["client"])

    # The server's side

    def shutdown(self) -> None:
        """Take no more requests; the connection ends with the answer to the last one."""
        if not self._draining and not self._closed:
            self._draining = True
            self._outbox.put(frames.goaway(LARGEST_WINDOW, ErrorCode.NO_ERROR))
            self._outbox.put(frames.frame(frames.PING, 0, 0, b"shutdown"))
            self._loop.call_later(_DRAIN_SECONDS, self._accept_no_more)

    def _accept_no_more(self) -> None:
        session = self._session
        if self._draining and not self._closed and session.last == LARGEST_WINDOW:
            session.last = session.streams.highest
            self._outbox.put(frames.goaway(session.last, ErrorCode.NO_ERROR))
            self._close_if_done()

    # Requests

    def _serve(self, stream: Stream, request: Asked) -> None:
        stream.task = task = self._loop.create_task(self._answer(stream, request))
        self._service.tasks.add(task)

    async def _answer(self, stream: Stream, request: Asked) -> None:
        scope = request_scope(self._scope, request, self._state, stream.upload.trailers)
        try:
            await stream.run(self._service.app, scope, expects=request.expects)
        finally:
            if stream.task is not None:
                self._service.tasks.discard(stream.task)
            stream.task = None  # it knows the stream
            self._session.streams.running -= 1
            if self._draining or self._session.leaving:
                self._close_if_done()

    def _greeted(self, data: bytes) -> bytes:
        """What comes after the preface."""
        expected = self._preface[: len(data)]
        if not data.startswith(expected):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this is not HTTP/2")
        self._preface = self._preface[len(expected) :]
        return data[len(expected) :]

    # The clock's side

    def _look(self) -> None:
        now = self._loop.time()
        self._session.check(now, now - self._looked)
        self._looked = now
        fault = self._overdue(now)
        self._outbox.now = now + self._period
        if fault is not None:
            self._fail(fault)
        elif not self._closed:
            self._timer = self._loop.call_later(self._period, self._look)

    def _overdue(self, now: float) -> ConnectionFault | None:
        limits, streams = self._limits, self._session.streams
        if streams.open or streams.highest != self._newest:
            self._newest = streams.highest
            self._asked_at = now + self._period
        if now - self._whole_at > self._patience():
            return ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "something did not come to its end in time")
        if self._outbox.paused and now - self._last_read(now) > limits.write_seconds:
            return ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "nothing was read in time")
        if self._session.leaving or now - self._asked_at > limits.idle_seconds:
            self._close_if_done()
        return None

    def _patience(self) -> float:
        """How long what has begun may take; endless where nothing has."""
        if self._session.only is not None:
            return self._limits.head_seconds
        kind = self._reader.inside
        if kind is None:
            return math.inf
        return self._limits.body_seconds if kind == frames.DATA else self._limits.head_seconds

    def _last_read(self, now: float) -> float:
        """When the client last took a byte of what the socket holds."""
        unread = self._transport.get_write_buffer_size()
        if unread < self._unread:
            self._unread, self._read_at = unread, now
        return self._read_at

    # The end

    def _close_if_done(self) -> None:
        if not self._session.streams.open and not self._closed:
            self._end(frames.goaway(self._session.served, ErrorCode.NO_ERROR))
            self._transport.close()

    def _fail(self, fault: ConnectionFault) -> None:
        if self._closed:
            return
        _log.info("a connection of HTTP/2 was ended: %s", fault.reason)
        self._end(frames.goaway(self._session.served, fault.code, fault.reason))
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _end(self, last: bytes) -> None:
        self._closed = True
        self._timer.cancel()
        self._session.streams.abandon_all()
        self._outbox.close(last)
        self._loop.call_later(_LINGER_SECONDS, self._transport.abort)
