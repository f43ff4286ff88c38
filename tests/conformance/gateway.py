"""``gateway-filters run`` as a process, on a folder of manifests that may change while it runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from .statuses import Statuses

Manifest = dict[str, Any]
_START = 60.0
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Misbehaved(Exception):
    """The process ended before it should, or not as it should, or said nothing."""


class GatewayProcess:
    """Serves what ``write`` has put into its folder, while inside ``with``."""

    def __init__(self, folder: Path, host: str) -> None:
        self._manifests = folder / "manifests"
        self._manifests.mkdir()
        self._spare = folder / "next.yaml"
        self._status = folder / "status.yaml"
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        arguments = [str(self._manifests), "--status", str(self._status), "--host", host, "--pre-drain", "0"]
        self._command = [sys.executable, "-m", "gateway_filters", "run", *arguments]

    def write(self, name: str, manifests: Sequence[Manifest]) -> None:
        """Put the manifests into a file of the folder, in one step, so that no half of it is ever read."""
        self._spare.write_text(yaml.dump_all(manifests, Dumper=_DUMPER, sort_keys=False))
        self._spare.replace(self._manifests / f"{name}.yaml")

    def statuses(self) -> Statuses:
        """The objects as the process last wrote them."""
        return Statuses.read(self._status)

    def __enter__(self) -> Self:
        ours = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                self._command, env=ours, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        try:
            self._wait()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._kill()
            raise
        if code not in (0, -signal.SIGTERM):
            raise Misbehaved(f"the gateway ended with {code}: {self._last_words()}")

    def _wait(self) -> None:
        end = time.monotonic() + _START
        while not any(line.startswith("ready") for line in self._stdout.read_text().splitlines()):
            if self._process.poll() is not None:
                raise Misbehaved(f"the gateway ended at once: {self._last_words()}")
            if time.monotonic() > end:
                raise Misbehaved(f"the gateway was not ready: {self._last_words()}")
            time.sleep(0.02)

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        lines = self._stderr.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "nothing on stderr"
