"""The command, in which all that runs beside the requests crashes while the file ``CRASHING`` is there."""

# pyright: reportPrivateUsage=false

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from threading import Event

from talkative import run

from gateway_filters import watching
from gateway_filters.doors import Doors
from gateway_filters.gateway_api.credential_status import CredentialStatus, SourceStates
from gateway_filters.routing import Socket
from gateway_filters.watching import Watcher, Way

_CRASHING = Path(os.environ["CRASHING"])
_wait, _look, _freed = watching._wait, CredentialStatus.look, Doors.freed


def _crash() -> None:
    if _CRASHING.exists():
        raise RuntimeError("as it was told to")


def _wait_or_crash(watcher: Watcher, way: Way, stop: Event) -> None:
    _crash()
    _wait(watcher, way, stop)


def _look_or_crash(self: CredentialStatus) -> SourceStates:
    _crash()
    return _look(self)


def _freed_or_crash(self: Doors, places: Iterable[Socket]) -> set[Socket]:
    _crash()
    return _freed(self, places)


if __name__ == "__main__":
    watching._wait = _wait_or_crash
    watching._LOOK_ANYWAY = 0.5
    CredentialStatus.look = _look_or_crash
    Doors.freed = _freed_or_crash
    sys.exit(run())
