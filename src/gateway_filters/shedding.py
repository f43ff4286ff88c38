"""Refuses requests while memory runs short, so that those under way come to their ends before the process does.

Facts
- What counts is the room that there was when nothing had been asked yet: a process that all but fills its limit by
  itself would else refuse everybody, always, and be of no use to anyone.
- Python and the system's allocator give memory back late, or never. What is still held when no request is under way is
  free inside the process, so it is a new beginning to count from. The same holds after a while in any case: a
  stream that does not end must not lock out everybody else for as long.
"""

import asyncio
import ctypes
import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress

from gateway_filters.asgi.dispatch import overloaded
from gateway_filters.doors import Doors
from gateway_filters.memory import Memory, Share, Shares
from gateway_filters.readiness import Readiness, Trouble
from gateway_filters.serving import Serving

_log = logging.getLogger("gateway_filters.run")

_LOOK_SECONDS = 0.1
_MOST_LOOKS = 100
# Of the room: where refusing begins, and where it ends.
_HIGH = 3 / 4
_LOW = 5 / 8


class Shedding:
    """Has ``serving`` refuse requests and ``doors`` refuse connections while ``memory`` runs short.

    It is looked at ``every`` so many seconds.
    """

    def __init__(
        self, memory: Memory, doors: Doors, serving: Serving, readiness: Readiness, every: float = _LOOK_SECONDS
    ) -> None:
        self._every = every
        self._memory = memory
        self._doors = doors
        self._serving = serving
        self._readiness = readiness
        self._begun: Shares = {}

    async def follow(self) -> None:
        """Look until cancelled, or until it is clear that there is nothing to look at."""
        self._begun = self._memory.shares()
        while self._begun:
            await asyncio.sleep(self._every)
            now = self._memory.shares()
            self._begun = lowest(self._begun, now)
            if is_scarce(self._begun, now, _HIGH):
                await self._shed()

    async def _shed(self) -> None:
        _log.warning("memory runs short: requests are refused until others have ended")
        with self._refusing():
            await self._until_there_is_room()
        _log.warning("requests are served again")

    @contextmanager
    def _refusing(self) -> Generator[None]:
        self._readiness.note("memory", Trouble("MemoryShort"))
        self._doors.admit(nobody=True)
        self._serving.instead = overloaded
        try:
            yield
        finally:
            self._readiness.note("memory")
            self._doors.admit(nobody=False)
            self._serving.instead = None

    async def _until_there_is_room(self) -> None:
        for _ in range(_MOST_LOOKS):
            with suppress(RuntimeError, MemoryError):  # there may be no room for a thread
                await asyncio.to_thread(_give_back)
            await asyncio.sleep(self._every)
            if not is_scarce(self._begun, self._memory.shares(), _LOW):
                return
            if not self._doors.busy:
                break
        self._begun = self._memory.shares()


def is_scarce(begun: Shares, now: Shares, part: float) -> bool:
    """Whether more than a ``part`` of some room that there was at the beginning is used now."""
    return any(share.used > _mark(begun[name].used, share.limit, part) for name, share in now.items() if name in begun)


def lowest(begun: Shares, now: Shares) -> Shares:
    """What to count from: memory that was given back is room again."""
    return {name: min(share, now.get(name, share), key=_used) for name, share in begun.items()}


def _used(share: Share) -> int:
    return share.used


def _mark(begun: int, limit: float, part: float) -> float:
    return begun + part * max(0.0, limit - begun)


def _give_back() -> None:
    """Have the allocator of glibc give the system what lies free between what is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
