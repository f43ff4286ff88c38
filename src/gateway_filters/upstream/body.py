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


class ClientSide:
    """Reads the client while the exchange runs inside ``async with``.

    When the client leaves, the exchange is cancelled wherever it waits, and ``ClientDisconnected`` comes out
    of the ``async with``, or what ``receive`` raised. A cancellation from outside stays a cancellation.
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

    def __init__(self, receive: Receive, departures: Departures) -> None:
        self._receive = receive
        self._departures = departures
        self._queue: asyncio.Queue[Message] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._finished = False
        self._gone = False
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        task = asyncio.current_task(self._departures.loop)
        assert task is not None
        self._exchange = task
        self._cancelling = task.cancelling()
        return self

    def nothing(self) -> None:
        """The request has no body; only the client's leaving is of interest."""
        self._departures.expect(self)

    async def first(self) -> tuple[bytes, bool]:
        """The first piece of the body, and whether more will come; ``(b"", False)`` where there is no body.

        Raises ``ClientDisconnected`` when the client leaves instead, or what ``receive`` raises.
        """
        message = await self._receive()
        while not message.get("body") and message.get("more_body"):
            message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("the client left")
        more = message.get("more_body", False)
        if more:
            self._queue = asyncio.Queue(maxsize=1)
            self._queue.put_nowait(message)
            self.watch()
        else:
            self._departures.expect(self)
        return message.get("body", b""), more

    def stream(self) -> AsyncIterator[bytes]:
        """The request body's pieces as they come, waiting for none of them now."""
        self._queue = asyncio.Queue(maxsize=1)
        self.watch()
        return self.chunks()

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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finished = True
        self._departures.forget(self)
        if self._pump is None:
            return
        # The task knows this object: forgetting it leaves no cycle to the garbage collector.
        self._pump.cancel()
        self._pump = None
        if self._gone:
            await self._left(kind)

    async def _left(self, kind: type[BaseException] | None) -> None:
        if kind is None:
            await self._swallow_cancellation()
        # As asyncio.timeout() does: only our own cancellation is turned into something else.
        if self._exchange.uncancel() <= self._cancelling and (kind is None or kind is asyncio.CancelledError):
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
            self._gone = True
            self._exchange.cancel()

    async def _swallow_cancellation(self) -> None:
        # The exchange ended without meeting the cancellation that is under way: it arrives here.
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return
