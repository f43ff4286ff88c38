"""Somebody who asks all the time while something happens to others, and what he notices of it."""

import asyncio

from soak.caller import Heard, request
from soak.crowd import Crowd
from soak.scenario import percentile

_RATE = 50


class Bystander:
    """Asks for ``path`` 50 times a second. ``slowest`` is in seconds, of all answers so far."""

    def __init__(self, port: int, path: str) -> None:
        self.failed = self.asked = 0
        self.slowest = 0.0
        self._seconds = list[float]()
        self._crowd = Crowd(port, lambda _: request("GET", path), self._judge, connections=5)

    async def p99(self, seconds: float) -> float:
        """Ask for so long."""
        self._seconds.clear()
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        self.asked += await self._crowd.keep_asking(_RATE, stop)
        return percentile(self._seconds, 0.99)

    def _judge(self, _: int, heard: Heard) -> None:
        self.failed += not (heard.whole and heard.status == 200)
        self.slowest = max(self.slowest, heard.seconds)
        self._seconds.append(heard.seconds)
