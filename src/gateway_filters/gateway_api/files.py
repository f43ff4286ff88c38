"""Manifest files: which ones a path stands for, and what is in them. Nothing here waits for anybody."""

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway_filters.errors import ManifestError

Mark = tuple[int, int, int, int, int]
"""What tells one state of a file from another: device, inode, size and both times."""

# Ten thousand routes are a tenth of it.
_LARGEST = 64 * 1024 * 1024
_ENDINGS = (".yaml", ".yml", ".json")
# FAT counts in two seconds.
_RESTED_SECONDS = 3.0


def is_manifest(name: str) -> bool:
    """Whether a folder's file of that name is read.

    A mounted ConfigMap's folder holds hidden links to its versions beside the files.
    """
    return name.endswith(_ENDINGS) and not name.startswith(".")


@dataclass(frozen=True, slots=True)
class Content:
    """What was in a file, and the ``mark`` by which it is known to be there still; None when no mark would tell."""

    text: bytes = field(repr=False)  # it may be a Secret's
    mark: Mark | None


def read_files(
    paths: Iterable[str | os.PathLike[str]], before: Mapping[str, Content] | None = None, *, once: bool = False
) -> Iterator[tuple[str, Content]]:
    """The files of ``paths`` with their content: files, and of folders the YAML and JSON files, not those further down.

    What is still as it was ``before`` is not read again. A file that goes while its folder is read is not there. What
    is read ``once`` may be a pipe, if it is named itself. Raises ``ManifestError`` for what cannot be read.
    """
    for path in paths:
        listed = _listed(os.fspath(path))
        for file in [os.fspath(path)] if listed is None else listed:
            try:
                known = before.get(file) if before else None
                yield file, known if known and _is_as(known, file) else _content(file, pipe=once and listed is None)
            except FileNotFoundError as error:
                # Listed, and gone since: deleted. A link that leads nowhere is a mount that is broken.
                if listed is None or os.path.lexists(file):
                    raise _unreadable(file, error.strerror) from error


def _listed(path: str) -> list[str] | None:
    """The manifests of a folder, None for what is no folder."""
    try:
        with os.scandir(path) as entries:
            named = [each for each in entries if is_manifest(each.name)]
            return sorted(each.path for each in named if not each.is_dir(follow_symlinks=False))
    except NotADirectoryError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror) from error


def _content(file: str, *, pipe: bool) -> Content:
    try:
        # Opening a FIFO would wait for somebody to write.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | (0 if pipe else os.O_NONBLOCK))
        with os.fdopen(descriptor, "rb") as opened:
            now, seen = time.time(), os.fstat(descriptor)
            if not (pipe or stat.S_ISREG(seen.st_mode)):
                raise _unreadable(file, "it is not a regular file")
            text = b"" if seen.st_size > _LARGEST else _read(opened, seen.st_size)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(file, error.strerror) from error
    if max(len(text), seen.st_size) > _LARGEST:
        raise ManifestError(f"{file}:1:1: larger than {_LARGEST} bytes")
    return Content(text, _mark(seen) if _has_rested(seen, now) else None)


def _read(opened: BinaryIO, size: int) -> bytes:
    """All of a file, no more than is too much; room is made for ``size`` bytes, since room for the most takes time."""
    text = opened.read(min(size, _LARGEST) + 1)
    # It has grown since, or its size says nothing, as that of a pipe.
    return text + opened.read(_LARGEST + 1 - len(text)) if len(text) > size else text


def _is_as(known: Content, file: str) -> bool:
    try:
        return known.mark is not None and known.mark == _mark(os.stat(file))  # noqa: PTH116 - of ten thousand
    except OSError:
        return False  # reading it tells why


def _mark(seen: os.stat_result) -> Mark:
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _has_rested(seen: os.stat_result, now: float) -> bool:
    """Clocks of files tick slowly: one that was just written may be written again without another mark."""
    return now - max(seen.st_mtime, seen.st_ctime) > _RESTED_SECONDS


def _unreadable(file: str, why: str | None) -> ManifestError:
    return ManifestError(f"{file}: cannot be read: {why}")
