"""Waiting for changes of manifests: of the files, and of every folder and link on the way to them.

Facts
- inotify watches what a path led to when it was asked. A folder that is moved away and made again, or a link that is
  swapped (``ln -sfn``, mounted ConfigMaps and Secrets), is seen in the folder that has its name: so each folder
  on the way is watched, and after each change the way is looked up again.
- Some file systems tell nothing (network mounts), and a machine may have no watches left: changes are looked
  for from time to time in any case.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Protocol

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.files import is_manifest

_log = logging.getLogger("gateway_filters.run")

_STEP = 25  # milliseconds
# A burst of changes is taken as one: it is over when nothing has happened for a moment, or has lasted too long.
_QUIET = 0.1
_LONGEST_BURST = 2.0
_LOOK_ANYWAY = 10.0
_LOOK_WITHOUT_WATCHES = 1.0
_MOST_LINKS = 40


class Watcher(Protocol):
    """What watchfiles gives: waits for changes in folders."""

    def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Event) -> set[tuple[int, str]] | str:
        """The changes as kind and path, or a word when there were none."""
        ...

    def close(self) -> None:
        """Watch no more."""
        ...


class Told(Protocol):
    """Whoever wants to know how watching goes."""

    def __call__(self, *, works: bool) -> None:
        """Watching works, or changes are looked for every second instead."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """What leads to some paths: ``folders`` to watch, ``names`` in them that count, and ``open`` ones of any content.

    All are real paths, without a link on the way.
    """

    folders: frozenset[Path]
    names: frozenset[Path]
    open: frozenset[Path]

    def concerns(self, path: Path) -> bool:
        """Whether a change of ``path`` may change what is read."""
        return path in self.names or (path.parent in self.open and is_manifest(path.name))


def way_to(paths: Iterable[str | os.PathLike[str]]) -> Way:
    """The way to ``paths`` as it is now, as far as there is one."""
    names: set[Path] = set()
    inside: set[Path] = set()
    for path in map(Path, paths):
        names.update(_names_on_the_way(path))
        if path.is_dir():
            inside.add(path.resolve())
            for link in _links(path):
                names.update(_names_on_the_way(link))
    folders = {name.parent for name in names} | inside
    return Way(frozenset(each for each in folders if os.access(each, os.R_OK)), frozenset(names), frozenset(inside))


def _names_on_the_way(path: Path) -> Iterator[Path]:
    """Each name that is looked up for ``path``, in the real folder where it stands; links are followed one by one."""
    here, links = Path("/"), 0
    ahead = [*reversed((Path.cwd() / path).parts[1:])]
    while ahead:
        name = ahead.pop()
        if name == "..":
            here = here.parent
            continue
        here /= name
        yield here
        if here.is_symlink() and links < _MOST_LINKS:
            links += 1
            target = here.readlink()
            # An absolute target begins anew, a relative one where the link stands.
            ahead.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
            here = Path("/") if target.is_absolute() else here.parent


def _links(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if is_manifest(each.name) and each.is_symlink()]
    except OSError:
        return []


def _nobody(*, works: bool) -> None:
    del works


async def changes(paths: Sequence[str | os.PathLike[str]], tell: Told = _nobody) -> AsyncIterator[None]:
    """Yields when watching has begun, and then whenever what is read may have changed: once for a burst of changes.

    Without watches it yields every second, and says so once. ``tell`` hears when that begins, and when a watch has held
    again. Raises ``ConfigurationError`` without watchfiles.
    """
    told = False
    while True:
        # Of what may have been moved or made again since, each time anew: the way may look the same and not be.
        try:
            way, watcher = await asyncio.to_thread(_watched, paths)
        except FileNotFoundError:
            continue  # a folder that has gone since one looked
        except (OSError, RuntimeError) as error:
            if not told:
                _log.warning("files cannot be watched (%s): changes are looked for every second", error)
            told = True
            tell(works=False)
            yield
            await asyncio.sleep(_LOOK_WITHOUT_WATCHES)
            continue
        # For the last change, and for what came before the watch.
        yield
        try:
            await _burst(watcher, way)
            tell(works=True)
        except Exception:  # noqa: BLE001 - whatever it is, changes to come must not go unseen
            _log.exception("watching files failed; it begins again")
            tell(works=False)
            await asyncio.sleep(_LOOK_WITHOUT_WATCHES)
        finally:
            watcher.close()


def _watched(paths: Sequence[str | os.PathLike[str]]) -> tuple[Way, Watcher]:
    try:
        from watchfiles._rust_notify import RustNotify  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("following changes needs the extra gateway-filters[standard]") from None
    way = way_to(paths)
    watcher = RustNotify(
        sorted(map(str, way.folders)),
        debug=False,
        force_polling=False,
        poll_delay_ms=_STEP,
        recursive=False,
        ignore_permission_denied=False,
    )
    return way, watcher


async def _burst(watcher: Watcher, way: Way) -> None:
    stop = Event()
    try:
        await asyncio.to_thread(_wait, watcher, way, stop)
    finally:
        stop.set()


def _wait(watcher: Watcher, way: Way, stop: Event) -> None:
    """Wait for a change that counts, and until it is over; or for as long as one waits without any."""
    end = monotonic() + _LOOK_ANYWAY
    while not _changed(watcher, way, stop, seconds=_LOOK_ANYWAY):
        if stop.is_set() or monotonic() > end:
            return
    end = monotonic() + _LONGEST_BURST
    while _changed(watcher, way, stop, seconds=_QUIET) and monotonic() < end:
        continue


def _changed(watcher: Watcher, way: Way, stop: Event, *, seconds: float) -> bool:
    found = watcher.watch(_STEP, _STEP, round(seconds * 1000), stop)
    return not isinstance(found, str) and any(way.concerns(Path(path)) for _, path in found)
