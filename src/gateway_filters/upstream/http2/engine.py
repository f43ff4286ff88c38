"""The h2 library behind a few verbs: bytes in, events out, bytes to send. Pure: no socket, no clock.

Facts
- h2 loses the events that come before an error in the same bytes, so it is given one frame at a time.
- It takes GOAWAY for the end, while streams up to the last one named there go on (RFC 9113 6.8): it never sees one.
- It ends the connection for an answer whose length is wrong, which is the error of a stream (RFC 9113 8.1.1). So it
  is shown the status alone; the fields as they came are judged by ``answer_fields``.
- It answers each frame for a stream that we have reset with another RST_STREAM. Peers count those: one is enough.
- What comes for such a stream is still counted against the connection's window, which h2 gives back by itself.
- hpack logs header fields with their values at DEBUG, an injected ``x-api-key`` too: its logger is kept from that.
- A peer may allow compression a memory of 4 GiB. More than ours is never used.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hpack.hpack import Decoder, Encoder
from hpack.struct import HeaderTuple

from gateway_filters.upstream.http2.frames import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Cutter,
    Frame,
)
from gateway_filters.upstream.http2.violation import PROTOCOL_ERROR, Violation
from gateway_filters.upstream.response_head import MOST_BYTES

logging.getLogger("hpack").setLevel(logging.WARNING)

STREAMS = 100
"""How many streams we have at once on one connection, if the other side does not want fewer."""

WINDOW = 128 * 1024
"""Bytes of an answer that may be under way before they are read; every stream has its own."""

_MEMORY = 4096
_LAST_STREAM = 2**31 - 1
_LEAST_GOAWAY = 8
_OF_STREAMS = frozenset((DATA, HEADERS, RST_STREAM, WINDOW_UPDATE, CONTINUATION))


Fields = (
    Iterable[HeaderTuple | tuple[bytes | str, bytes | str] | tuple[bytes | str, bytes | str, bool | None]]
    | dict[bytes | str, bytes | str]
)


class GoAway(NamedTuple):
    """No stream above ``last`` has been or will be looked at, and no new one may begin."""

    last: int
    code: int
    useful: bool = False


class Received(NamedTuple):
    """What a frame means to h2; ``fields`` are those of a head or of trailers, ``useful`` says that a body came."""

    useful: bool
    events: list[Event]
    fields: list[HeaderTuple]


class Engine:
    """One connection's state."""

    def __init__(self) -> None:
        settings = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: MOST_BYTES,
        }
        self._h2 = H2Connection(
            H2Configuration(
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        self._h2.local_settings = Settings(client=True, initial_values=settings)
        self._h2.encoder = _Literal()
        self._heads = self._h2.decoder = _Heads()
        self._cutter = Cutter()
        self._live: set[int] = set()
        self._highest = 0
        self._greeted = False
        self._out = bytearray()
        self._h2.initiate_connection()
        # A window for all streams together: whoever reads slowly keeps nobody else waiting.
        self._h2.increment_flow_control_window(STREAMS * WINDOW)

    @property
    def streams(self) -> int:
        """How many streams there may be at once."""
        return min(STREAMS, self._h2.remote_settings.max_concurrent_streams)

    @property
    def spent(self) -> bool:
        """Whether the connection has no stream left to give."""
        return self._highest >= _LAST_STREAM

    # What we do

    def open(self, fields: list[HeaderTuple], *, ends: bool) -> int:
        """A new stream that begins with these fields; gives its number."""
        self._highest = self._highest + 2 if self._highest else 1
        self._live.add(self._highest)
        self._h2.send_headers(self._highest, fields, end_stream=ends)
        self._h2.streams[self._highest].request_method = None  # or it would judge the length of answers to HEAD
        return self._highest

    def window(self, stream: int) -> int:
        """How many bytes may be sent on a stream now."""
        return self._h2.local_flow_control_window(stream)

    def send(self, stream: int, data: memoryview, *, ends: bool) -> None:
        """A frame with a piece of a body, which must fit the window and ``LONGEST``; the last one ``ends`` it."""
        self._h2.send_data(stream, data, end_stream=ends)

    def trail(self, stream: int, fields: Sequence[HeaderTuple]) -> None:
        """The fields behind a body, which end it."""
        self._h2.send_headers(stream, fields, end_stream=True)

    def consumed(self, stream: int, size: int) -> None:
        """So many bytes of an answer have been taken; others may come."""
        self._h2.acknowledge_received_data(size, stream)

    def forget(self, stream: int) -> None:
        """The stream is over, or nobody waits for it any more."""
        self._live.discard(stream)

    def reset(self, stream: int, code: int) -> bool:
        """End a stream before its time; False when there is nothing left to end."""
        self._live.discard(stream)
        known = self._h2.streams.get(stream)
        if known is None or known.closed:
            return False
        self._h2.reset_stream(stream, code)
        return True

    def close(self, code: int) -> None:
        """Say goodbye."""
        self._h2.close_connection(code)

    def outgoing(self) -> bytes:
        """What is to be sent by now."""
        data = self._h2.data_to_send()
        if self._out:
            data = bytes(self._out) + data
            self._out.clear()
        return data

    # What the other side does

    def receive(self, data: bytes) -> Iterator[Received | GoAway]:
        """What complete frames there are with ``data``, one by one; raises ``Violation``.

        After a violation there is a GOAWAY to be sent, and nothing else works any more.
        """
        try:
            for frame in self._cutter.frames(data):
                yield self._goaway(frame) if frame.kind == GOAWAY else self._received(frame)
        except Violation as violation:
            self._h2.close_connection(violation.code)
            raise
        except ProtocolError as error:  # h2 has said goodbye already
            raise Violation(error.error_code, str(error)) from error

    def _goaway(self, frame: Frame) -> GoAway:
        payload = frame.payload
        if frame.stream or len(payload) < _LEAST_GOAWAY:
            raise Violation(PROTOCOL_ERROR, "a GOAWAY that is none")
        return GoAway(int.from_bytes(payload[:4]) & _LAST_STREAM, int.from_bytes(payload[4:8]))

    def _received(self, frame: Frame) -> Received:
        self._check(frame)
        self._heads.fields = []
        stray = bool(frame.stream) and frame.stream not in self._live
        if stray:
            self._out += self._h2.data_to_send()
        events = self._h2.receive_data(frame.data)
        if stray:
            self._out += _without_resets(self._h2.data_to_send())
        if frame.kind == SETTINGS:
            self._limit_memory()
        return Received(frame.useful, events, self._heads.fields)

    def _check(self, frame: Frame) -> None:
        if not self._greeted:
            if frame.kind != SETTINGS:
                raise Violation(PROTOCOL_ERROR, "it does not begin with SETTINGS")
            self._greeted = True
        if frame.kind in _OF_STREAMS and frame.stream and not self._was_opened(frame.stream):
            raise Violation(PROTOCOL_ERROR, f"a frame for stream {frame.stream}, which nobody has opened")

    def _was_opened(self, stream: int) -> bool:
        return stream <= self._highest and stream % 2 == 1

    def _limit_memory(self) -> None:
        encoder = self._h2.encoder
        if encoder.header_table_size > _MEMORY:
            encoder.header_table_size = _MEMORY


class _Literal(Encoder):
    """Packs without Huffman's code, which hpack takes quadratic time for: a second for a field of 60 kB."""

    def encode(self, headers: Fields, huffman: bool = False) -> bytes:  # noqa: FBT001, FBT002 - as inherited
        del huffman
        return super().encode(headers, huffman=False)


class _Heads(Decoder):
    """Keeps the fields of a head as they came, and lets h2 see the status alone."""

    def __init__(self) -> None:
        super().__init__(MOST_BYTES)
        self.fields: list[HeaderTuple] = []

    def decode(self, data: bytes, raw: bool = False) -> list[HeaderTuple]:  # noqa: FBT001, FBT002 - as inherited
        self.fields = list(super().decode(data, raw))
        return [field for field in self.fields if field[0] == b":status"]


def _without_resets(data: bytes) -> bytes:
    return b"".join(frame.data for frame in Cutter().frames(data) if frame.kind != RST_STREAM)
