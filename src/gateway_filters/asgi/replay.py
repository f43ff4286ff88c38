"""A request for several readers, one after the other: what was read is kept, the rest is read as it comes.

Facts
- Exactly one task may call ``receive``. One pending call is kept here and each reader in its turn waits for
  it, so a reader that is cancelled takes no message with it.
- After the body the same call waits for ``http.disconnect``.
- What follows a body and is no departure (messages of a WebSocket that was accepted) is nobody's but the
  reader's that is there by then, and ends all keeping.
- Pieces are kept joined: a client that sends single bytes must not cost a message each.
"""

import asyncio

from starlette.types import Message, Receive


class Replay:
    """The request behind ``receive``, with what was read of its body.

    One reader at a time. The first one gets each piece as it arrives; a later one gets in one piece what was
    read before it. Who reads on once more than ``limit`` bytes are kept gets the rest, and nothing is kept any
    more: the body is ``whole`` no more.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._kept = bytearray()
        self._read = 0
        self._forgotten = 0
        self._forgetting = False
        self._complete = False
        self._gone = False
        self._beyond: Message | None = None
        self._pending: asyncio.Task[None] | None = None

    @property
    def whole(self) -> bool:
        """Whether a new reader would still see the body from its beginning."""
        return self._forgotten == 0

    def reader(self, *, last: bool = False) -> Receive:
        """A ``receive`` that begins at the beginning; after the ``last`` one there is none, so nothing is kept."""
        self._forgetting = self._forgetting or last
        position, told = 0, False

        async def receive() -> Message:
            nonlocal position, told
            while position == self._read and told == self._complete:
                if self._beyond is not None:
                    beyond, self._beyond = self._beyond, None
                    return beyond
                if self._gone:
                    return {"type": "http.disconnect"}
                if self._passing and self._pending is None:
                    self._forget()
                    return await self._receive()
                await self._more()
            piece = self._taken(position)
            position, told = self._read, self._complete
            return {"type": "http.request", "body": piece, "more_body": not told}

        return receive

    async def departure(self) -> None:
        """Wait until the client has left; reads ahead no more of the body than may be kept."""
        while not self._gone:
            if self._passing:
                await asyncio.get_running_loop().create_future()  # never done: the caller stops waiting
            await self._more()

    async def aclose(self) -> None:
        """Stop waiting for the client."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)

    def _taken(self, position: int) -> bytes:
        piece = bytes(self._kept[position - self._forgotten :])
        if self._forgetting:
            self._forget()
        return piece

    @property
    def _passing(self) -> bool:
        """Whether what comes next is not to be kept."""
        return self._forgetting or (len(self._kept) > self._limit and not self._complete)

    def _forget(self) -> None:
        self._forgetting = True
        self._forgotten = self._read
        self._kept.clear()

    async def _more(self) -> None:
        pending = self._pending = self._pending or asyncio.create_task(self._read_one())
        await asyncio.wait([pending])  # unlike awaiting it, this leaves it alone when the reader is cancelled
        self._pending = None
        pending.result()

    async def _read_one(self) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
            return
        if message["type"] != "http.request":
            self._beyond = message
            self._forgetting = True
            return
        self._kept += message.get("body", b"")
        self._read = self._forgotten + len(self._kept)
        self._complete = not message.get("more_body", False)
