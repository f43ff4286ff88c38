"""Load over HTTP/2 from nghttp2's h2load: figures from its log, which has a line for each request."""

import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.load import Counted, Load

_DONE = re.compile(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded")
_TOOK = re.compile(r"finished in ([\d.]+)(s|ms)")
_BYTES = re.compile(r"traffic: .*\((\d+)\) total")


def missing() -> str | None:
    """Why there can be no load; None when there can."""
    return None if shutil.which("h2load") else "h2load is not installed (Debian: apt-get install nghttp2-client)"


def run(load: Load, port: int, folder: Path) -> Counted:
    """Run h2load on the calling process's core, ``load.streams`` on each connection.

    Raises ``RuntimeError`` when it does not end as it should.
    """
    log, body = folder / "h2load.log", folder / "h2load.body"
    log.unlink(missing_ok=True)
    body.write_bytes(load.body or b"")
    posting = ("-d", str(body), "-H", "Content-Type: application/json") if load.body else ()
    seconds = max(1, round(load.seconds))
    command = [
        "h2load", f"-c{load.connections}", f"-m{load.streams}", f"-D{seconds}", f"--log-file={log}", *posting,
        "-H", ":authority: gateway.internal", "-H", "Accept: */*", f"http://127.0.0.1:{port}{load.paths[0]}",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    done, took, count = (each.search(ended.stdout) for each in (_DONE, _TOOK, _BYTES))
    if not done or not took or not count or not log.exists():
        raise RuntimeError(f"h2load failed: {(ended.stderr or ended.stdout).strip()[-300:]}")
    requests, right = int(done[1]), int(done[2])
    elapsed = float(took[1]) / (1000 if took[2] == "ms" else 1)
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    p50, p99 = (float(times[len(times) * share // 100]) if times else 0.0 for share in (50, 99))
    return Counted(requests, elapsed, int(count[1]), requests - right, p50, p99)
