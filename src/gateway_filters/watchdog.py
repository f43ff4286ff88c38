"""Tells when the event loop stands still, and where: a filter or a source of secrets that blocks holds up everybody."""

import asyncio
import logging
import sys
import threading
import traceback

_log = logging.getLogger("gateway_filters.run")

_PATIENCE = 2.0  # what HAProxy's watchdog has
_LOOKS = 4
_FRAMES = 8


class Watchdog:
    """Looks at the running event loop from a thread of its own, until it is closed.

    A loop that has not come round for ``patience`` seconds is told once in the log, with files, lines and names of what
    runs in it, and no values. Looks are counted, not seconds: a process that was stopped has done nothing wrong.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._every = patience / _LOOKS
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._of = threading.get_ident()
        self._beats = 0
        self._beat()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()
        self._closed.set()
        self._thread.join()

    def _beat(self) -> None:
        self._beats += 1
        self._timer = self._loop.call_later(self._every / 2, self._beat)

    def _watch(self) -> None:
        before, missed = 0, 0
        while not self._closed.wait(self._every):
            missed = missed + 1 if self._beats == before else 0
            before = self._beats
            if missed == _LOOKS:
                _log.error("the event loop has stood still for %s s: %s", self._patience, _place(self._of))


def _place(thread: int) -> str:
    """Where a thread is, the innermost call first."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the one way to see another thread # pyright: ignore[reportPrivateUsage]
    calls = traceback.extract_stack(frame, _FRAMES) if frame is not None else ()
    return " < ".join(f"{call.name} ({call.filename}:{call.lineno})" for call in reversed(calls))
