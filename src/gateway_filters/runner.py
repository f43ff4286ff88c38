"""One process that serves what manifests say: sockets as the Gateways name them, reloaded when files change.

A load reads everything, translates it aside, and then replaces the snapshot that is served: no request waits
for it, and a load that fails leaves everything as it was. Needs the extra ``gateway-filters[standard]``.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from gateway_filters.doors import Doors
from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.collector import collector_brief, collector_paused, collector_rare
from gateway_filters.gateway_api.controller import Controller
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.status_file import StatusFile
from gateway_filters.gateway_api.translation import Problem
from gateway_filters.routing import Socket, by_socket
from gateway_filters.serving import Serving, Snapshot
from gateway_filters.watchdog import Watchdog
from gateway_filters.watching import changes

_log = logging.getLogger("gateway_filters.run")

_ENDING = (signal.SIGTERM, signal.SIGINT)
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 1.0
# How long a request may have to wait for a thread that loads, each time: 5 ms by default.
_TURN_SECONDS = 0.0005


class Runner:
    """Serves what ``controller`` makes of the manifests in ``paths``, at ``doors``, and follows their changes.

    ``status`` is a file for the objects with their status.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        controller: Controller,
        serving: Serving,
        doors: Doors,
        status: StatusFile | None = None,
    ) -> None:
        self._paths = paths
        self._controller = controller
        self._serving = serving
        self._doors = doors
        self._status = status
        self._loading = asyncio.Lock()
        self._news = asyncio.Event()
        self._asked = asyncio.Event()
        self._translation: Translation | None = None
        self._taken: dict[Socket, str] = {}
        self._failure = ""

    async def run(self, ready: Callable[[str], None]) -> bool:
        """Serve until SIGTERM or SIGINT; ``ready`` gets the line that says where, once it serves.

        Gives whether all requests had their answers in the end. Raises ``ConfigurationError`` when the first load
        fails or a socket cannot be opened.
        """
        stop = _stop_event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)
        tasks = {asyncio.create_task(each) for each in (stop.wait(), self._follow(ready))}
        watchdog = Watchdog()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            answered = await self._doors.close()
            await self._serving.aclose()
            watchdog.close()
        return answered

    async def _follow(self, ready: Callable[[str], None]) -> None:
        beside: list[asyncio.Task[None]] = []
        try:
            # Watching begins before the first load, so that no change after it is missed.
            async for _ in changes(self._paths):
                if beside:
                    await self._reload()
                    continue
                await self._load()
                if self._taken:
                    raise ConfigurationError(next(iter(self._taken.values())))
                if not self._doors.urls:
                    _log.warning("no listener is served: no Gateway has one that is programmed")
                ready(" ".join(("ready", *self._doors.urls)))
                beside.extend(
                    asyncio.create_task(each) for each in (self._retry(), self._tell(), self._look(), self._obey())
                )
        finally:
            for task in beside:
                task.cancel()

    async def _obey(self) -> None:
        """Read everything anew whenever SIGHUP asks for it, and say what came of it in any case."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._controller.forget()
            self._failure = "asked"
            await self._reload()

    async def _reload(self) -> None:
        """Serve what the files say now, or go on as before and say why, once."""
        failure = ""
        try:
            changed = await self._load()
        except ConfigurationError as error:
            failure = f"{error}; the last good state stays in use"
            if failure != self._failure:
                _log.error("%s", failure)
        except Exception:  # noqa: BLE001 - whatever it is, revocations to come must not go unseen
            _log.exception("reloading failed; what was served before is served on")
        else:
            if changed or self._failure:
                _log.info("reloaded")
        self._failure = failure

    async def _load(self) -> bool:
        """Serve what the files say now; gives whether that is another thing than before.

        A socket that cannot be had, or can be had now, is news as well: it is looked until there is none.
        """
        changed = False
        async with self._loading:
            while made := await asyncio.to_thread(self._made):
                await self._show(*made)
                changed = True
        return changed

    def _made(self) -> tuple[Translation, Snapshot] | None:
        """A load with everything that serving it needs, so that the event loop has only to swap."""
        with collector_paused(keep=True) if self._translation is None else collector_brief():
            translation = self._controller.look(dict(self._taken))
            return None if translation is None else (translation, self._serving.prepare(translation.listeners))

    async def _show(self, translation: Translation, snapshot: Snapshot) -> None:
        told = set(self._translation.problems) if self._translation else set[Problem]()
        for problem in translation.problems:
            if problem not in told:
                _log.warning("%s", problem)
        let_go = self._serving.swap(snapshot)
        refused, faults = await self._doors.show(translation.listeners)
        for fault in faults:
            if self._translation is None:
                raise fault
            _log.error("%s; everything else is served", fault)
        missed = translation.sockets - by_socket(translation.listeners).keys()
        self._taken = {place: why for place, why in self._taken.items() if place in missed} | refused
        self._translation = translation
        self._news.set()
        await asyncio.to_thread(let_go)

    async def _retry(self) -> None:
        """Try again to have the sockets that could not be had."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            freed = self._doors.freed(self._taken)
            if freed:
                self._taken = {place: why for place, why in self._taken.items() if place not in freed}
                await self._reload()

    async def _tell(self) -> None:
        """Write the status after each load, the last one if there have been several."""
        while self._status is not None:
            await self._news.wait()
            self._news.clear()
            assert self._translation is not None
            failure = await asyncio.to_thread(self._status.write, self._translation)
            if failure:
                _log.error("%s; everything is served on", failure)

    async def _look(self) -> None:
        """Have the status written when credentials stand in another way, which no manifest tells of."""
        while self._status is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            if await asyncio.to_thread(self._status.outdated):
                self._news.set()


def run(runner: Runner) -> int:
    """Run until stopped, on uvloop where it is installed; gives the exit code."""
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as loop:
            collector_rare()
            answered = loop.run(runner.run(_print))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0 if answered else 1


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return uvloop.new_event_loop


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _stop_event() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process as if nobody had asked for the first."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask() -> None:
        for number in _ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        _log.info("ending; a second signal ends it at once")
        stop.set()

    for number in _ENDING:
        loop.add_signal_handler(number, ask)
    return stop
