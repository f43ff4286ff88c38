"""ASGI servers as processes, with the reference gateway in them, on manifests with a provider on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from provider import wait_until

from canary import KEY
from run.gateway_run import free_port

ROOT = Path(__file__).parents[2]
MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gateway}}
spec: {{gatewayClassName: any, listeners: [{{name: http, protocol: HTTP, port: 80}}]}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: provider}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
---
apiVersion: v1
kind: Secret
metadata: {{name: bailian-credential}}
stringData: {{credential: Bearer {key}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: credential}}
spec: {{credentialInjection: {{overwrite: true, credential: {{valueRef: {{name: bailian-credential}}}}}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: route}}
spec:
  parentRefs: [{{name: gateway}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /v1}}}}]
      filters:
        - type: URLRewrite
          urlRewrite:
            hostname: provider.test
            path: {{type: ReplacePrefixMatch, replacePrefixMatch: /compatible-mode/v1}}
        - type: ExtensionRef
          extensionRef: {{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: credential}}
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: provider}}]
"""
_GRANIAN = ["-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port"]
SERVERS: dict[str, Callable[[int], list[str]]] = {
    "uvicorn": lambda port: ["-m", "uvicorn", "--port", str(port), "reference_app:app"],
    "granian": lambda port: [*_GRANIAN, str(port), "reference_app:app"],
    "hypercorn": lambda port: ["-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "reference_app:app"],
}


@contextmanager
def serving(command: Callable[[int], list[str]], folder: Path) -> Generator[int]:
    """The server's process, and the port that it has by now; what it says holds no key."""
    port = free_port()
    environment = {**os.environ, "GATEWAY_FILTERS_MANIFESTS": str(folder)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command(port)], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: _accepts(port) or process.poll() is not None, 50)
        assert process.poll() is None, (folder / "output").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(30)
    assert KEY not in (folder / "output").read_text(errors="replace")


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
