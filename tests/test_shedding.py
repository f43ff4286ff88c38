"""shedding: when requests are refused for want of memory, and when they are served again."""

import asyncio
import math
from types import SimpleNamespace
from typing import cast

import pytest

from gateway_filters.asgi.dispatch import no_route, overloaded
from gateway_filters.doors import Doors
from gateway_filters.memory import Memory, Share, Shares
from gateway_filters.readiness import Readiness, Trouble
from gateway_filters.serving import Reached, Serving
from gateway_filters.shedding import Shedding, is_scarce, lowest
from gateway_filters.upstream import Clocks

SCARCE = [
    pytest.param(100, 150, 200, 0.5, False, id="half of the room is used, and no more"),
    pytest.param(100, 151, 200, 0.5, True, id="more than half of the room is used"),
    pytest.param(100, 10**9, math.inf, 0.5, False, id="there is no limit"),
    pytest.param(190, 190, 200, 0.9, False, id="nearly full from the beginning, and nothing since"),
    pytest.param(190, 200, 200, 0.9, True, id="nearly full from the beginning, and now full"),
    pytest.param(100, 100, 50, 0.9, False, id="a limit below what there was from the beginning"),
    pytest.param(100, 101, 50, 0.9, True, id="and more than that"),
]


@pytest.mark.parametrize(("begun", "now", "limit", "part", "scarce"), SCARCE)
def test_scarce(begun: int, now: int, limit: float, part: float, scarce: bool) -> None:
    """What was used from the beginning is no room."""
    assert is_scarce({"a": Share(begun, 7)}, {"a": Share(now, limit)}, part) is scarce


def test_one_of_several() -> None:
    """Whichever is short; what was not there at the beginning does not count."""
    begun = {"a": Share(0, 10), "b": Share(0, 10)}
    assert is_scarce(begun, {"a": Share(0, 10), "b": Share(10, 10)}, 0.5)
    assert not is_scarce(begun, {"a": Share(0, 10), "c": Share(10, 10)}, 0.5)


def test_lowest() -> None:
    """Of each what was least; what cannot be read now stays as it was."""
    begun = {"a": Share(5, 10), "b": Share(5, 10), "c": Share(5, 10)}
    now = {"a": Share(4, 9), "b": Share(6, 9)}
    assert lowest(begun, now) == {"a": Share(4, 9), "b": Share(5, 10), "c": Share(5, 10)}


class Looks:
    """Memory of which is used what is told, the last of it for ever.

    ``served`` tells for each look whether requests were; what readiness tells then is noted in ``troubles``.
    """

    def __init__(self, used: list[int], serving: Serving, readiness: Readiness, most: int) -> None:
        self.served: list[bool] = []
        self.troubles: list[tuple[Trouble, ...]] = []
        self._used = used
        self._serving = serving
        self._readiness = readiness
        self._most = most

    def shares(self) -> Shares:
        """The next one; no more than so many."""
        self.served.append(self._serving.instead is not overloaded)
        self.troubles.append(self._readiness.standing.troubles)
        if len(self.served) == self._most:
            raise asyncio.CancelledError
        return {"a": Share(self._used[min(len(self.served), len(self._used)) - 1], 100)}


class Rooms:
    """Doors with so many requests inside."""

    def __init__(self, busy: int) -> None:
        self.busy = busy
        self.admitted: list[bool] = []

    def admit(self, *, nobody: bool) -> None:
        """Note it."""
        self.admitted.append(not nobody)


YES, NO = True, False

RUNS = [
    pytest.param([0, 75], 1, [YES] * 8, id="below the mark nothing is done"),
    pytest.param([0, 76, 63, 62], 1, [YES, YES, NO, NO, YES, YES], id="between the marks it goes on"),
    pytest.param([0, 90], 1, [YES, YES] + [NO] * 38, id="as long as there is no room"),
    pytest.param([0, 90], 0, [YES, YES, NO, NO, YES, YES], id="nobody is inside: what is held is counted from, once"),
    pytest.param([0, 90], 1, [YES, YES] + [NO] * 101 + [YES] * 60, id="nobody is locked out for ever"),
    pytest.param([0, 90, 90, 90, 99], 0, [YES, YES, NO, NO, YES, NO, NO, YES], id="and again when that grows"),
    pytest.param([0, 90, 90, 90, 10, 95], 0, [YES, YES, NO, NO, YES, YES, NO], id="what is given back is room again"),
]


@pytest.mark.parametrize(("used", "busy", "served"), RUNS)
async def test_refusing(used: list[int], busy: int, served: list[bool]) -> None:
    """From look to look; requests, connections and readiness agree."""
    serving, readiness, doors = Serving(Reached(None, None, Clocks()), no_route), Readiness(), Rooms(busy)
    looks = Looks(used, serving, readiness, len(served))
    following = Shedding(cast("Memory", looks), cast("Doors", doors), serving, readiness, every=0).follow()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert looks.served == served
    assert looks.troubles == [() if each else (Trouble("MemoryShort"),) for each in served]
    assert doors.admitted == [NO, YES] * (len(doors.admitted) // 2)
    assert (readiness.standing.troubles, serving.instead) == ((), None)


async def test_nothing_to_look_at() -> None:
    """Where no system shows anything, it ends."""
    nothing = cast("Memory", SimpleNamespace(shares=dict))
    serving = Serving(Reached(None, None, Clocks()), no_route)
    await Shedding(nothing, cast("Doors", Rooms(0)), serving, Readiness()).follow()
