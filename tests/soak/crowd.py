"""Many callers at a time, each with a connection of its own."""

import asyncio
from collections.abc import Callable

from soak.caller import Caller, Heard


class Crowd:
    """``connections`` callers of a gateway, who ask what ``make`` gives for each number and tell ``judge``."""

    def __init__(
        self, port: int, make: Callable[[int], bytes], judge: Callable[[int, Heard], None], *, connections: int = 50
    ) -> None:
        self._port = port
        self._make = make
        self._judge = judge
        self._connections = connections

    async def ask(self, numbers: range) -> None:
        """Ask for each number once, as fast as answers come."""
        left = iter(numbers)

        async def one() -> None:
            caller: Caller | None = None
            for number in left:
                caller = await self._ask(caller, number)
            if caller is not None:
                caller.leave()

        await asyncio.gather(*(one() for _ in range(self._connections)))

    async def keep_asking(self, rate: float, stop: asyncio.Event) -> int:
        """Ask ``rate`` times a second until ``stop`` is set, at times that do not wait for answers; gives how often."""
        loop = asyncio.get_running_loop()
        begun, every, count = loop.time(), self._connections / rate, 0

        async def one(place: int) -> None:
            nonlocal count
            caller: Caller | None = None
            due = begun + every * place / self._connections
            while not stop.is_set():
                await asyncio.sleep(max(0.0, due - loop.time()))
                count += 1
                caller = await self._ask(caller, count - 1)
                due += every
            if caller is not None:
                caller.leave()

        await asyncio.gather(*(one(place) for place in range(self._connections)))
        return count

    async def _ask(self, caller: Caller | None, number: int) -> Caller | None:
        try:
            if caller is None or caller.lost:
                caller = await Caller.to(self._port)
            heard = await caller.ask(self._make(number))
        except (OSError, TimeoutError):
            if caller is not None:
                caller.leave()
            caller, heard = None, Heard()
        self._judge(number, heard)
        return caller
