"""The stage of one test: loopback addresses, echo backends, a folder of manifests, and the gateway that serves it."""

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from .cases import Test
from .certificates import Certificates
from .echo import Backend, deployments
from .endpoints import with_endpoints
from .gateway import GatewayProcess
from .loop import Loop
from .probe import Probe
from .statuses import CONTROLLER, Statuses, load_manifests

Manifest = dict[str, Any]
GATEWAY_CLASS = "gateway-filters"
UNUSABLE = "203.0.113.1"
_CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": GATEWAY_CLASS},
    "spec": {"controllerName": CONTROLLER},
}
_blocks = itertools.count(os.getpid())
_CLAIM = 47999  # a port that stands for a whole block of addresses


class Unmet(Exception):
    """Something that should have come true has not."""


class Stage:
    """What a test's replay works with; ``objects`` are the test's own manifests, as they stand."""

    def __init__(self, gateway: GatewayProcess, objects: list[Manifest], patience: float) -> None:
        self.objects = objects
        self.patience = patience
        self.backends: list[Backend] = []
        self.addresses: dict[str, str] = {}
        self._gateway = gateway

    def probe(self, gateway: str, certificates: Certificates) -> Probe:
        """Sends requests to the Gateway ``namespace/name``."""
        return Probe(self.addresses[gateway], certificates)

    def backend(self, namespace: str, name: str) -> Backend:
        """The backend of a Deployment."""
        wanted = (namespace, name)
        return next(each for each in self.backends if (each.deployment.namespace, each.deployment.name) == wanted)

    def object(self, kind: str, name: str) -> Manifest:
        """The manifest of one of the test's objects; edit it, then ``apply``."""
        return next(each for each in self.objects if (each["kind"], _name(each)) == (kind, name))

    def apply(self) -> None:
        """Let the gateway see the objects as they now stand."""
        self._gateway.write("test", self.objects)

    def statuses(self) -> Statuses:
        """The statuses as last written."""
        return self._gateway.statuses()

    def until(self, wrong: Callable[[], Sequence[str]], what: str = "") -> None:
        """Wait until nothing is wrong any more; raises ``Unmet`` when the patience ends."""
        end = time.monotonic() + self.patience
        while problems := wrong():
            if time.monotonic() > end:
                raise Unmet(" ".join([what, "; ".join(problems)]).strip())
            time.sleep(0.05)


@contextlib.contextmanager
def staged(test: Test, cases: Path, folder: Path, patience: float, certificates: Certificates) -> Generator[Stage]:
    """A stage with its gateway serving, from base.yaml and the test's manifests."""
    with contextlib.ExitStack() as stack:
        block = stack.enter_context(_addresses())
        loop = stack.enter_context(Loop())
        base = _read(cases / "manifests/base.yaml", block)
        own = [each for name in test.manifests for each in _read(cases / name, block)]
        gateway = GatewayProcess(folder, f"127.1.{block}.254")
        stage = Stage(gateway, own, patience)
        stage.addresses = _addressed([*base, *own], block)
        stage.backends = stack.enter_context(_backends([*base, *own], block, loop, certificates))
        stage.objects = with_endpoints(own, stage.backends)
        gateway.write("base", with_endpoints(base, stage.backends))
        gateway.write("suite", [_CLASS, *certificates.objects])
        stage.apply()
        stack.enter_context(gateway)
        yield stage


@contextlib.contextmanager
def _addresses() -> Generator[int]:
    """A block 127.x.BLOCK.y that no other run on this machine has, for as long as a port of it is held."""
    while True:
        block = next(_blocks) % 254 + 1
        with socket.socket() as claim:
            try:
                claim.bind((f"127.1.{block}.253", _CLAIM))
            except OSError:
                continue
            yield block
            return


@contextlib.contextmanager
def _backends(
    manifests: Sequence[Manifest], block: int, loop: Loop, certificates: Certificates
) -> Generator[list[Backend]]:
    found = [
        Backend(deployment, f"127.2.{block}.{number}", certificates)
        for number, deployment in enumerate(deployments(manifests), 1)
    ]
    try:
        for backend in found:
            loop.run(backend.start())
        yield found
    finally:
        for backend in found:
            loop.run(backend.stop())


def _read(file: Path, block: int) -> list[Manifest]:
    text = file.read_text().replace("{GATEWAY_CLASS_NAME}", GATEWAY_CLASS)
    return load_manifests(
        text.replace("PLACEHOLDER_UNUSABLE_ADDRS", UNUSABLE).replace("PLACEHOLDER_USABLE_ADDRS", usable(block))
    )


def usable(block: int) -> str:
    """The address that stands for a usable one."""
    return f"127.1.{block}.200"


def _addressed(manifests: Sequence[Manifest], block: int) -> dict[str, str]:
    """Gives every Gateway without addresses one of its own; all of them by name."""
    found: dict[str, str] = {}
    for number, gateway in enumerate((each for each in manifests if each["kind"] == "Gateway"), 1):
        address = f"127.1.{block}.{number}"
        gateway["spec"].setdefault("addresses", [{"type": "IPAddress", "value": address}])
        found[_name(gateway)] = address
    return found


def _name(manifest: Manifest) -> str:
    return f"{manifest['metadata'].get('namespace', '')}/{manifest['metadata']['name']}"
