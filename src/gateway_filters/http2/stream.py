"""A stream as an ASGI app sees it: ``receive`` and ``send`` for one request."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.types import ASGIApp, Message, Scope

from gateway_filters.errors import GatewayFiltersError
from gateway_filters.http2.answer import Answer
from gateway_filters.http2.faults import ErrorCode
from gateway_filters.http2.static_table import Field
from gateway_filters.http2.upload import Upload
from gateway_filters.message.sent import SENT

_log = logging.getLogger("gateway_filters")
_BODILESS = frozenset((204, 304))


class Owner(Protocol):
    """The connection, as far as it concerns a stream."""

    words: Callable[[int, str], bytes]

    def consumed(self, stream: "Stream", count: int) -> None:
        """The app has read so many bytes: windows may open."""
        ...

    def cut(self, stream: "Stream", code: ErrorCode) -> None:
        """The stream ends here, whatever it was about to say."""
        ...


class Stream:
    """One request and its answer; ``gone`` once the client has left it or it was cut.

    ``heard``: when something last came of its body; ``waited``: how long it has been waited for. ``bodiless``: whether
    its answer has no body whatever it says. ``task``: in which the app runs, as long as it does.
    """

    __slots__ = (
        "_expects",
        "_left",
        "_owner",
        "_stirred",
        "_trailers",
        "answer",
        "bodiless",
        "gone",
        "heard",
        "number",
        "task",
        "upload",
        "waited",
    )

    def __init__(self, number: int, owner: Owner, upload: Upload, answer: Answer, *, heard: float) -> None:
        self.number = number
        self.upload = upload
        self.answer = answer
        self.gone = False
        self.heard = heard
        self.waited = 0.0
        self._owner = owner
        self.task: asyncio.Task[None] | None = None
        self.bodiless = False
        self._expects = False
        self._trailers: list[Field] | None = None
        self._left: int | None = None
        self._stirred: asyncio.Event | None = None

    async def run(self, app: ASGIApp, scope: Scope, *, expects: bool) -> None:
        """Call the app. One that fails before its answer is answered for with 500, after that the stream is cut.

        ``expects``: whether the client waits for 100 before it sends a body.
        """
        self._expects = expects
        try:
            await app(scope, self.receive, self.send)
            if not self.answer.over:
                _log.error("an app returned without a whole answer")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this stream's alone
            # Of ours ``Failures`` has told.
            if not self.gone and not isinstance(error, GatewayFiltersError):
                _log.error("an app failed", exc_info=error)
        finally:
            self._conclude()

    def refuse(self, status: int, reason: str) -> None:
        """Answer for the app; the reason is for the log."""
        self.answer.reply(status, b"" if self.bodiless else self._owner.words(status, reason))

    def silent(self, moment: float) -> bool:
        """Whether the client has let its body be waited for since ``moment``, and has no answer either."""
        return self.heard < moment and self._awaited

    def slow(self, passed: float, rate: int, grace: float) -> bool:
        """Whether less than ``rate`` bytes a second have come of its body, ``passed`` seconds after the last look.

        Only time in which the app could read no more of it counts, and of that not the first ``grace`` seconds.
        """
        if self._awaited:
            self.waited += passed
        return self._awaited and self.upload.size < rate * (self.waited - grace)

    @property
    def _awaited(self) -> bool:
        return self.upload.open and not (self.upload.ready or self.answer.begun)

    # ASGI

    async def receive(self) -> Message:
        """What has come of the body since the last call, or that the client has left or has its answer."""
        upload, answer = self.upload, self.answer
        while not (upload.ready or answer.over):
            await self._stir()
        if answer.over:
            return {"type": "http.disconnect"}
        body = upload.read()
        if body:
            self._owner.consumed(self, len(body))
        return {"type": "http.request", "body": body, "more_body": upload.open}

    def send(self, message: Message) -> Awaitable[None]:
        """Send a piece of the answer; what is awaited is room for more. Does nothing once the client has left.

        Raises ``RuntimeError`` or ``ValueError`` for what cannot be sent.
        """
        kind = message["type"]
        if self.gone:
            return SENT
        if kind == "http.response.start" and not self.answer.begun:
            self._begin(message)
        elif kind == "http.response.body" and self.answer.begun and not self.answer.over:
            body, end = message.get("body", b""), not message.get("more_body", False)
            if end and self.answer.blocked and (self.bodiless or not body):
                return self._send_later(message)
            if not self._put(body, end=end):
                return self.answer.room()
        elif kind == "http.response.trailers" and self._trailers is not None and not self.answer.over:
            if self.answer.blocked:
                return self._send_later(message)
            self._trailers.extend(message.get("headers", ()))
            if not message.get("more_trailers", False):
                self.answer.end(self._trailers)
        else:
            raise RuntimeError(f"an ASGI message of type {kind!r} cannot be sent now")
        return SENT

    # The connection's side

    def stir(self) -> None:
        """Something has changed for whoever waits in ``receive``."""
        if self._stirred is not None:
            self._stirred.set()

    def leave(self) -> None:
        """Nobody is there any more."""
        self.gone = True
        self.answer.cut()
        self.stir()

    # Inside

    async def _send_later(self, message: Message) -> None:
        await self.answer.unblocked()
        await self.send(message)

    async def _stir(self) -> None:
        if self._expects and not self.answer.begun:
            self.answer.hint(100)
        self._expects = False
        if self._stirred is None:
            self._stirred = asyncio.Event()
        self._stirred.clear()
        await self._stirred.wait()

    def _begin(self, message: Message) -> None:
        status, fields = message["status"], tuple(message.get("headers", ()))
        self.answer.begin(status, fields)
        if status in _BODILESS:
            self.bodiless = True
        if message.get("trailers", False):
            self._trailers = []
        for field in fields:
            if field[0] == b"content-length":
                self._left = int(field[1])

    def _put(self, data: bytes, *, end: bool) -> bool:
        if self.bodiless:
            data = b""
        elif self._left is not None:
            self._left -= len(data)
            if self._left < 0 or (end and self._left):
                raise RuntimeError("the body of an answer is not as long as its Content-Length says")
        return self.answer.write(data, end=end and self._trailers is None)

    def _conclude(self) -> None:
        if self.gone or self.answer.over:
            return
        if self.answer.begun or self.answer.blocked:
            self._owner.cut(self, ErrorCode.INTERNAL_ERROR)
        else:
            self.refuse(500, "the app gave no answer")
