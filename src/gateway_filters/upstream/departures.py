"""Which exchanges have lasted long enough that somebody should look whether their client is still there."""

import asyncio
from typing import Protocol

_MOMENT = 0.01


class Watchable(Protocol):
    """The client's side of an exchange."""

    def watch(self) -> None:
        """Begin to look whether the client leaves."""
        ...


class Departures:
    """Tells exchanges to watch their clients when they are one to two moments (10 ms) old.

    Most are over by then, and have paid for no task. One timer serves all exchanges of an event loop, and none
    runs while there are none.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._new: set[Watchable] = set()
        self._old: set[Watchable] = set()
        self._ticking = False

    def expect(self, client: Watchable) -> None:
        """Tell ``client`` to watch in a moment, unless it is forgotten before."""
        self._new.add(client)
        if not self._ticking:
            self._ticking = True
            self.loop.call_later(_MOMENT, self._tick)

    def forget(self, client: Watchable) -> None:
        """Its exchange is over, or is watched by now."""
        self._new.discard(client)
        self._old.discard(client)

    def _tick(self) -> None:
        due, self._old, self._new = self._old, self._new, set()
        for client in due:
            client.watch()
        self._ticking = bool(self._old)
        if self._ticking:
            self.loop.call_later(_MOMENT, self._tick)
