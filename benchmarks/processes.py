"""Processes on a core of their own, what they have used, and their end."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_TICKS = os.sysconf("SC_CLK_TCK")
_GRACE_SECONDS = 1.0
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program on ``core``, in a group of its own; its output goes to ``log``, which tells why it failed."""

    def __init__(self, command: Sequence[str], core: int, log: Path, settings: Mapping[str, str]) -> None:
        self.log = log
        with _pinned(core), log.open("wb") as errors:
            self._child = _start(command, errors, settings)

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return self._child.poll() is None

    def memory(self) -> int:
        """Resident bytes of the program and its children."""
        return sum(_resident(pid) for pid in self._family())

    def cpu(self) -> float:
        """Seconds of CPU that it and its children have used."""
        return sum(_cpu(pid) for pid in self._family())

    def end(self) -> None:
        """End it and whatever it has started, gently first."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_GRACE_SECONDS)

    def _family(self) -> list[int]:
        found = [self._child.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    found += map(int, children.read_text().split())
        return found


def ended_cpu() -> float:
    """Seconds of CPU of this process and of its children that have ended, such as the load generator."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def core_busy(core: int) -> tuple[float, float]:
    """Seconds that ``core`` was busy and idle since the machine started, whoever kept it so."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    numbers = [int(each) / _TICKS for each in line.split()[1:9]]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, idle


def other_work() -> float:
    """Which part of all cores is in use by others, as half a second shows."""
    before = [core_busy(core) for core in CORES]
    time.sleep(0.5)
    after = [core_busy(core) for core in CORES]
    busy = sum(now[0] - then[0] for now, then in zip(after, before, strict=True))
    idle = sum(now[1] - then[1] for now, then in zip(after, before, strict=True))
    return busy / (busy + idle) if busy + idle else 0.0


def wait_for(port: int, process: Process, seconds: float) -> str | None:
    """Wait until something answers at ``port``; gives the reason when it will not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not process.running:
            return f"ended at once: {_last_line(process.log)}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return None
        time.sleep(0.05)
    return f"not ready after {seconds:.0f} s"


def _start(command: Sequence[str], errors: IO[bytes], settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # Where Linux's own tools are, a killed benchmark takes its peers along.
    keeper = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
    return subprocess.Popen(
        [*keeper, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env={**os.environ, **settings},
        process_group=0,
    )


@contextmanager
def _pinned(core: int) -> Generator[None]:
    """Children started meanwhile stay on ``core``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _resident(pid: int) -> int:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
    return 0


def _cpu(pid: int) -> float:
    with suppress(OSError):
        # The name, in parentheses, may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"
