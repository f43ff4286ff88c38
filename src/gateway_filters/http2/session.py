"""What the frames of a client do (RFC 9113 5 and 6); it knows no socket and no app.

An error of one stream ends that stream; one that leaves both sides with different views of the connection (framing,
header compression, windows) is a ``ConnectionFault``.
"""

import logging
from collections.abc import Callable

from gateway_filters.http2 import frames
from gateway_filters.http2.faults import ConnectionFault, ErrorCode, HeadTooLarge, StreamFault
from gateway_filters.http2.heads import HeadBlock
from gateway_filters.http2.limits import LARGEST_WINDOW, Budget, Http2Limits
from gateway_filters.http2.outbox import Outbox
from gateway_filters.http2.request import Asked, check_trailers
from gateway_filters.http2.requests import Requests
from gateway_filters.http2.settings import stream_window
from gateway_filters.http2.stream import Stream
from gateway_filters.http2.streams import Streams

_log = logging.getLogger("gateway_filters")
# Frames that a client may send for each one of a body that it gets: it opens two windows, and measures with a PING.
_EARNED = 4
_PING_BYTES = 8
_PRIORITY_BYTES = 5


class Session:
    """Takes frames; ``serve`` is called with each request, ``ponged`` when a PING of ours is answered.

    ``words`` gives the body of a refusal, of its status and the reason.

    ``last``: the last stream that will be served. ``leaving``: whether the client has said that it leaves. ``only``:
    the kind and the stream of the one frame that may come now: at first SETTINGS (3.4), in a header block its rest.
    """

    def __init__(
        self,
        outbox: Outbox,
        limits: Http2Limits,
        serve: Callable[[Stream, Asked], None],
        ponged: Callable[[], None],
        words: Callable[[int, str], bytes],
    ) -> None:
        self.streams = Streams(outbox, limits, words)
        self.last = LARGEST_WINDOW
        self.leaving = False
        self._outbox = outbox
        self._limits = limits
        self._serve = serve
        self._ponged = ponged
        self._requests = Requests(limits)
        self._resets = Budget(limits.resets, limits.resets_per_second)
        self._chatter = Budget(limits.chatter, limits.chatter_per_second)
        self._seen_frames = 0
        self._block: HeadBlock | None = None
        self.only: tuple[int, int] | None = (frames.SETTINGS, 0)

    def take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Take one frame; raises ``ConnectionFault``."""
        if self.only is not None and self.only != (kind, number):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "another frame was to come")
        try:
            if kind < len(self._TAKERS):
                self._TAKERS[kind](self, flags, number, payload)
            else:
                self._spend_chatter()
        except StreamFault as fault:
            _log.info("a request over HTTP/2 was refused: %s", fault.reason)
            self.streams.refuse(number, fault.code)
            self._spend_reset()

    @property
    def served(self) -> int:
        """The last stream that was served or will be, as GOAWAY tells it (6.8)."""
        return min(self.last, self.streams.highest)

    def check(self, now: float, passed: float) -> None:
        """Look at the clock: so many seconds have passed since the last time."""
        self._resets.refill(passed)
        self._chatter.refill(passed)
        self.streams.check(now, passed)

    # Frames

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        data, weight = frames.unpadded(flags, payload), len(payload)
        end = bool(flags & frames.END_STREAM)
        self.streams.take(weight)
        if not data and not end:
            self._spend_chatter()
        stream = self.streams.open.get(number)
        if stream is None:
            self._check_over(number)
            self.streams.drop(weight)
            return
        try:
            stream.upload.add(data, weight, end=end)
        except StreamFault:
            self.streams.drop(weight)
            raise
        if weight > len(data):
            self.streams.consumed(stream, weight - len(data))
        stream.heard = self._outbox.now
        if self._too_long(stream.upload.size):
            self.streams.dismiss(stream, 413, "a body over the limit")
            self._outbox.check_read()
        else:
            stream.stir()

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream of a client has an odd number")
        block, ends = frames.header_block(flags, payload), bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._head(number, block, ends=ends)
        else:
            self._block = HeadBlock(number, block, self._limits, ends=ends)
            self.only = (frames.CONTINUATION, number)

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block that was not begun goes on")
        block.add(payload)
        if flags & frames.END_HEADERS:
            self._block = self.only = None
            self._head(number, block.joined(), ends=block.ends)

    def _priority(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        if len(payload) != _PRIORITY_BYTES:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong length")
        _on_stream(number)
        self._spend_chatter()

    def _reset(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        frames.number_in(payload)
        self.streams.known(number)
        if self.streams.abandoned(number):
            self._spend_reset()
        else:
            self._spend_chatter()

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        _on_connection(number)
        self._spend_chatter()
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong length")
            return
        self.only = None
        window = stream_window(payload)
        if window is not None:
            difference, self._outbox.stream_window = window - self._outbox.stream_window, window
            for stream in tuple(self.streams.open.values()):
                if not self._outbox.widen(stream.answer, difference):
                    raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window is opened too wide")
        self._outbox.put_reply(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _push(self, flags: int, number: int, payload: bytes) -> None:
        del flags, number, payload
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client cannot push")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        _on_connection(number)
        if len(payload) != _PING_BYTES:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a wrong length")
        self._spend_chatter()
        if flags & frames.ACK:
            self._ponged()
        else:
            self._outbox.put_reply(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:
        del flags, payload
        _on_connection(number)
        self._spend_chatter()
        self.leaving = True

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:
        del flags
        increment = frames.number_in(payload)
        self._spend_chatter()
        stream = self.streams.open.get(number)
        if number and stream is None:
            self.streams.known(number)
            return
        fault = StreamFault if stream else ConnectionFault
        if not increment:
            raise fault(ErrorCode.PROTOCOL_ERROR, "a window is opened by nothing")
        if not self._outbox.widen(stream.answer if stream else None, increment):
            raise fault(ErrorCode.FLOW_CONTROL_ERROR, "a window is opened too wide")

    _TAKERS = (
        _data,
        _headers,
        _priority,
        _reset,
        _settings,
        _push,
        _ping,
        _goaway,
        _window_update,
        _continuation,
    )

    # Inside

    def _head(self, number: int, block: bytes, *, ends: bool) -> None:
        streams = self.streams
        stream = streams.open.get(number)
        if stream is not None:
            self._trailers(stream, block, ends=ends)
        elif number > streams.highest:
            streams.highest = number
            self._request(number, block, ends=ends)
        else:
            self._check_over(number)
            self._spend_chatter()
            self._requests.skip(block)

    def _request(self, number: int, block: bytes, *, ends: bool) -> None:
        if number > self.last:
            self._requests.skip(block)
            return
        try:
            request = self._requests.asked(block)
        except HeadTooLarge as error:
            self._refuse(self.streams.begin(number, None, more=not ends), 431, str(error))
            return
        stream = self.streams.begin(number, request.length, more=not ends)
        stream.bodiless = request.method == "HEAD"
        if request.refused is not None:
            self._refuse(stream, request.refused, "a method or an expectation that is not served")
        elif self._too_long(request.length or 0):
            self._refuse(stream, 413, "a body over the limit")
        else:
            self.streams.running += 1
            self._serve(stream, request)

    def _refuse(self, stream: Stream, status: int, reason: str) -> None:
        stream.refuse(status, reason)
        self._outbox.check_read()

    def _trailers(self, stream: Stream, block: bytes, *, ends: bool) -> None:
        """They end a body, and are there before its reader learns of the end."""
        try:
            fields = self._requests.fields(block)
        except HeadTooLarge as error:
            raise StreamFault(ErrorCode.ENHANCE_YOUR_CALM, "trailers are too large") from error
        if not stream.upload.open:
            raise StreamFault(ErrorCode.STREAM_CLOSED, "more came after the end of a request")
        check_trailers(fields)
        if not ends:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR, "a second head in a request")
        stream.upload.add(b"", 0, end=True)
        stream.upload.trailers += fields
        stream.stir()

    def _too_long(self, size: int) -> bool:
        limit = self._limits.body_bytes
        return limit is not None and size > limit

    def _check_over(self, number: int) -> None:
        """Raises ``ConnectionFault`` unless more may come for a stream that is not open.

        What follows the head of a stream that came too late to be served is passed over, as that is (6.8).
        """
        if not self.last < number <= self.streams.highest:
            self.streams.left(number)

    def _spend_reset(self) -> None:
        if not self._resets.spend():
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were given up")
        self._outbox.check_read()

    def _spend_chatter(self) -> None:
        self._chatter.earn((self._outbox.frames - self._seen_frames) * _EARNED)
        self._seen_frames = self._outbox.frames
        if not self._chatter.spend():
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames carry nothing")


def _on_connection(number: int) -> None:
    if number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame of the connection came on a stream")


def _on_stream(number: int) -> None:
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame of a stream came on the connection")
