"""Secrets from a mounted directory, as Kubernetes mounts them: one folder a Secret, one file a key.

Facts
- An update swaps the symbolic link ``..data``, so the key's path leads to another inode; ``subPath`` mounts
  and editors write in place. What tells them all is the file's identity: device, inode, size and both times.
  One ``stat`` a request costs about 2 µs, and the next request has the new value.
- A file that is being written in place may hold the beginning of a key, which looks like any other key. It counts
  once it has not changed for a tenth of a second; until then the value before is used.
- A file that is *gone* or forbidden means a revoked credential: nothing is sent from then on. A file that is
  there but *unusable* (caught half-written, empty) or cannot be read for now (an I/O error) keeps the last good
  value for ``max_stale`` seconds and says so in the log.
"""

import errno
import logging
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from gateway_filters.errors import ConfigurationError
from gateway_filters.message.secret import LONGEST_SECRET, Secret, SecretSource, SecretState
from gateway_filters.message.text import settle
from gateway_filters.secrets.last_good import MAX_STALE, LastGood

_log = logging.getLogger("gateway_filters.secrets")

# Blanks and line ends round the value come on top.
_LARGEST = LONGEST_SECRET + 64
_STILL = 0.1
# What says that the file is not there for us, and not that the disk or the system is in trouble.
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM))

_Identity = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class DirectorySecret(SecretSource):
    """The file ``key`` in ``directory``, with ``scheme`` in front unless it is there; read when it changes.

    A file that is missing, forbidden or holds what no header can carry raises ``SecretUnavailable`` at each
    ``current`` until it is good; one that was good and cannot be read is used for ``max_stale`` more seconds.
    Raises ``ConfigurationError`` for a ``key`` that is not the name of a file.
    """

    directory: Path
    key: str = "credential"
    scheme: str = field(default="", kw_only=True)
    max_stale: float = field(default=MAX_STALE, kw_only=True)
    _known: "_Known" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, directory=Path(self.directory), _known=_Known(self.max_stale))
        if "/" in self.key or self.key.startswith(".."):
            raise ConfigurationError(f"key {self.key!r} is not the name of a file")

    def current(self) -> Secret:
        """The file's secret now; raises ``SecretUnavailable`` when there is none to use."""
        self._look()
        return self._known.last.current()

    def state(self) -> SecretState:
        """What is in use and since when the file says so."""
        self._look()
        return self._known.last.state()

    def _look(self) -> None:
        try:
            seen = os.stat(self._path)  # noqa: PTH116 - on the path of each request
        except OSError as error:
            self._fail(error)
            return
        known = self._known
        if not stat.S_ISREG(seen.st_mode):
            known.revoke(f"secret file {self._path} is not a regular file")
        elif _identity(seen) == known.identity:
            if known.good:
                known.last.confirm()
        elif not known.writing(seen):
            self._change(seen)

    def _change(self, seen: os.stat_result) -> None:
        known = self._known
        known.identity, known.good = _identity(seen), False
        try:
            known.last.renew(self._read(seen.st_size), seen.st_mtime)
            known.good = True
        except ConfigurationError as error:
            self._keep(str(error))
        except OSError as error:
            known.identity = None
            self._fail(error)

    def _read(self, size: int) -> Secret:
        what = f"secret file {self._path}"
        if size > _LARGEST:
            # Whatever it is, it is not read.
            raise ConfigurationError(f"{what} is longer than {LONGEST_SECRET} bytes")
        with open(self._path, "rb", opener=_without_waiting) as file:
            return Secret(file.read(_LARGEST + 1), scheme=self.scheme, what=what)

    def _fail(self, error: OSError) -> None:
        reason = f"secret file {self._path} cannot be read: {error.strerror}"
        if error.errno in _GONE:
            self._known.revoke(reason)
        else:
            self._keep(reason)

    def _keep(self, reason: str) -> None:
        last = self._known.last
        if last.keep(reason) and last.usable:
            _log.warning("%s; the last good value stays in use for %g s", reason, self.max_stale)

    @property
    def _path(self) -> str:
        return f"{self.directory}/{self.key}"


class _Known:
    """What was read last, which file it was, and whether that was good."""

    __slots__ = ("_pending", "_pending_since", "good", "identity", "last")

    def __init__(self, max_stale: float) -> None:
        self.last = LastGood(max_stale)
        self.identity: _Identity | None = None
        self.good = False
        self._pending: _Identity | None = None
        self._pending_since = 0.0

    def revoke(self, reason: str) -> None:
        self.last.revoke(reason)
        self.identity, self.good = None, False

    def writing(self, seen: os.stat_result) -> bool:
        """Whether the file that is known looks as if somebody were writing it just now."""
        if self.identity is None or (seen.st_dev, seen.st_ino) != self.identity[:2] or not self.last.usable:
            return False
        if time.time() - seen.st_mtime >= _STILL or _identity(seen)[2:4] == self.identity[2:4]:
            return False
        # The file's clock may be another one than ours, so how long we have seen it like this counts as well.
        now = time.monotonic()
        if self._pending != _identity(seen):
            self._pending, self._pending_since = _identity(seen), now
        return now - self._pending_since < _STILL


def _identity(seen: os.stat_result) -> _Identity:
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO would wait for a writer and stop the event loop.
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
