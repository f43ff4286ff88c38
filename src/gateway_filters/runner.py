"""One process that serves what manifests say: sockets as the Gateways name them, reloaded when files change.

A load reads everything, translates it aside, and then replaces the snapshot that is served: no request waits
for it, and a load that fails leaves everything as it was. Needs the extra ``gateway-filters[standard]``.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from gateway_filters.errors import ConfigurationError
from gateway_filters.frontend_tls import FrontendTLS
from gateway_filters.gateway_api.history import History
from gateway_filters.gateway_api.load import Translation, Translator
from gateway_filters.gateway_api.loader import Loader
from gateway_filters.gateway_api.objects import Objects
from gateway_filters.gateway_api.status_file import write_statuses
from gateway_filters.gateway_api.translation import Context
from gateway_filters.http2 import Http2Limits
from gateway_filters.routing import Listener, Socket, by_socket
from gateway_filters.secrets import SecretStore
from gateway_filters.serving import Serving, Snapshot
from gateway_filters.sockets import Door, open_door

_log = logging.getLogger("gateway_filters.run")
_COLLECT = (10_000, 20, 20)


class Runner:
    """Serves the manifests in ``paths``.

    ``host`` is the address of Gateways that name none, ``status`` a file for the objects with their status,
    ``secrets`` the store for Secrets that are not among the manifests, ``dynamic_hosts`` what a Backend of type
    DynamicResolver may reach, ``http2`` the limits of connections that speak HTTP/2.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        serving: Serving,
        *,
        host: str = "127.0.0.1",
        status: Path | None = None,
        secrets: SecretStore | None = None,
        dynamic_hosts: Sequence[str] = (),
        http2: Http2Limits | None = None,
    ) -> None:
        self._paths = paths
        self._serving = serving
        self._host = host
        self._status = status
        self._secrets = secrets
        self._dynamic_hosts = tuple(dynamic_hosts)
        self._http2 = http2 or Http2Limits()
        self._loader = Loader(paths)
        self._history = History()
        self._translator = Translator()
        self._objects: Objects | None = None
        self._doors: dict[Socket, Door] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT; ``ready`` gets the line that says where, once it serves.

        Raises ``ConfigurationError`` when the first load fails or a socket cannot be opened.
        """
        stop, loaded = _stop_event(), asyncio.Event()
        watching = asyncio.create_task(self._watch(stop, loaded))
        # Lets the watch begin, so that no change after the first load is missed.
        await asyncio.sleep(0)
        try:
            await self._reload(first=True)
            loaded.set()
            ready("ready " + " ".join(door.url for door in self._doors.values()))
            await stop.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.gather(*(door.close() for door in self._doors.values()), *self._closing)
            await self._serving.aclose()

    async def _reload(self, *, first: bool = False) -> bool:
        """Serve what the files say now; gives whether that is another thing than before."""
        made = await asyncio.to_thread(self._made)
        if made is None:
            return False
        translation, snapshot = made
        for problem in translation.problems:
            _log.warning("%s", problem)
        self._serving.swap(snapshot)
        await self._show(by_socket(translation.listeners), first=first)
        if self._status is not None:
            await asyncio.to_thread(write_statuses, self._status, translation)
        return True

    def _made(self) -> tuple[Translation, Snapshot] | None:
        """A load with everything that serving it needs, so that the event loop has only to swap."""
        translation = self._load()
        return None if translation is None else (translation, self._serving.prepare(translation.listeners))

    def _load(self) -> Translation | None:
        """What the files mean now; None while they say what they said."""
        objects = self._loader.load()
        if objects is self._objects:
            return None
        generations = self._history.generations(objects)
        context = Context(objects, self._secrets, self._host, self._dynamic_hosts, generations)
        translation = self._translator.translate(context)
        self._history.keep_times(translation.statuses)
        self._objects = objects
        return translation

    async def _show(self, wanted: dict[Socket, list[Listener]], *, first: bool) -> None:
        # Closed before others are opened: a new address may take in the one that an old socket has.
        for socket in [each for each, door in self._doors.items() if not _fits(door, wanted.get(each))]:
            self._close(self._doors.pop(socket))
        for socket, listeners in sorted(wanted.items()):
            try:
                await self._open(socket, listeners)
            except ConfigurationError as error:
                if first:
                    raise
                _log.error("%s; everything else is served", error)

    def _close(self, door: Door) -> None:
        door.stop()
        task = asyncio.create_task(door.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _open(self, socket: Socket, listeners: list[Listener]) -> None:
        door = self._doors.get(socket)
        if door is None:
            tls = FrontendTLS(listeners) if listeners[0].protocol == "HTTPS" else None
            self._doors[socket] = await open_door(socket, self._serving.at(socket), tls, self._http2)
        elif door.tls is not None:
            door.tls.show(listeners)

    async def _watch(self, stop: asyncio.Event, loaded: asyncio.Event) -> None:
        async for _ in _changes(self._paths, stop):
            await loaded.wait()
            try:
                changed = await self._reload()
            except ConfigurationError as error:
                _log.error("%s; the last good state stays in use", error)
            except Exception:  # noqa: BLE001 - see below
                # Whatever it is, revocations to come must not go unseen.
                _log.exception("reloading failed; what was served before is served on")
            else:
                _log.log(logging.INFO if changed else logging.DEBUG, "reloaded" if changed else "nothing changed")


def _fits(door: Door, listeners: list[Listener] | None) -> bool:
    return listeners is not None and (door.tls is not None) == (listeners[0].protocol == "HTTPS")


def run(runner: Runner) -> int:
    """Run until stopped, on uvloop where it is installed; gives the exit code."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as loop:
            # A request makes a few dozen small objects, none of which is left to the collector: it has less to do here
            # than Python's defaults take for granted.
            gc.set_threshold(*_COLLECT)
            loop.run(runner.run(_print))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


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
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _changes(paths: Sequence[str | os.PathLike[str]], stop: asyncio.Event) -> AsyncIterator[None]:
    """Yields after the files may have changed.

    Folders are watched, not files: editors replace a file, and Kubernetes swaps a link beside it.
    """
    try:
        from watchfiles import awatch  # noqa: PLC0415 # pyright: ignore[reportUnknownVariableType]
    except ImportError:
        raise ConfigurationError("following changes needs the extra gateway-filters[standard]") from None
    folders = {path if path.is_dir() else path.parent for path in map(Path, paths)}
    # No filter: the links that Kubernetes swaps are hidden files.
    async for _ in awatch(*folders, watch_filter=None, recursive=False, stop_event=stop, debounce=200, step=50):
        yield
