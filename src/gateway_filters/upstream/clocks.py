"""Clocks without a timer for each wait: one look every so often (100 ms for the exchanges of a pool) at all of them.

A wait costs one addition when it begins. It ends between nothing and two looks late, never early. Where the process
itself stood still, one look is left out: what has come meanwhile is to be read before anybody is given up.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Protocol

from gateway_filters.upstream.transport import Clocks

PERIOD = 0.1
_STANDSTILL = 1.0
NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for a free connection, a new one, the answer, its pieces, our bytes to leave."""

    pool: float
    connect: float
    first_byte: float
    idle: float
    write: float

    @classmethod
    def of(cls, clocks: Clocks) -> "Patience":
        """What ``Clocks`` mean: a full pool is waited for like a connection, a stalled upload like a stalled answer."""
        return cls(clocks.connect, clocks.connect, clocks.first_byte, clocks.idle, clocks.idle)


class Watched(Protocol):
    """What a sweep looks at."""

    def check(self, now: float) -> None:
        """Give up if the time has come."""
        ...


class Sweep:
    """Looks at what it watches every ``period`` seconds; rests, without a timer, while there is nothing to watch."""

    __slots__ = ("_period", "_resting", "_watched", "loop", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop, period: float = PERIOD) -> None:
        self._period = period
        self.now = loop.time()
        self.loop = loop
        self._resting = True
        self._watched: set[Watched] = set()

    def watch(self, each: Watched) -> None:
        """Look at ``each`` from now on."""
        self._watched.add(each)
        if self._resting:
            self._resting = False
            self.now = self.loop.time()
            self.loop.call_later(self._period, self._look)

    def forget(self, each: Watched) -> None:
        """Look at it no more."""
        self._watched.discard(each)

    def after(self, seconds: float) -> float:
        """The moment to give up a wait of ``seconds`` that begins now; ``now`` may be one period old."""
        return self.now + seconds + self._period

    def _look(self) -> None:
        late, self.now = self.loop.time() - self.now > self._period + _STANDSTILL, self.loop.time()
        if not late:
            for each in tuple(self._watched):
                each.check(self.now)
        self._resting = not self._watched
        if not self._resting:
            self.loop.call_later(self._period, self._look)
