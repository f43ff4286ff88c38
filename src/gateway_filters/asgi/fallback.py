"""Fallback (Envoy Gateway, Backend.fallback): others take a request that somebody accepted no connection for.

Facts
- An app that ends in ``NotConnected`` has sent nothing of the request to anybody, so another one may have it, a POST
  too. What it has read of the body by then is kept and read again.
- That is little: upstreams connect before they ask for the second piece of a body. So whoever reads on once
  ``ahead`` bytes are kept has a connection, and what is read from then on is not kept.
- A refused connection costs nothing, one that nobody answers costs each request the time to wait for it. So an app that
  was waited for in vain rests: it is tried last, until one request finds it back.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.choice import shuffled
from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.replay import Replay
from gateway_filters.asgi.shell import HeadApp, serving
from gateway_filters.errors import ConnectTimeout, NotConnected, RouteRefused
from gateway_filters.message.head import RequestHead

_log = logging.getLogger("gateway_filters")

_AHEAD = 64 * 1024
_REST = 10.0


class FirstConnected(HeadApp):
    """Sends each request to the first of several apps that is connected.

    ``ranks`` are lists of (app, weight) pairs: first come those of the first list, each drawn by weight among those
    that are left, then those of the next one; an app of weight 0 never does. An app that refuses (``RouteRefused``)
    refuses the requests that it is drawn for first, and others pass it over. ``ahead`` is how much of a body the
    apps may read before they have a connection. ``draw`` gives a number from 0 up to, not including, 1, ``clock``
    seconds.
    """

    def __init__(
        self,
        ranks: Sequence[Sequence[tuple[ASGIApp, int]]],
        *,
        ahead: int = 0,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.apps = [app for rank in ranks for app, _ in rank]
        self._serve = [serving(app) for app in self.apps]
        places = iter(range(len(self.apps)))
        self._ranks = [[(next(places), weight) for _, weight in rank] for rank in ranks]
        self._ahead = max(ahead, _AHEAD)
        self._draw = draw
        self._clock = clock
        self._resting: dict[int, float] = {}

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Call the apps in turn; raises ``NotConnected`` when none is connected."""
        return self.serve_in(self.turns(), head, scope, receive, send)

    def beginning_with(self, place: int) -> "_Beginning":
        """The same, where one app has the first turn: it is the one at ``place``, counted through all ranks."""
        return _Beginning(self, place)

    async def serve_in(
        self, turns: Sequence[int], head: RequestHead, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Call the apps in these turns."""
        replay = Replay(receive, self._ahead)
        failure: NotConnected | None = None
        try:
            for place in self._rested(turns):
                outcome = await self._called(place, head, scope, replay.reader(), send)
                if outcome is None:
                    return
                if isinstance(outcome, NotConnected):
                    failure = outcome
                elif place == turns[0]:
                    raise outcome
                if not replay.whole:
                    break
            raise failure or NotConnected("no backend takes requests")
        finally:
            outcome = failure = None  # they know this frame once they are raised
            await replay.aclose()

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A scope of another type than ``http`` is only drawn for."""
        await self.apps[self.turns()[0]](scope, receive, send)

    async def aclose(self) -> None:
        """Close the apps, those of them that can be closed."""
        await asyncio.gather(*(close(app) for app in self.apps))

    def turns(self) -> list[int]:
        """The places of the apps in the order of one request."""
        return [place for rank in self._ranks for place in shuffled(rank, self._draw)]

    def _rested(self, turns: Sequence[int]) -> Sequence[int]:
        """The turns with those last that rest."""
        if not self._resting:
            return turns
        now = self._clock()
        return sorted(turns, key=lambda place: self._resting.get(place, now) > now)

    async def _called(
        self, place: int, head: RequestHead, scope: Scope, receive: Receive, send: Send
    ) -> NotConnected | RouteRefused | None:
        """None when the app has served the request; otherwise why another one may."""
        if place in self._resting:
            self._rest(place)  # the others do not wait with the one that finds out
            send = self._finding(place, send)
        try:
            await self._serve[place](head, scope, receive, send)
        except NotConnected as error:
            if isinstance(error, ConnectTimeout):
                self._rest(place)
            _log.warning("a backend is passed over: %s", error)
            return error
        except RouteRefused as error:
            return error
        return None

    def _finding(self, place: int, send: Send) -> Send:
        def finding(message: Message) -> Awaitable[None]:
            self._resting.pop(place, None)
            return send(message)

        return finding

    def _rest(self, place: int) -> None:
        self._resting[place] = self._clock() + _REST


class _Beginning(HeadApp):
    """All apps of ``whole``, one of them first."""

    def __init__(self, whole: FirstConnected, place: int) -> None:
        self._whole = whole
        self._place = place

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        others = (place for place in self._whole.turns() if place != self._place)
        return self._whole.serve_in((self._place, *others), head, scope, receive, send)

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._whole.apps[self._place](scope, receive, send)

    async def aclose(self) -> None:
        """Close all apps, the others too."""
        await self._whole.aclose()
