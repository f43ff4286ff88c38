"""Copies of requests (Gateway API, HTTPRequestMirrorFilter), whose answers and failures nobody waits for.

Facts
- A copy sees the body as the main app reads it, and only then: two readers of one client cannot both set the
  pace, and the client's own app comes first. A copy that falls behind is given up.
- Where a request is tried again (``retry``) it is drawn for once, and copied again only where the end of an attempt
  has cut the copy short.
- A copy outlives the request it was made of. It runs in a task that is kept here: the event loop itself
  holds tasks weakly (asyncio.create_task).
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from itertools import compress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.retry import COUNTED
from gateway_filters.asgi.shell import Serve, Shell, serving
from gateway_filters.errors import ConfigurationError, GatewayFiltersError
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import first

_log = logging.getLogger("gateway_filters")

# Copies at once. A mirror that hangs would otherwise gather as many as come in its 60 seconds.
_MOST = 1024


class Mirroring(Shell):
    """Hands requests to ``app``, and copies of them to ``mirrors``: pairs of an app and a share.

    A share (0 to 1) is the part of the requests that is copied; each mirror draws for itself, from ``draw``,
    which gives numbers from 0 up to, not including, 1. A copy ends after ``patience`` seconds, and when it is
    ``lag`` bytes behind the body. Raises ``ConfigurationError`` for a share that is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        mirrors: Sequence[tuple[ASGIApp, float]],
        *,
        draw: Callable[[], float] = random.random,
        lag: int = 1024 * 1024,
        patience: float = 60.0,
    ) -> None:
        for _, share in mirrors:
            if not 0 <= share <= 1:
                raise ConfigurationError(f"a mirror's share of {share} is not between 0 and 1")
        super().__init__(app)
        self._mirrors = tuple(mirrors)
        self._shares = tuple((serving(mirror), share) for mirror, share in mirrors)
        self._draw = draw
        self._lag = lag
        self._patience = patience
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Draw, start the copies and run the app."""
        due = self._due(scope)
        copies = [self._started(mirror, head, scope) for mirror in due]

        async def copied() -> Message:
            message = await receive()
            for copy in copies:
                copy.feed(message)
            return message

        try:
            await self._serve(head, scope, copied if copies else receive, send)
        finally:
            cut = [copy.end(bodiless=_bodiless(head, scope)) for copy in copies]
            due[:] = compress(due, cut)

    async def aclose(self) -> None:
        """Cancel the copies that still run, and close the apps."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(close(self.app), *(close(mirror) for mirror, _ in self._mirrors))

    def _due(self, scope: Scope) -> list[Serve]:
        """The mirrors that are still to get a copy of the request; a WebSocket is no request that can be copied."""
        if scope["type"] == "websocket":
            return []
        remembered = scope.get(COUNTED)
        if remembered is None:
            return self._drawn()
        if self not in remembered:
            remembered[self] = self._drawn()
        return remembered[self]

    def _drawn(self) -> list[Serve]:
        drawn = [mirror for mirror, share in self._shares if self._draw() < share]
        if drawn and len(self._running) + len(drawn) > _MOST:
            _log.info("%d copies of requests are running: this one is not copied", len(self._running))
            return []
        return drawn

    def _started(self, mirror: Serve, head: RequestHead, scope: Scope) -> "_Copy":
        copy = _Copy(mirror, head, scope, self._lag, self._patience)
        self._running.add(copy.task)
        copy.task.add_done_callback(self._ended)
        return copy

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            reason = error if isinstance(error, GatewayFiltersError) else type(error).__name__
            _log.debug("a copy of a request failed: %s", reason)


class _Copy:
    """A request on its way to a mirror: what of the body has been read and is not yet taken, and the task."""

    def __init__(self, mirror: Serve, head: RequestHead, scope: Scope, lag: int, patience: float) -> None:
        self._lag = lag
        self._waiting = bytearray()
        self._complete = False
        self._told = False
        self._gone = False
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._run(mirror, head, dict(scope), patience))

    def feed(self, message: Message) -> None:
        """Another message of the client. What comes after the whole body is between it and the main app."""
        if self._complete or self._gone or self.task.done():
            return
        self._gone = message["type"] == "http.disconnect"
        self._waiting += message.get("body", b"")
        self._complete = not self._gone and not message.get("more_body", False)
        self._changed.set()
        if len(self._waiting) > self._lag:
            _log.info("a mirror is more than %d bytes behind: its copy is given up", self._lag)
            self._waiting.clear()
            self._gone, self._complete = True, False  # what is left must not look like the whole
            self.task.cancel()

    def end(self, *, bodiless: bool) -> bool:
        """The main app has ended: what it has not read of the body, the mirror does not get either.

        Gives whether that cuts the copy short.
        """
        self._complete = self._complete or (bodiless and not self._gone)
        cut = not (self._complete or self._gone or self.task.done())
        self._gone = not self._complete
        self._changed.set()
        return cut

    async def _run(self, mirror: Serve, head: RequestHead, scope: Scope, patience: float) -> None:
        async with asyncio.timeout(patience):
            await mirror(head, scope, self._receive, _ignored)

    async def _receive(self) -> Message:
        while not self._waiting and self._told == self._complete:
            if self._gone:
                return {"type": "http.disconnect"}
            self._changed.clear()
            await self._changed.wait()
        piece = bytes(self._waiting)
        self._waiting.clear()
        self._told = self._complete
        return {"type": "http.request", "body": piece, "more_body": not self._told}


async def _ignored(message: Message) -> None:
    del message


def _bodiless(head: RequestHead, scope: Scope) -> bool:
    """Whether the head alone says that there is no body, which in HTTP/2 it may leave open (RFC 9112 6.3)."""
    headers = head.headers
    length = first(headers, b"content-length")
    if length is None:
        return scope.get("http_version", "").startswith("1") and first(headers, b"transfer-encoding") is None
    return length == b"0"
