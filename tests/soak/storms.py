"""An upstream in trouble: it refuses, limits, fails, hangs up, forgets that connections are kept, or begins anew."""

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path

from soak import objects
from soak.caller import Heard, request
from soak.crowd import Crowd
from soak.origin import Asked, Origin, Script, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_MOST = 1.2  # requests that arrive for each that is made
_LONGEST_PAUSE = 0.05
_LATE = 0.02  # so that as many wait as ask


def _answers(status: int) -> Script:
    def script(visit: Visit, _: Asked) -> None:
        visit.write(b"HTTP/1.1 %d No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n" % status)

    return script


def _hangs_up(visit: Visit, _: Asked) -> None:
    visit.transport.abort()


def _forgets(visit: Visit, _: Asked) -> None:
    """One answer, and the end after it whenever that comes; whatever else is asked meanwhile is heard by nobody."""
    if visit.tag is None:
        visit.answer(b"done")
        pause = random.random() * _LONGEST_PAUSE
        visit.tag = asyncio.get_running_loop().call_later(pause, visit.transport.close)


def _answers_late(visit: Visit) -> None:
    visit.tag = "kept"
    visit.answer(b"done")


def _begins_anew(origin: Origin, size: int) -> Script:
    """Four times, at one moment, it ends all connections that have had an answer, whatever was asked on them."""
    asked_for = itertools.count(1)

    def script(visit: Visit, _: Asked) -> None:
        if next(asked_for) % (size // 4) == 0:
            for each in tuple(origin.visits):
                if each.tag is not None:
                    each.transport.abort()
        asyncio.get_running_loop().call_later(_LATE, _answers_late, visit)

    return script


_STORMS: dict[str, tuple[Script | None, int, int]] = {
    "503": (_answers(503), 503, 50),
    "429": (_answers(429), 429, 50),
    "500": (_answers(500), 500, 50),
    "hanging up": (_hangs_up, 503, 50),
    "one answer a connection": (_forgets, 200, 50),
    "beginning anew": (None, 200, 1000),
}
"""What the upstream does, what becomes of a GET, and how many are asked for at a time."""


class _Storm:
    """GETs and POSTs by turns. ``times``: how often each arrived; ``wrong``: answers that are not what they should."""

    def __init__(self, name: str, size: int, origin: Origin) -> None:
        self.name = name
        script, self.status, together = _STORMS[name]
        self.script = script or _begins_anew(origin, size)
        self.together = min(together, size // 8)
        self.times = bytearray(size)
        self.wrong = Counter[str]()

    def judge(self, number: int, heard: Heard) -> None:
        lost = number % 2 == 1 and heard.status in (502, 503)  # a POST that nobody may repeat
        if not heard.whole or (heard.status != self.status and not lost):
            self.wrong[f"{heard.status} in {self.name}"] += 1
        elif self.name in ("503", "429", "500") and heard.fields.get(b"retry-after") != b"7":
            self.wrong[f"no Retry-After in {self.name}"] += 1

    @property
    def ratio(self) -> float:
        """How often a GET arrived."""
        return sum(self.times[::2]) / len(self.times[::2])

    @property
    def twice(self) -> int:
        """How many POSTs arrived more than once."""
        return sum(times > 1 for times in self.times[1::2])


async def run(size: int, folder: Path) -> Outcome:
    """``size`` requests in each storm."""

    def script(visit: Visit, asked: Asked) -> None:
        number = int(asked.target[1:])
        storm.times[number] += 1
        storm.script(visit, asked)

    def ask(number: int) -> bytes:
        return request("POST" if number % 2 else "GET", f"/{number}", body=b"once" if number % 2 else b"")

    origin, storms = Origin(script), list[_Storm]()
    storm = _Storm("503", size, origin)
    await origin.open()
    manifests = objects.text(objects.entrance(), objects.backend("b", origin.port), objects.route("r", "/", "b"))
    with closing(origin):
        async with running(folder, manifests) as subject:
            for name in _STORMS:
                storm = _Storm(name, size, origin)
                storms.append(storm)
                await Crowd(subject.port, ask, storm.judge, connections=storm.together).ask(range(size))
    wrong = sum((each.wrong for each in storms), Counter[str]())
    twice, most = sum(each.twice for each in storms), max(each.ratio for each in storms)
    return Outcome(
        f"a GET arrived {most:.2f} times at most, {twice:,} POSTs twice; {wrong.total():,} answers were others",
        faults(
            [
                (most <= _MOST, f"a GET arrived {most:.2f} times"),
                (not twice, f"{twice} POSTs arrived twice"),
                (not wrong, f"{dict(wrong)}"),
            ]
        ),
    )


STORMS = Scenario(
    "storms",
    "an upstream in trouble gets at most a fifth more requests, and no POST twice",
    "requests in each of six",
    20_000,
    400,
    run,
)
