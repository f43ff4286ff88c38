"""A whole Secret at once: all of its keys with their values, as they are now.

Facts
- A client whose file is gone must not come in any more, so a folder is looked through again at the latest half a
  second after it was last; between two looks the very same mapping is given, so that what is made of it stays too.
- A file that is there and empty is one that is being written: its last value stays, as in ``directory``.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from gateway_filters.errors import SecretUnavailable

_SECONDS_BETWEEN_LOOKS = 0.5
_LARGEST = 1024 * 1024
# Keys of a Secret; Kubernetes' own links begin with two dots.
_KEY = re.compile(r"(?!\.\.)[-._a-zA-Z0-9]+")

_Identity = tuple[str, int, int, int, int, int]


class SecretFolder(Protocol):
    """All values of a Secret by their keys."""

    def current(self) -> Mapping[str, bytes]:
        """The values now, the same mapping while nothing has changed; raises ``SecretUnavailable`` without any."""
        ...


@runtime_checkable
class HoldsFolders(Protocol):
    """A store that knows whole Secrets as well."""

    def folder(self, namespace: str, name: str) -> SecretFolder | None:
        """The Secret ``namespace/name``; None when this store knows no such Secret."""
        ...


class DirectoryFolder:
    """The files of ``directory`` as the keys of a Secret; read when they change."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._looked = float("-inf")
        self._identities: tuple[_Identity, ...] | None = None
        self._values: dict[str, bytes] = {}

    def current(self) -> Mapping[str, bytes]:
        """The files' contents now; raises ``SecretUnavailable`` when the directory is gone or forbidden."""
        now = self._clock()
        if self._identities is None or now >= self._looked + _SECONDS_BETWEEN_LOOKS:
            self._look()
            self._looked = now
        return self._values

    def _look(self) -> None:
        try:
            identities = tuple(sorted(self._seen()))
        except OSError as error:
            self._identities = None
            raise SecretUnavailable(f"secret folder {self._directory} cannot be read: {error.strerror}") from None
        if identities != self._identities:
            read = ((name, self._read(name)) for name, *_ in identities)
            self._values = {name: value or self._values.get(name, b"") for name, value in read if value is not None}
            self._identities = identities

    def _seen(self) -> "list[_Identity]":
        found: list[_Identity] = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                # Only regular files, or links to them: reading a FIFO would wait.
                if _KEY.fullmatch(entry.name) and entry.is_file():
                    seen = entry.stat()
                    identity = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
                    found.append((entry.name, *identity))
        return found

    def _read(self, name: str) -> bytes | None:
        try:
            with (self._directory / name).open("rb") as file:
                return file.read(_LARGEST)
        except OSError:
            return None  # gone or forbidden since it was seen

    def __repr__(self) -> str:
        return f"DirectoryFolder({str(self._directory)!r})"
