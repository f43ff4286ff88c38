"""The two gateways under comparison, each on a port of its own: the real Envoy, and ours under uvicorn."""

import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

import uvicorn
import yaml
from recorder import PATIENCE
from starlette.types import ASGIApp

from run.gateway_run import free_port


class Envoy:
    """An Envoy process with ``configuration``, whose one listener is put on a free port."""

    def __init__(self, binary: Path, configuration: dict[str, Any], folder: Path) -> None:
        self.port = free_port()
        listener = configuration["static_resources"]["listeners"][0]
        listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": self.port}}
        file = folder / "envoy.yaml"
        # JSON is YAML, and C++ reads it a great deal faster than Python writes the other.
        file.write_text(yaml.dump(configuration, Dumper=yaml.CSafeDumper))
        self._log = folder / "envoy.log"
        self._command = [str(binary), "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "error"]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 50
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise AssertionError(f"Envoy did not start: {self._log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)


class Ours:
    """``app`` under uvicorn in a thread, without a Server and a Date header of uvicorn's own."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            http="httptools",
            loop="asyncio",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        end = time.monotonic() + PATIENCE
        while not self._server.started:
            assert self._thread.is_alive() and time.monotonic() < end, "uvicorn did not start"
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True
