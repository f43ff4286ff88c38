"""The event loop that something belongs to, and whether it is the one that runs here.

``asyncio.get_running_loop()`` asks the operating system for the process each time (CPython before 3.12), which
costs as much as a dozen of a request's steps. Asking for the running task of a known loop costs nothing.
"""

import asyncio
from threading import get_ident
from typing import Any


class Home:
    """The loop that runs when this is made."""

    __slots__ = ("_thread", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._thread = get_ident()

    def task(self) -> asyncio.Task[Any] | None:
        """The task that runs, if it is one of this loop and thread; None anywhere else."""
        return asyncio.current_task(self.loop) if self._thread == get_ident() else None
