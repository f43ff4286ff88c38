"""Load from wrk: requests prepared once, figures as JSON from its own ``done`` hook."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
%(requests)s
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nresult {"requests":%%d,"seconds":%%f,"bytes":%%d,"errors":%%d,"p50":%%f,"p99":%%f}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""
_TURNS = """local prepared, turn = {}, 0
init = function()
  for number, path in ipairs(paths) do prepared[number] = wrk.format(nil, path) end
end
request = function() turn = turn % #prepared + 1; return prepared[turn] end"""
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Load:
    """Requests over ``connections`` for ``seconds``; several paths take turns. ``large``: bytes to upload instead.

    With ``streams``, so many at a time on each connection, over HTTP/2 (``h2load``).
    """

    paths: Sequence[str]
    connections: int
    seconds: float
    body: bytes | None = None
    large: int = 0
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What wrk saw; latencies in microseconds."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    p50: float
    p99: float


def missing() -> str | None:
    """Why there can be no load; None when there can."""
    return None if shutil.which("wrk") else "wrk is not installed (Debian: apt-get install wrk)"


def run(load: Load, port: int, folder: Path) -> Counted:
    """Run wrk on the calling process's core. Raises ``RuntimeError`` when it does not end as it should."""
    script = folder / "load.lua"
    script.write_text(_SCRIPT % {"requests": _requests(load)})
    seconds = max(1, round(load.seconds))
    command = [
        "wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", f"{_TIMEOUT_SECONDS}s",
        "-s", str(script), f"http://127.0.0.1:{port}/",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = [line for line in ended.stdout.splitlines() if line.startswith("result ")]
    if not found:
        raise RuntimeError(f"wrk failed: {(ended.stderr or ended.stdout).strip()[-300:]}")
    return Counted(**json.loads(found[0].removeprefix("result ")))


def _requests(load: Load) -> str:
    """The requests in Lua; header names as an ordinary client has them.

    One request is left to wrk to prepare: a ``request`` hook would copy it, 10 MB or not, each time.
    """
    headers = '["Host"] = "gateway.internal", ["User-Agent"] = "benchmark/1", ["Accept"] = "*/*"'
    if load.body is not None or load.large:
        headers += ', ["Content-Type"] = "application/json"'
    body = f'string.rep("x", {load.large})' if load.large else json.dumps(load.body.decode()) if load.body else "nil"
    method = "GET" if body == "nil" else "POST"
    common = f'wrk.method, wrk.headers, wrk.body = "{method}", {{{headers}}}, {body}\n'
    if len(load.paths) == 1:
        return f'{common}wrk.path = "{load.paths[0]}"'
    paths = ", ".join(f'"{path}"' for path in load.paths)
    return f"{common}local paths = {{{paths}}}\n{_TURNS}"
