"""Clients that leave: what stays behind in the gateway, and how soon its upstream hears of it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from soak import objects
from soak.caller import Caller, request
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults, percentile
from soak.subject import Subject, running

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = b"a\r\ndata: {}\n\n\r\n"
_PIECE = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
_PHASES = ("silent", "events", "flood", "upload")
_SLOWEST = 0.05
_SLACK = 20  # for a machine that is busy with other tests: a second, as F16 has it


class _Stage:
    """An upstream that never ends an answer, and knows by name who has come to it and who has left."""

    def __init__(self) -> None:
        self.origin = Origin(self._script, eager=True)
        self.come: dict[bytes, asyncio.Event] = {}
        self.left: dict[bytes, Callable[[], None]] = {}

    def _script(self, visit: Visit, asked: Asked) -> None:
        name = asked.fields.get(b"x-name", b"")
        phase = asked.target[1:].decode()
        if phase == "whole":
            visit.answer(b"whole")
            return
        visit.gone = self.left.get(name)
        if phase in ("events", "flood"):
            visit.write(_HEAD + (_PIECE * 20 if phase == "flood" else _EVENT))
        come = self.come.get(name)
        if come is not None:
            come.set()


async def _leave(stage: _Stage, port: int, number: int) -> float:
    """Begin a request and leave in the midst of it; gives how long it took until the upstream was left as well."""
    name, phase = b"%d" % number, _PHASES[number % len(_PHASES)]
    come, left = asyncio.Event(), asyncio.Event()
    stage.come[name], stage.left[name] = come, left.set
    fields = [f"x-name: {number}", *(["content-length: 100000"] if phase == "upload" else ())]
    asked = request("PUT" if phase == "upload" else "GET", f"/{phase}", *fields)
    caller = await Caller.to(port)
    waiting = caller.begin(asked + (b"x" * 40_000 if phase == "upload" else b""))
    try:
        await asyncio.wait_for(caller.body_begun.wait() if phase == "events" else come.wait(), 10)
        begun = time.perf_counter()
        caller.leave()
        await asyncio.wait_for(left.wait(), 10)
        return time.perf_counter() - begun
    finally:
        waiting.cancel()
        caller.leave()
        del stage.come[name], stage.left[name]


async def _all_leave(stage: _Stage, subject: Subject, numbers: range, together: int) -> list[float]:
    """So many leave, ``together`` at a time; the seconds of each, 10 where the upstream never heard of it."""
    left, seconds = iter(numbers), list[float]()

    async def one() -> None:
        for number in left:
            try:
                seconds.append(await _leave(stage, subject.port, number))
            except TimeoutError:
                seconds.append(10.0)

    await asyncio.gather(*(one() for _ in range(together)))
    return seconds


async def _staged(folder: Path, size: int, together: int) -> tuple[list[float], list[str]]:
    """How long each of ``size`` departures took, and what was held afterwards that was not held before."""
    stage = _Stage()
    await stage.origin.open()
    manifests = objects.text(objects.entrance(), objects.backend("b", stage.origin.port), objects.route("r", "/", "b"))
    with closing(stage.origin):
        async with running(folder, manifests) as subject:
            await _all_leave(stage, subject, range(40), together)
            before = await subject.settled(await subject.held(), 2)
            seconds = await _all_leave(stage, subject, range(40, 40 + size), together)
            after = await subject.settled(before, 10)
            caller = await Caller.to(subject.port)
            heard = await caller.ask(request("GET", "/whole"))
            caller.leave()
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in ("sockets", "tasks", "slots")]
    held = [f"{now - then} {name}" for name, then, now in pairs if now > then]
    return seconds, [*held, *(() if heard.whole else ("the next request failed",))]


async def leaks(size: int, folder: Path) -> Outcome:
    """``size`` clients leave before the head, in a stream, in a stream that they do not read, and in an upload."""
    seconds, held = await _staged(folder, size, 50)
    unheard = sum(each >= 10 for each in seconds)
    return Outcome(
        f"{', '.join(held) or '0 sockets, tasks and slots'} were left; {unheard:,} upstreams were not told",
        faults([(not held, f"left: {held}"), (not unheard, f"{unheard} upstreams were not told")]),
    )


async def departures(size: int, folder: Path) -> Outcome:
    """``size`` clients leave, four at a time, and the upstream hears of it."""
    seconds, _ = await _staged(folder, size, 4)
    middle, slow = (percentile(seconds, part) for part in (0.5, 0.99))
    return Outcome(
        f"p50 {middle * 1000:.1f} ms, p99 {slow * 1000:.1f} ms, longest {max(seconds) * 1000:.1f} ms",
        faults([(slow < _SLOWEST * (1 if size >= 1000 else _SLACK), f"the p99 is {slow * 1000:.1f} ms")]),
    )


LEAKS = Scenario(
    "aborts", "no socket, task or slot of a pool is left behind by clients that leave", "streams", 100_000, 200, leaks
)
DEPARTURES = Scenario("departures", "the upstream hears of it within 50 ms (p99)", "departures", 10_000, 60, departures)
