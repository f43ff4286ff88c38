"""Where a gateway lives: ``gateway-filters run``, plain uvicorn, and in a FastAPI app in two ways."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from run.gateway_run import free_port

HERE = Path(__file__).parent
KEY = "sk-not-a-real-key"
_READY = re.compile(r"(?:ready http://127\.0\.0\.1:|Uvicorn running on http://127\.0\.0\.1:)(\d+)")
_COMPLAINTS = ("never retrieved", "never awaited", "was destroyed but it is pending", "ResourceWarning", "Traceback")

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: g}}
spec:
  gatewayClassName: ours
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r}}
spec:
  parentRefs: [{{name: g}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /v1}}}}]
      filters:
        - type: URLRewrite
          urlRewrite:
            hostname: provider.example
            path: {{type: ReplacePrefixMatch, replacePrefixMatch: /compatible/v1}}
        - type: ExtensionRef
          extensionRef: {{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: credential}}
        - {{type: ResponseHeaderModifier, responseHeaderModifier: {{add: [{{name: x-gateway, value: passed}}]}}}}
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: named}}]
    - matches: [{{path: {{type: PathPrefix, value: /bare}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: unnamed}}]
    - matches: [{{path: {{type: PathPrefix, value: /injected}}}}]
      filters:
        - type: ExtensionRef
          extensionRef: {{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: credential}}
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: unnamed}}]
    - matches: [{{path: {{type: PathPrefix, value: /nowhere}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: missing}}]
    - matches: [{{path: {{type: PathPrefix, value: /refused}}}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: refused}}]
    - matches: [{{path: {{type: PathPrefix, value: /secretless}}}}]
      filters:
        - type: ExtensionRef
          extensionRef: {{group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: secretless}}
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: named}}]
    - matches: [{{path: {{type: PathPrefix, value: /moved}}}}]
      filters: [{{type: RequestRedirect, requestRedirect: {{hostname: other.example, statusCode: 302}}}}]
    - matches: [{{path: {{type: PathPrefix, value: /upgrade}}, headers: [{{name: Upgrade, value: websocket}}]}}]
      backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: unnamed}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: credential}}
spec: {{credentialInjection: {{overwrite: true, credential: {{valueRef: {{name: key}}}}}}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {{name: secretless}}
spec: {{credentialInjection: {{overwrite: true, credential: {{valueRef: {{name: not-there}}}}}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: key}}
stringData: {{credential: Bearer {key}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: named}}
spec: {{appProtocols: [gateway.envoyproxy.io/ws], endpoints: [{{ip: {{address: 127.0.0.1, port: {provider}}}}}]}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: unnamed}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {provider}}}}}]}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: refused}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {refused}}}}}]}}
"""


class Home:
    """A process with a gateway, on ``port`` while inside ``with``; it must end without a complaint."""

    def __init__(self, kind: str, folder: Path, provider: int, refused: int) -> None:
        self.kind = kind
        self._log = folder / "log"
        self._manifests = folder / "manifests.yaml"
        self.port = free_port()
        self._manifests.write_text(MANIFESTS.format(port=self.port, provider=provider, refused=refused, key=KEY))

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={**os.environ, "WEBSOCKET_MANIFESTS": str(self._manifests), "PYTHONPATH": str(HERE)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 50
        while not _READY.search(self.log):
            assert self._process.poll() is None and time.monotonic() < end, self.log
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(50)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        assert [complaint for complaint in (*_COMPLAINTS, KEY) if complaint in self.log] == [], self.log

    @property
    def log(self) -> str:
        """What the process has said until now."""
        return self._log.read_text(errors="replace")

    def memory(self) -> int:
        """``VmRSS``, in bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def url(self, path: str) -> str:
        """The URL of a path for a WebSocket client."""
        return f"ws://127.0.0.1:{self.port}{path}"

    def _command(self) -> list[str]:
        if self.kind == "run":
            return [sys.executable, "-m", "gateway_filters", "run", str(self._manifests), "--pre-drain", "0"]
        return [
            sys.executable,
            "-m",
            "uvicorn",
            f"websocket_apps:{self.kind}",
            "--port",
            str(self.port),
            "--no-use-colors",
        ]
