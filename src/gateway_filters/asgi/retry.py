"""Trying again (Gateway API, HTTPRouteRetry): the same request, a little later, while the client has seen nothing.

Facts
- A POST may have been carried out although its answer was lost. It is repeated only when the route lists the
  status that came back, or when there was no connection to send it over. The same holds for every method that
  RFC 9110 9.2.2 does not call idempotent.
- The body goes to the first attempt as it arrives; what is kept of it on the way is all that can be sent again.
- Without a pause a retry meets the same overload, so there is always one, and it grows.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.replay import Replay
from gateway_filters.asgi.shell import Serve, Shell
from gateway_filters.errors import (
    ClientDisconnected,
    ConfigurationError,
    NotConnected,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway_filters.message.head import IDEMPOTENT, RequestHead

_log = logging.getLogger("gateway_filters")

_KNOWN = IDEMPOTENT | {"POST", "PATCH"}
# No pause is longer than so many times the first one, as in Envoy.
_LONGEST_PAUSE = 10


COUNTED = "gateway_filters.counted"
"""Stands in the scope of an attempt: attempts are counted, so nobody below repeats one by itself.

Its value is a dictionary for what is to be remembered from one attempt to the next.
"""


class Retrying(Shell):
    """Calls ``app`` again, up to ``attempts`` times after the first call, and hands on the last outcome as it is.

    Tried again are ``UpstreamUnreachable``, ``UpstreamTimeout`` and answers whose status is in ``codes``, as
    long as nothing of an answer has gone to the client. ``backoff`` seconds, doubled each time, are the least
    pause; ``draw`` (from 0 up to 1) lengthens it by up to a half. A body of which more comes after the first
    ``max_body`` bytes is sent once. Raises ``ConfigurationError`` for ``attempts`` below 1 and for a ``backoff``
    that is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        attempts: int,
        backoff: float,
        codes: frozenset[int] = frozenset(),
        max_body: int = 1024 * 1024,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if attempts < 1:
            raise ConfigurationError(f"{attempts} retries are none: there must be at least 1")
        if not backoff > 0:
            raise ConfigurationError(f"a backoff of {backoff} seconds is none: it must be above 0")
        super().__init__(app)
        self._codes = codes
        self._pauses = tuple(backoff * min(2**number, _LONGEST_PAUSE) for number in range(attempts))
        self._max_body = max_body
        self._draw = draw

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app until its outcome is final."""
        scope = {**scope, COUNTED: {}}
        replay = Replay(receive, self._max_body)
        try:
            for pause in self._pauses:
                if await self._settled(head, scope, replay, send):
                    return
                await _waited(replay, pause * (1 + self._draw() / 2))
            await self._serve(head, scope, replay.reader(last=True), send)
        finally:
            await replay.aclose()

    async def _settled(self, head: RequestHead, scope: Scope, replay: Replay, send: Send) -> bool:
        attempt = _Attempt(send, lambda status: status in self._codes and self._kept(replay, status))
        try:
            await attempt.run(self._serve, head, scope, replay.reader())
        except UpstreamError as error:
            # What a refused answer ends in does not matter any more.
            if attempt.refused is None and (attempt.started or not self._repeatable(error, head, replay)):
                raise
            _log.info("%s is tried again after: %s", _named(head), attempt.refused or error)
            return False
        if attempt.refused is not None:
            _log.info("%s is tried again after: %d", _named(head), attempt.refused)
        return attempt.refused is None

    def _repeatable(self, error: UpstreamError, head: RequestHead, replay: Replay) -> bool:
        if not isinstance(error, UpstreamUnreachable | UpstreamTimeout):
            return False
        if _method(head) not in IDEMPOTENT and not isinstance(error, NotConnected):
            _log.info("%s is not tried again, since it may have been carried out: %s", _named(head), error)
            return False
        return self._kept(replay, error)

    def _kept(self, replay: Replay, reason: object) -> bool:
        if not replay.whole:
            _log.info("a body of more than %d bytes cannot be sent again after: %s", self._max_body, reason)
        return replay.whole


class _Attempt:
    """One call of the app. An answer whose status is refused ends it, and nothing of it reaches the client."""

    def __init__(self, send: Send, refuses: Callable[[int], bool]) -> None:
        self.started = False
        self.refused: int | None = None
        self._send = send
        self._refuses = refuses

    async def run(self, serve: Serve, head: RequestHead, scope: Scope, receive: Receive) -> None:
        try:
            # A limit without a time is a scope that can be cancelled: _stop sets the time to now.
            async with asyncio.timeout(None) as self._limit:
                await serve(head, scope, receive, self._watched)
        except TimeoutError:
            if self.refused is None:
                raise

    async def _watched(self, message: Message) -> None:
        if self.refused is not None:
            return
        if message["type"] == "http.response.start":
            if self._refuses(message["status"]):
                self.refused = message["status"]
                await self._stop()
            self.started = True
        await self._send(message)

    async def _stop(self) -> None:
        # The rest of the answer may be long or never come: the app is cancelled, not heard to its end.
        loop = asyncio.get_running_loop()
        self._limit.reschedule(loop.time())
        await loop.create_future()


def _method(head: RequestHead) -> str:
    return head.method.decode("latin-1")


def _named(head: RequestHead) -> str:
    """The method for the log, where clients write nothing."""
    method = _method(head)
    return method if method in _KNOWN else "a method that nobody knows"


async def _waited(replay: Replay, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await replay.departure()
    except TimeoutError:
        return
    raise ClientDisconnected("the client left between two attempts")
