"""The process that is judged: ``gateway-filters run``, and what the kernel and its window show of it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import canary
from run.gateway_run import free_port

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Held:
    """What a process has in hand: ``sockets`` without those that are kept for reuse, tasks, and slots of pools."""

    sockets: int
    tasks: int
    slots: int


class Subject:
    """A running gateway. ``port``: where it serves."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, window: Path) -> None:
        self.port = port
        self._process = process
        self._window = window

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def most_memory(self) -> int:
        """The most resident bytes since ``forget_most``."""
        told = Path(f"/proc/{self._process.pid}/status").read_text().partition("VmHWM:")[2]
        return int(told.split()[0]) * 1024

    def forget_most(self) -> None:
        """Count anew (proc(5), clear_refs)."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    async def held(self) -> Held:
        """What it holds at this moment."""
        self._window.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        await until(self._window.exists, 10)
        told = json.loads(self._window.read_text())
        return Held(self._sockets() - told["idle"], told["tasks"], told["active"])

    async def settled(self, before: Held, seconds: float) -> Held:
        """What it holds once that is no more than ``before``, or after ``seconds``."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            held = await self.held()
            over = held.sockets > before.sockets or held.tasks > before.tasks or held.slots > before.slots
            if not over or asyncio.get_running_loop().time() > end:
                return held
            await asyncio.sleep(0.2)

    def _sockets(self) -> int:
        found = 0
        for entry in Path(f"/proc/{self._process.pid}/fd").iterdir():
            try:
                found += str(entry.readlink()).startswith("socket:")
            except OSError:
                continue
        return found


@asynccontextmanager
async def running(
    folder: Path, manifests: str, *arguments: str, pools: tuple[int, int] | None = None
) -> AsyncGenerator[Subject]:
    """A gateway that serves ``manifests``, in which ``PORT`` stands for its port.

    ``pools``: the most connections to an endpoint, and the most requests that wait for one.
    """
    port, window = free_port(), folder / "window"
    manifest = folder / "manifests"
    manifest.mkdir()
    (manifest / "all.yaml").write_text(manifests.replace("PORT", str(port)))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "inside.py"), "run", str(manifest), "--pre-drain", "0", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "SOAK_WINDOW": str(window), "SOAK_POOLS": json.dumps(pools)},
        )
    assert process.stdout is not None
    try:
        ready = await asyncio.wait_for(process.stdout.readline(), 30)
        assert ready.startswith(b"ready"), (folder / "log").read_text()
        yield Subject(process, port, window)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 40)
        canary.look((folder / "log").read_text(), "the log of the gateway")


async def until(check: Callable[[], bool], seconds: float) -> bool:
    """Wait until ``check`` holds, ``seconds`` at most; whether it does."""
    end = asyncio.get_running_loop().time() + seconds
    while not check():
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(0.01)
    return True
