"""The client's side of an exchange: the one reader of ``receive``, from the first moment to the last.

Facts
- One task at a time may call ``receive``. The exchange itself reads what comes first, mostly the whole body;
  only what is longer, or takes longer, pays for a task of its own.
- That task feeds the upload, one piece ahead at most, and then waits for ``http.disconnect``, which may come
  before the upstream has said anything.
- ``send`` tells nobody that the client has gone, on any server.
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from starlette.types import Message, Receive

from gateway_filters.errors import ClientDisconnected
from gateway_filters.upstream.departures import Departures
from gateway_filters.upstream.transport import Framing

_SHORT = 64 * 1024


class ClientSide:
    """Reads the client while ``exchange``, the running task, is inside ``with``.

    When the client leaves, the exchange is cancelled wherever it waits, and ``ClientDisconnected`` comes out
    of the ``with``, or what ``receive`` raised. A cancellation from outside stays a cancellation.
    """

    __slots__ = (
        "_cancelling",
        "_departures",
        "_exchange",
        "_failure",
        "_finished",
        "_gone",
        "_pump",
        "_queue",
        "_receive",
    )

    def __init__(self, receive: Receive, departures: Departures, exchange: asyncio.Task[None]) -> None:
        self._receive = receive
        self._departures = departures
        self._exchange = exchange
        self._cancelling = exchange.cancelling()
        self._queue: asyncio.Queue[Message] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._finished = False
        self._gone = False
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    async def body(self, framing: Framing) -> tuple[Framing, AsyncIterator[bytes] | bytes | None]:
        """The request's body, and how it is framed. A short one is waited for, and mostly here; others stream.

        Raises ``ClientDisconnected`` when the client leaves instead, or what ``receive`` raises.
        """
        if framing == 0:
            self._departures.expect(self)
            return 0, None
        if framing == "chunked" or (framing is not None and framing > _SHORT):
            self._stream()
            return framing, self.chunks()
        message = await self._receive()
        while not message.get("body") and message.get("more_body"):
            message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("the client left")
        # HTTP/2 and some servers name no length: only the body itself shows whether there is one.
        if message.get("more_body"):
            self._stream(message)
            return framing or "chunked", self.chunks()
        self._departures.expect(self)
        piece = message.get("body")
        return framing or ("chunked" if piece else None), piece or None

    def _stream(self, *begun: Message) -> None:
        self._queue = asyncio.Queue(maxsize=1)
        for message in begun:
            self._queue.put_nowait(message)
        self.watch()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The request body's pieces as they come; asking for the next one is what lets the client send it."""
        queue, more = self._queue, True
        while queue is not None and more:
            message = await queue.get()
            queue.task_done()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    def finish(self) -> None:
        """From now on a client that leaves is none of our business: the answer is complete."""
        self._finished = True

    def watch(self) -> None:
        """Read on in a task of its own, from now until the client leaves or the exchange ends."""
        self._pump = self._departures.loop.create_task(self._read())
        self._pump.add_done_callback(self._read_ended)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finished = True
        self._departures.forget(self)
        if self._pump is None:
            return
        # The task knows this object: forgetting it leaves no cycle to the garbage collector.
        self._pump.cancel()
        self._pump = None
        # As asyncio.timeout() does: only our own cancellation is turned into something else.
        if self._gone and self._exchange.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            failure, self._failure = self._failure, None
            raise failure or ClientDisconnected("the client left") from None

    async def _read(self) -> None:
        queue = self._queue
        while True:
            if queue is not None:
                await queue.join()  # the next piece is asked for when the last one has been taken
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return
            if queue is not None:
                queue.put_nowait(message)
                queue = queue if message.get("more_body") else None

    def _read_ended(self, pump: asyncio.Task[None]) -> None:
        if pump.cancelled():
            return
        self._failure = pump.exception()
        if not self._finished:
            # The exchange waits for something, since this runs: there it meets the cancellation.
            self._gone = True
            self._exchange.cancel()
