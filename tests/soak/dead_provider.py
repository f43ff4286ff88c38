"""A provider that never answers, with all of its connections taken and its queue full, beside another one."""

import asyncio
from pathlib import Path

from soak import objects
from soak.bystander import Bystander
from soak.caller import Caller, Heard, request
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running, until

_CONNECTIONS, _QUEUE = 20, 20  # for each provider
_LEAST_P99 = 0.01  # below this a ratio says more of the machine than of the gateway
_CONNECT = 5.0  # for so long the dead one's queue is waited in, by default


async def run(size: int, folder: Path) -> Outcome:
    """``size`` requests for the dead one at once, and somebody who asks the other before, and while they wait."""
    dead, alive = Origin(lambda _, __: None), Origin(_answer)
    await dead.open()
    await alive.open()
    manifests = objects.text(
        objects.entrance(),
        *(objects.backend("dead", dead.port), objects.route("d", "/dead", "dead")),
        *(objects.backend("alive", alive.port), objects.route("a", "/alive", "alive")),
    )
    long = size >= 500  # short, no latency is judged: it would be that of a busy machine
    seconds = 4.0 if long else 1.0
    with closing(dead, alive):
        async with running(folder, manifests, pools=(_CONNECTIONS, _QUEUE)) as subject:
            bystander = Bystander(subject.port, "/alive")
            alone = await bystander.p99(seconds)
            callers = [await Caller.to(subject.port) for _ in range(size)]
            asking = [each.begin(request("GET", "/dead")) for each in callers]
            await until(lambda: len(dead.visits) == _CONNECTIONS and _told(asking) == size - _CONNECTIONS - _QUEUE, 10)
            told, waiting = [each.result() for each in asking if each.done()], len(dead.visits)
            beside = await bystander.p99(seconds)
            for each in callers:
                each.leave()
    most = 3 * max(alone, _LEAST_P99)
    return Outcome(
        f"{bystander.failed:,} of {bystander.asked:,} requests to the other failed; p99 {alone * 1000:.1f} ms before, "
        f"{beside * 1000:.1f} ms while {waiting:,} requests had the dead one's connections, {_QUEUE:,} waited for "
        f"them and {len(told):,} were told to come back",
        faults(
            [
                (not bystander.failed, f"{bystander.failed} requests failed"),
                (bystander.slowest < _CONNECT / 2, f"a request took {bystander.slowest:.1f} s"),
                (beside < most or not long, f"the p99 rose to {beside * 1000:.1f} ms"),
                (waiting == _CONNECTIONS, f"the dead one had {waiting} connections"),
                (len(told) == size - _CONNECTIONS - _QUEUE and all(map(_told_so, told)), "the queue was not full"),
            ]
        ),
    )


def _told(asking: "list[asyncio.Future[Heard]]") -> int:
    return sum(each.done() for each in asking)


def _told_so(heard: Heard) -> bool:
    return heard.whole and heard.status == 503 and b"retry-after" in heard.fields


def _answer(visit: Visit, _: Asked) -> None:
    visit.answer(b"alive")


DEAD_PROVIDER = Scenario(
    "dead-provider",
    "who asks another provider does not notice: no failure, p99 below three times theirs",
    "requests for the dead one",
    1_000,
    100,
    run,
)
