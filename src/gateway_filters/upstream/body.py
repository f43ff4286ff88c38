"""The client's side of an exchange: the one reader of ``receive``, from the first moment to the last.

Facts
- Exactly one task may call ``receive``. It feeds the upload, one piece ahead at most, and then waits for
  ``http.disconnect``, which may come before the upstream has said anything.
- ``receive`` may raise: middleware that limits bodies does it (Starlette's RequestBodyLimitMiddleware).
- ``send`` tells nobody that the client has gone, on any server.
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from starlette.types import Message, Receive

from gateway_filters.errors import ClientDisconnected


class ClientSide:
    """Reads the client while the exchange runs inside ``async with``.

    When the client leaves, the exchange is cancelled wherever it waits, and ``ClientDisconnected`` comes out
    of the ``async with``, or what ``receive`` raised. A cancellation from outside stays a cancellation.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._queue: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._peeked: Message | None = None
        self._finished = False
        self._gone = False
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._exchange = task
        self._cancelling = task.cancelling()
        self._pump: asyncio.Task[None] | None = asyncio.create_task(self._read())
        self._pump.add_done_callback(self._read_ended)
        return self

    async def has_body(self) -> bool:
        """Wait for the first piece of a body, which stays in its place for ``chunks``, or for the end."""
        message = await self._queue.get()
        while not message.get("body") and message.get("more_body"):
            self._queue.task_done()
            message = await self._queue.get()
        self._peeked = message
        return bool(message.get("body"))

    async def at_hand(self) -> bytes | None:
        """The body if all of it has come by now; None, with everything left in its place, if not."""
        if self._peeked is None:
            await asyncio.sleep(0)  # the reader's turn: servers hand over at once what came with the head
            self._peeked = None if self._queue.empty() else self._queue.get_nowait()
        if self._peeked is None or self._peeked.get("more_body"):
            return None
        message, self._peeked = self._peeked, None
        self._queue.task_done()
        return message.get("body", b"")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The request body's pieces as they come; asking for the next one is what lets the client send it."""
        more = True
        while more:
            message = self._peeked or await self._queue.get()
            self._peeked = None
            self._queue.task_done()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    def finish(self) -> None:
        """From now on a client that leaves is none of our business: the answer is complete."""
        self._finished = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finished = True
        self._stop()
        if not self._gone:
            return
        if kind is None:
            await self._swallow_cancellation()
        # As asyncio.timeout() does: only our own cancellation is turned into something else.
        if self._exchange.uncancel() <= self._cancelling and (kind is None or kind is asyncio.CancelledError):
            raise self._reason() from None

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return
            await self._queue.put(message)
            if message.get("more_body"):
                await self._queue.join()  # the next piece is asked for when this one has been taken

    def _read_ended(self, pump: asyncio.Task[None]) -> None:
        if pump.cancelled():
            return
        self._failure = pump.exception()
        if not self._finished:
            self._gone = True
            self._exchange.cancel()

    def _reason(self) -> BaseException:
        failure, self._failure = self._failure, None
        return failure or ClientDisconnected("the client left")

    def _stop(self) -> None:
        # The task knows this object: forgetting it leaves no cycle to the garbage collector.
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None

    async def _swallow_cancellation(self) -> None:
        # The exchange ended without meeting the cancellation that is under way: it arrives here.
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return
