"""A limit on the time of a whole call (Gateway API, HTTPRouteTimeouts); it never sends an answer itself."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.handshake import SWITCHING
from gateway_filters.asgi.shell import Shell
from gateway_filters.errors import ConfigurationError, UpstreamAborted, UpstreamTimeout
from gateway_filters.message.head import RequestHead


class Deadline(Shell):
    """Gives ``app`` ``seconds`` for a request, from its head to the end of the answer; a 101 ends the answer.

    When they are over the app is cancelled, and ``UpstreamTimeout`` is raised where the answer has not begun,
    ``UpstreamAborted`` where it has. A cancellation from outside stays one. Raises ``ConfigurationError``
    unless ``seconds`` is above 0.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        if not seconds > 0:
            raise ConfigurationError(f"a deadline of {seconds} seconds is none: it must be above 0")
        super().__init__(app)
        self._seconds = seconds

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app against the clock."""
        started = complete = False

        async def watched(message: Message) -> None:
            nonlocal started, complete
            if message["type"] == "http.response.start":
                started = True
                if message["status"] == SWITCHING:
                    limit.reschedule(None)
            await send(message)
            complete = complete or (message["type"] == "http.response.body" and not message.get("more_body"))

        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                await self._serve(head, scope, receive, watched)
        except TimeoutError as error:
            if not limit.expired():
                raise
            # Who has the whole answer misses nothing: only what the app did after it was cut off.
            if not complete:
                raise self._expired(started=started) from error

    def _expired(self, *, started: bool) -> UpstreamAborted | UpstreamTimeout:
        kind = UpstreamAborted if started else UpstreamTimeout
        return kind(f"the answer was not complete within {self._seconds} seconds")
