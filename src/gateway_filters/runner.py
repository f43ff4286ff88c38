"""One process that serves what manifests say: sockets as the Gateways name them, reloaded when files change.

A load reads everything, translates it aside, and then replaces the snapshot that is served: no request waits
for it, and a load that fails leaves everything as it was. Needs the extra ``gateway-filters[standard]``.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from gateway_filters.doors import Doors
from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.collector import collector_brief, collector_paused, collector_rare
from gateway_filters.gateway_api.controller import Controller
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.translation import Problem
from gateway_filters.memory import Memory
from gateway_filters.readiness import Trouble
from gateway_filters.reporter import Reporter
from gateway_filters.routing import Socket, by_socket, place_of
from gateway_filters.serving import Serving, Snapshot
from gateway_filters.shedding import Shedding
from gateway_filters.watchdog import Watchdog
from gateway_filters.watching import changes

_log = logging.getLogger("gateway_filters.run")

_ENDING = (signal.SIGTERM, signal.SIGINT)
_RETRY_SECONDS = 1.0
# How long a request may have to wait for a thread that loads, each time: 5 ms by default.
_TURN_SECONDS = 0.0005


class Runner:
    """Serves what ``controller`` makes of the manifests in ``paths``, at ``doors``, and follows their changes.

    ``reporter`` tells how it goes. After SIGTERM all is served on for ``pre_drain`` seconds, so that whoever
    sends clients here has seen that this process is not ready any more.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        controller: Controller,
        serving: Serving,
        doors: Doors,
        reporter: Reporter,
        *,
        pre_drain: float,
    ) -> None:
        self._paths = paths
        self._controller = controller
        self._serving = serving
        self._doors = doors
        self._reporter = reporter
        self._pre_drain = pre_drain
        self._loading = asyncio.Lock()
        self._asked = asyncio.Event()
        self._translation: Translation | None = None
        self._taken: dict[Socket, str] = {}
        self._failure = ""

    async def run(self, ready: Callable[[str], None]) -> bool:
        """Serve until SIGTERM or SIGINT; ``ready`` gets the line that says where, once it serves.

        Gives whether all requests had their answers in the end. Raises ``ConfigurationError`` when the first load
        fails or a socket cannot be opened.
        """
        end = _asked_to_end()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)
        await self._reporter.open()
        following = asyncio.create_task(self._follow(ready))
        watchdog = Watchdog()
        try:
            await asyncio.wait((end, following), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
            await self._announce_end(end.result())
        finally:
            following.cancel()
            await asyncio.wait((following,))
            answered = await self._doors.close()
            await self._serving.aclose()
            await self._reporter.close()
            watchdog.close()
        return answered

    async def _announce_end(self, asked: signal.Signals) -> None:
        """Serve on for a while, unless it was a person who asked: nobody is sent to where they try something."""
        self._reporter.readiness.end()
        if asked == signal.SIGTERM and self._doors.urls and self._pre_drain:
            _log.info("served on for %g s, for whoever has not seen it yet", self._pre_drain)
            self._doors.announce_end()
            await asyncio.sleep(self._pre_drain)

    async def _follow(self, ready: Callable[[str], None]) -> None:
        beside: list[asyncio.Task[None]] = []
        try:
            # Watching begins before the first load, so that no change after it is missed.
            async for _ in changes(self._paths, self._watching):
                if beside:
                    await self._reload()
                    continue
                await self._load()
                if self._taken:
                    raise ConfigurationError(next(iter(self._taken.values())))
                if not self._doors.urls:
                    _log.warning("no listener is served: no Gateway has one that is programmed")
                ready(" ".join(("ready", *self._doors.urls)))
                shedding = Shedding(Memory(), self._doors, self._serving, self._reporter.readiness)
                works = (self._retry, self._reporter.follow, self._obey, shedding.follow)
                beside.extend(asyncio.create_task(_again_and_again(each)) for each in works)
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
        failure, troubles = "", [Trouble("ReloadFailed")]
        try:
            changed = await self._load()
        except ConfigurationError as error:
            failure = f"{error}; the last good state stays in use"
            if failure != self._failure:
                _log.error("%s", failure)
        except Exception:  # noqa: BLE001 - whatever it is, revocations to come must not go unseen
            _log.exception("reloading failed; what was served before is served on")
        else:
            troubles = []
            if changed or self._failure:
                _log.info("reloaded")
        self._failure = failure
        self._reporter.readiness.note("reloading", *troubles)

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
        taken = (Trouble("PortUnavailable", "Socket", place_of(place)) for place in self._taken)
        self._reporter.readiness.note("sockets", *taken)
        self._reporter.loaded(translation, serving=bool(self._doors.urls))
        await asyncio.to_thread(let_go)

    async def _retry(self) -> None:
        """Try again to have the sockets that could not be had."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            freed = self._doors.freed(self._taken)
            if freed:
                self._taken = {place: why for place, why in self._taken.items() if place not in freed}
                await self._reload()

    def _watching(self, *, works: bool) -> None:
        self._reporter.readiness.note("watching", *(() if works else (Trouble("FilesUnwatched"),)))


async def _again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    """Do what mostly has no end, and begin again when it fails: nobody would see that it is missing."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("something beside the requests failed; it begins again")
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


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


def _asked_to_end() -> asyncio.Future[signal.Signals]:
    """The first SIGTERM or SIGINT; a second one ends the process as if nobody had asked for the first."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[signal.Signals] = loop.create_future()

    def ask(by: signal.Signals) -> None:
        for number in _ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        if not asked.done():
            _log.info("ending; a second signal ends it at once")
            asked.set_result(by)

    for number in _ENDING:
        loop.add_signal_handler(number, ask, number)
    return asked
