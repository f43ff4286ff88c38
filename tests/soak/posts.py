"""Requests that must not be done twice, to an upstream that ends its connections whenever it likes."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from soak import objects
from soak.caller import Heard, request
from soak.crowd import Crowd
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_LONGEST_PAUSE = 0.05
_UNANSWERED = 500  # one of so many is carried out, and never answered


async def run(size: int, folder: Path) -> Outcome:
    """``size`` POSTs with a number each, over connections that end between 0 and 50 ms after an answer."""
    done, statuses = bytearray(size), Counter[int]()
    draw = random.Random(size)

    def script(visit: Visit, asked: Asked) -> None:
        if isinstance(visit.tag, asyncio.TimerHandle):
            visit.tag.cancel()
        number = int(asked.body)
        done[number] = min(255, done[number] + 1)
        if draw.randrange(_UNANSWERED) == 0:
            visit.transport.abort()
            return
        visit.answer(b"done")
        if draw.random() < 0.2:
            pause = draw.random() * _LONGEST_PAUSE
            visit.tag = asyncio.get_running_loop().call_later(pause, visit.transport.close)

    def judge(number: int, heard: Heard) -> None:
        # 1: answered although it was never carried out, 2: neither answered nor told that it was not
        lie = heard.whole and heard.status == 200 and not done[number]
        statuses[1 if lie else heard.status if heard.whole else 2] += 1

    origin = Origin(script)
    await origin.open()
    manifests = objects.text(objects.entrance(), objects.backend("b", origin.port), objects.route("r", "/", "b"))
    with closing(origin):
        async with running(folder, manifests) as subject:
            crowd = Crowd(subject.port, lambda n: request("POST", "/orders", body=b"%d" % n), judge)
            await crowd.ask(range(size))
    twice = sum(times > 1 for times in done)
    odd = sum(count for status, count in statuses.items() if status not in (200, 502, 503))
    failed = statuses[502] + statuses[503]
    return Outcome(
        f"{twice:,} were sent twice; {origin.connections:,} connections ended; {failed:,} were told that they failed, "
        f"of which {size // _UNANSWERED:,} or so were never answered",
        faults([(not twice, f"{twice} were sent twice"), (not odd, f"answers were odd: {statuses}")]),
    )


POSTS = Scenario("posts", "no POST is sent twice", "POSTs", 1_000_000, 2_000, run)
