"""The streams of a connection: which are open, which are over, and the window that all of them share.

Facts
- An app counts until it has ended, whether its stream was reset or not: clients gain nothing by resetting.
- Streams that we ended while their client was still sending are remembered for a while: what is under way for
  them is dropped. Nothing else may come for a stream that is over (5.1).
- What nobody will read counts as read: a window that stayed closed for it would close the connection.
"""

from collections.abc import Callable

from gateway_filters.http2.answer import Answer
from gateway_filters.http2.faults import ConnectionFault, ErrorCode, StreamFault
from gateway_filters.http2.frames import reset, window_update
from gateway_filters.http2.limits import Http2Limits
from gateway_filters.http2.outbox import Outbox
from gateway_filters.http2.stream import Stream
from gateway_filters.http2.upload import Upload

_REMEMBERED = 1000


class Streams:
    """``open`` by number; ``highest``: the last one that came; ``running``: apps that have not ended.

    ``words`` gives the body of a refusal, of its status and the reason.
    """

    def __init__(self, outbox: Outbox, limits: Http2Limits, words: Callable[[int, str], bytes]) -> None:
        self.words = words
        self.open: dict[int, Stream] = {}
        self.highest = 0
        self.running = 0
        self._outbox = outbox
        self._limits = limits
        self._left: dict[int, None] = {}
        self._window = limits.connection_window
        self._unacknowledged = 0

    def begin(self, number: int, length: int | None, *, more: bool) -> Stream:
        """Open a stream whose body has ``length`` bytes (None: not told), if there is ``more`` than its head.

        Raises ``StreamFault`` when there are too many already, or the body is over before it is whole.
        """
        # A client may open others for those that it has just reset, whose apps are about to end.
        if len(self.open) >= self._limits.streams or self.running >= 2 * self._limits.streams:
            raise StreamFault(ErrorCode.REFUSED_STREAM, "too many streams")
        upload = Upload(self._limits.window, length, open_=more)
        stream = Stream(number, self, upload, Answer(number, self, self._outbox), heard=self._outbox.now)
        self.open[number] = stream
        return stream

    def take(self, weight: int) -> None:
        """So many bytes of bodies have come; raises ``ConnectionFault`` for more than the window was open for."""
        self._window -= weight
        if self._window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more came than the window was open for")

    def drop(self, count: int) -> None:
        """So many of them nobody will read, or somebody has."""
        self._unacknowledged += count
        if self._unacknowledged * 2 >= self._limits.connection_window:
            self._outbox.put(window_update(0, self._unacknowledged))
            self._window += self._unacknowledged
            self._unacknowledged = 0

    def known(self, number: int) -> None:
        """Raises ``ConnectionFault`` for a stream that was never open (5.1.1)."""
        if number > self.highest or not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame for a stream that is not open")

    def left(self, number: int) -> None:
        """Raises ``ConnectionFault`` unless it was us who ended the stream, while more was to come."""
        self.known(number)
        if number not in self._left:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "a frame for a stream that is over")

    def abandoned(self, number: int) -> bool:
        """The client has reset the stream; whether its answer was still under way."""
        stream = self.open.pop(number, None)
        if stream is not None:
            self._leave(stream)
        return stream is not None

    def refuse(self, number: int, code: ErrorCode) -> None:
        """End a stream, open or not, with RST_STREAM."""
        stream = self.open.pop(number, None)
        self._outbox.put(reset(number, code))
        if stream is None or stream.upload.open:
            self._remember(number)
        if stream is not None:
            self._leave(stream)

    def abandon_all(self) -> None:
        """The connection is over."""
        for number in tuple(self.open):
            self.abandoned(number)

    def check(self, now: float, passed: float) -> None:
        """End the streams that have stood still for too long, ``passed`` seconds after the last look."""
        limits = self._limits
        for stream in tuple(self.open.values()):
            if stream.answer.stalled(now - limits.write_seconds):
                self.refuse(stream.number, ErrorCode.CANCEL)
            elif stream.silent(now - limits.body_seconds):
                self.dismiss(stream, 408, "a body stood still")
            elif limits.body_rate is not None and stream.slow(passed, limits.body_rate, limits.body_seconds):
                self.dismiss(stream, 408, "a body slower than the least rate")

    def dismiss(self, stream: Stream, status: int, reason: str) -> None:
        """Answer for an app that is at work; for it the client has left. An answer that has begun is cut."""
        if stream.answer.begun:
            self.refuse(stream.number, ErrorCode.CANCEL)
        else:
            stream.refuse(status, reason)
            stream.leave()

    # What streams and answers tell

    def answered(self, number: int) -> None:
        """The last frame of an answer is queued; what the client still sends is not wanted (8.1)."""
        stream = self.open.pop(number)
        if stream.upload.open:
            self._outbox.put(reset(number, ErrorCode.NO_ERROR))
            self._remember(number)
        self.drop(stream.upload.drop())
        stream.stir()

    def consumed(self, stream: Stream, count: int) -> None:
        """An app has read so many bytes: windows may open."""
        self.drop(count)
        increment = stream.upload.increment()
        if increment:
            self._outbox.put(window_update(stream.number, increment))

    def cut(self, stream: Stream, code: ErrorCode) -> None:
        """An app cannot go on with its answer."""
        self.refuse(stream.number, code)

    # Inside

    def _leave(self, stream: Stream) -> None:
        self.drop(stream.upload.drop())
        stream.leave()

    def _remember(self, number: int) -> None:
        self._left[number] = None
        if len(self._left) > _REMEMBERED:
            del self._left[next(iter(self._left))]
