"""A WebSocket to an upstream after its handshake: messages both ways, no faster than either side reads.

Facts
- What has come is parsed at once, so that pings are answered and closing is seen while the client is slow; when
  more than 64 KiB of messages wait for the client, no more is read, and what a ping then waits for is the client.
  A message of nothing weighs something, too, or an upstream could have us keep any number of them.
- Pongs are the only thing that an upstream can make us send without end. While it does not read, only the last
  one is kept (RFC 6455 5.5.3).
- Silence is asked about: a ping after so many seconds of it, the end after as many more. What we do not read is no
  silence.
- Who has said goodbye waits a little for the other side to close (RFC 6455 7.1.1): closing first would throw away
  what is still under way.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway_filters.upstream.tunnel import Reader, Tunnel
from gateway_filters.upstream.websocket.ending import LOST, Ending
from gateway_filters.upstream.websocket.limits import WebSocketLimits

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.protocol import Protocol

_HIGH = 64 * 1024
_LOW = 16 * 1024
_MESSAGE = 128  # bytes that a message takes beside its content
_GOODBYE = 2.0  # seconds that the upstream has to close after both sides have said goodbye

_CONT, _TEXT, _BINARY, _CLOSE = 0, 1, 2, 8


class Socket(Reader):
    """Messages over ``tunnel``, framed by ``protocol``; ``ending`` is None while the upstream's side is open."""

    def __init__(self, tunnel: Tunnel, protocol: "Protocol", limits: WebSocketLimits) -> None:
        self.ending: Ending | None = None
        self._tunnel = tunnel
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._messages: deque[tuple[str | bytes, int]] = deque()
        self._queued = 0
        self._paused = False
        self._parts = bytearray()
        self._is_text = False
        self._owed = b""
        self._leaving = False
        self._waiter: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._silence = limits.ping
        self._heard = self._asked = False
        self._timer = self._loop.call_later(self._silence, self._listen)
        tunnel.read_into(self)

    async def receive(self) -> str | bytes | None:
        """The next message; None when there will be no more."""
        while not self._messages:
            if self.ending is not None:
                return None
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, size = self._messages.popleft()
        self._queued -= size
        if self._paused and self._queued <= _LOW:
            self._paused = False
            self._tunnel.resume()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send a message, and wait while the upstream does not read; what comes too late is dropped."""
        if not self._is_open:
            return
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()
        while self._tunnel.write_paused and self.ending is None:
            self._writer = self._loop.create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    def close(self, code: int | None, reason: str) -> None:
        """Say goodbye, if nobody has, and see the connection closed soon."""
        if self._leaving:
            return
        if self._is_open:
            self._protocol.send_close(code, reason)
            self._flush()
        self._messages.clear()
        self._part()

    # The tunnel's side

    def take(self, data: bytes) -> None:
        """Bytes have come."""
        self._heard = True
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            self._react(event)  # pyright: ignore[reportArgumentType] - after the handshake all events are frames
        broken = self._protocol.parser_exc
        if broken is not None and self.ending is None:
            self._end(Ending(LOST, broken=f"{type(broken).__name__}: {broken}"))
        self._flush(answering=True)
        if self.ending is not None:
            self._part()
        elif self._queued > _HIGH and not self._paused:
            self._paused = True
            self._tunnel.pause()

    def ended(self, reason: str) -> None:
        """The connection is gone, or as good as gone."""
        self._end(Ending(LOST, broken=reason))
        self._part()

    def writable(self) -> None:
        """What was written has left."""
        if self._owed:
            owed, self._owed = self._owed, b""
            self._tunnel.write(owed)
        _wake(self._writer)

    # Inside

    @property
    def _is_open(self) -> bool:
        return self.ending is None and not self._leaving and self._protocol.close_sent is None

    def _react(self, frame: "Frame") -> None:
        if frame.opcode == _CLOSE:
            said = self._protocol.close_rcvd
            assert said is not None
            self._end(Ending(said.code, said.reason))
        elif frame.opcode in (_CONT, _TEXT, _BINARY) and self.ending is None and not self._leaving:
            if frame.opcode != _CONT:
                self._is_text = frame.opcode == _TEXT
            self._parts += frame.data
            if frame.fin:
                self._complete()

    def _complete(self) -> None:
        whole, self._parts = self._parts, bytearray()
        try:
            message = whole.decode() if self._is_text else bytes(whole)
        except UnicodeDecodeError as error:
            self._protocol.fail(1007, "")
            self._end(Ending(LOST, broken=f"a text that is not UTF-8: {error.reason} at {error.start}"))
            return
        size = len(whole) + _MESSAGE
        self._messages.append((message, size))
        self._queued += size
        _wake(self._waiter)

    def _flush(self, *, answering: bool = False) -> None:
        pieces = self._protocol.data_to_send()
        if answering and self._tunnel.write_paused and self._protocol.close_sent is None:
            self._owed = pieces[-1] if pieces else self._owed
            return
        for piece in pieces:
            if piece:  # an empty one asks for the end, which _part brings
                self._tunnel.write(piece)

    def _end(self, ending: Ending) -> None:
        self.ending = self.ending or ending
        _wake(self._waiter)
        _wake(self._writer)

    def _part(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        self._timer.cancel()
        self._timer = self._loop.call_later(_GOODBYE, self._tunnel.abort)
        self._tunnel.resume()

    def _listen(self) -> None:
        if self._heard or self._paused:
            self._heard = self._asked = False
        elif self._asked:
            self._end(Ending(LOST, broken=f"it has said nothing for {2 * self._silence:g} seconds"))
            self._tunnel.abort()
            return
        else:
            self._asked = True
            self._protocol.send_ping(b"")
            self._flush()
        self._timer = self._loop.call_later(self._silence, self._listen)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
