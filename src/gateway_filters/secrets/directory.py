"""Secrets from a mounted directory, as Kubernetes mounts them: one folder a Secret, one file a key.

Facts
- An update swaps the symbolic link ``..data``, so the key's path leads to another inode; ``subPath`` mounts
  and editors write in place. What tells them all is the file's identity: device, inode, size and both times.
  One ``stat`` a request costs about 2 µs, and the next request has the new value.
- A file that is *gone* or forbidden means a revoked credential: nothing is sent from then on. A file that is
  there but *unusable* (caught half-written, empty) keeps the last good value and says so in the log.
"""

import logging
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource
from gateway_filters.message.text import settle

_log = logging.getLogger("gateway_filters.secrets")
_LARGEST = 64 * 1024

_Identity = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class DirectorySecret(SecretSource):
    """The file ``key`` in ``directory``, with ``scheme`` in front unless it is there; read when it changes.

    A file that exists at construction and holds what no header can carry raises ``ConfigurationError``;
    one that is missing raises ``SecretUnavailable`` at each ``current`` until it appears.
    """

    directory: Path
    key: str = "credential"
    scheme: str = field(default="", kw_only=True)
    _known: "_Known" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, directory=Path(self.directory), _known=_Known())
        if "/" in self.key or self.key.startswith(".."):
            raise ConfigurationError(f"key {self.key!r} is not the name of a file")
        if os.path.isfile(self._path):  # noqa: PTH113 - a str path, as in current()
            with suppress(SecretUnavailable):  # forbidden, as current() will say
                self._read()

    def current(self) -> Secret:
        """The file's secret now; raises ``SecretUnavailable`` when the file is missing or unusable."""
        known = self._known
        identity = self._identity()
        if known.secret is not None and identity == known.identity:
            return known.secret
        return self._changed(identity)

    def _changed(self, identity: _Identity) -> Secret:
        known = self._known
        try:
            known.secret = self._read()
        except ConfigurationError as error:
            if known.secret is None:
                raise SecretUnavailable(str(error)) from None
            _log.warning("%s; the last good value stays in use", error)
        known.identity = identity
        return known.secret

    def _read(self) -> Secret:
        return Secret(self._content(), scheme=self.scheme, what=f"secret file {self._path}")

    def _content(self) -> bytes:
        try:
            with open(self._path, "rb", opener=_without_waiting) as file:
                return file.read(_LARGEST + 1)
        except OSError as error:
            raise self._unavailable(error) from None

    def _identity(self) -> _Identity:
        try:
            seen = os.stat(self._path)  # noqa: PTH116 - on the path of each request
        except OSError as error:
            raise self._unavailable(error) from None
        if not stat.S_ISREG(seen.st_mode):
            raise SecretUnavailable(f"secret file {self._path} is not a regular file")
        return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)

    def _unavailable(self, error: OSError) -> SecretUnavailable:
        self._known.secret = None
        return SecretUnavailable(f"secret file {self._path} cannot be read: {error.strerror}")

    @property
    def _path(self) -> str:
        return f"{self.directory}/{self.key}"


class _Known:
    """What was read last and which file it was."""

    __slots__ = ("identity", "secret")

    def __init__(self) -> None:
        self.identity: _Identity | None = None
        self.secret: Secret | None = None


def _without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO would wait for a writer and stop the event loop.
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
