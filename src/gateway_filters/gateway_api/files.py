"""Manifest files: which ones a path stands for, and what is in them. Nothing here waits for anybody."""

import os
import stat
from collections.abc import Iterable, Iterator

from gateway_filters.errors import ManifestError

_LARGEST = 64 * 1024 * 1024
_ENDINGS = (".yaml", ".yml", ".json")


def is_manifest(name: str) -> bool:
    """Whether a folder's file of that name is read.

    A mounted ConfigMap's folder holds hidden links to its versions beside the files.
    """
    return name.endswith(_ENDINGS) and not name.startswith(".")


def read_files(paths: Iterable[str | os.PathLike[str]], *, once: bool = False) -> Iterator[tuple[str, bytes]]:
    """The files of ``paths`` with their content: files, and of folders the YAML and JSON files, not those further down.

    A file that goes while its folder is read is not there. What is read ``once`` may be a pipe, if it is named
    itself. Raises ``ManifestError`` for what cannot be read.
    """
    for path in paths:
        listed = _listed(os.fspath(path))
        for file in [os.fspath(path)] if listed is None else listed:
            try:
                yield file, _content(file, pipe=once and listed is None)
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


def _content(file: str, *, pipe: bool = False) -> bytes:
    try:
        # Opening a FIFO would wait for somebody to write.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | (0 if pipe else os.O_NONBLOCK))
        with os.fdopen(descriptor, "rb") as opened:
            if not pipe and not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise _unreadable(file, "it is not a regular file")
            content = opened.read(_LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(file, error.strerror) from error
    if len(content) > _LARGEST:
        raise ManifestError(f"{file}:1:1: larger than {_LARGEST} bytes")
    return content


def _unreadable(file: str, why: str | None) -> ManifestError:
    return ManifestError(f"{file}: cannot be read: {why}")
