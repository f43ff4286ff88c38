"""The gateway as people run it: a uvicorn process, its port, its output, its memory."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import canary
from canary import KEY

HERE = Path(__file__).parent
SEED = HERE / "seed"
CREDENTIAL = b"Bearer " + KEY.encode()
_ENCODED = "QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5"
_RUNNING = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# What an event loop or the collector says of work that somebody has dropped.
_COMPLAINTS = ("never retrieved", "never awaited", "was destroyed but it is pending", "ResourceWarning", "unclosed")


class GatewayProcess:
    """``python -m uvicorn app:app`` on a port of its own while inside ``with``.

    ``folder`` is for its files; ``environment`` goes on top of the usual. When it has stopped, nothing in its
    output may hold one of ``secrets`` or complain of dropped work.
    """

    def __init__(
        self,
        folder: Path,
        system_cas: Path,
        *,
        manifests: Path = SEED,
        environment: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (KEY, _ENCODED),
        log_level: str = "trace",
    ) -> None:
        self.port = 0
        self._secrets = secrets
        self._upstream = folder / "upstream"
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        self._log_level = log_level
        ours = {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
        paths = {"E2E_MANIFESTS": manifests, "E2E_SYSTEM_CAS": system_cas, "E2E_UPSTREAM": self._upstream}
        self._environment = {**ours, **{name: str(path) for name, path in paths.items()}, **(environment or {})}

    def __enter__(self) -> Self:
        arguments = ["--app-dir", str(HERE), "--host", "127.0.0.1", "--port", "0", "--log-level", self._log_level]
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "app:app", *arguments, "--no-use-colors"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        try:
            self.port = self._announced_port()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        # uvicorn raises the signal again once it has shut down.
        assert code in (0, -signal.SIGTERM), self.stderr
        output = self.stderr + self._stdout.read_text(errors="replace")
        assert [secret for secret in self._secrets if secret in output] == []
        canary.look(output, "what uvicorn printed")
        assert [complaint for complaint in _COMPLAINTS if complaint in output] == []
        assert "Application shutdown complete" in output

    def send_to(self, port: int) -> None:
        """From now on the provider's name resolves to this port."""
        self._upstream.write_text(str(port))

    @property
    def stderr(self) -> str:
        """What the process has written to stderr until now."""
        return self._stderr.read_text(errors="replace")

    def memory(self, name: str) -> int:
        """``VmRSS`` (resident now) or ``VmHWM`` (its peak) in bytes."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"/proc has no {name}")

    def forget_peak(self) -> None:
        """Set ``VmHWM`` back to what is resident now (proc(5), clear_refs)."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def _announced_port(self) -> int:
        end = time.monotonic() + 50
        while time.monotonic() < end:
            found = _RUNNING.search(self.stderr)
            if found:
                return int(found[1])
            assert self._process.poll() is None, f"uvicorn ended: {self.stderr}"
            time.sleep(0.01)
        raise AssertionError(f"uvicorn did not start: {self.stderr}")
