"""Thousands of connections on which nothing happens: what each of them weighs, and that each is closed in its time."""

import asyncio
from pathlib import Path

from soak import objects
from soak.caller import Caller, request
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running, until

_MOST = 20 * 1024
_AT_ONCE = 100
_SMALL = request("GET", "/small")


async def _settled(port: int, size: int) -> list[Caller]:
    """Connections: every other one has asked something, the rest have said nothing."""
    callers = list[Caller]()
    for begin in range(0, size, _AT_ONCE):
        new = await asyncio.gather(*(Caller.to(port) for _ in range(min(_AT_ONCE, size - begin))))
        for each in new[::2]:
            assert (await each.ask(_SMALL)).whole
        callers += new
    return callers


async def run(size: int, folder: Path) -> Outcome:
    """``size`` connections that wait, somebody who comes then, and the end of their time."""
    origin = Origin(_answer)
    await origin.open()
    manifests = objects.text(objects.entrance(), objects.backend("b", origin.port), objects.route("r", "/", "b"))
    # So few that a page of memory more or less says nothing of each.
    long = size >= 500
    patience = 30.0 if long else 6.0
    with closing(origin):
        async with running(folder, manifests, "--http1", f"keep_alive={patience}") as subject:
            first = await Caller.to(subject.port)
            answered = (await first.ask(_SMALL)).whole
            before = subject.memory
            callers = await _settled(subject.port, size)
            each = (subject.memory - before) // size
            kept = sum(not caller.lost for caller in callers)
            another = await Caller.to(subject.port)
            answered = answered and (await another.ask(_SMALL)).whole
            await until(lambda: all(caller.lost for caller in callers), patience + 10)
            left = sum(not caller.lost for caller in callers)
            first.leave()
            another.leave()
    return Outcome(
        (f"{each / 1024:.1f} KiB for each; " if long else "")
        + f"{kept:,} of {size:,} were open together, {left:,} longer than they may",
        faults(
            [
                (each < _MOST or not long, f"each takes {each:,} bytes"),
                (kept == size, f"{size - kept} were closed before their time"),
                (not left, f"{left} were not closed"),
                (answered, "somebody else was not answered"),
            ]
        ),
    )


def _answer(visit: Visit, _: Asked) -> None:
    visit.answer(b"small")


IDLE = Scenario(
    "idle", "a connection that waits takes less than 20 KiB, and not for ever", "connections", 9_000, 40, run
)
