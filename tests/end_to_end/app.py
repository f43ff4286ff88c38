"""The app that the tests' uvicorn serves: the seed's gateway, with a provider on 127.0.0.1 behind the real name.

What differs from production comes from the environment: ``E2E_MANIFESTS`` (folder), ``E2E_SYSTEM_CAS`` (PEM
file), ``E2E_UPSTREAM`` (file that holds the provider's port now), ``E2E_SECRETS`` (folder of mounted Secrets),
``E2E_CLOCKS`` (connect, first byte, idle), ``E2E_LOG_EVERYTHING``.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from gateway_filters import Clocks, DirectorySecrets, Gateway

if os.environ.get("E2E_LOG_EVERYTHING"):
    logging.basicConfig(level=1)


def _port() -> int:
    return int(Path(os.environ["E2E_UPSTREAM"]).read_text())


async def _resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
    if (host, port) != ("dashscope.aliyuncs.com", 443):
        raise OSError(f"{host}:{port} is not the provider")
    return (("127.0.0.1", _port()),)


def _clocks() -> Clocks:
    connect, first_byte, idle = (float(seconds) for seconds in os.environ.get("E2E_CLOCKS", "5 120 300").split())
    return Clocks(connect=connect, first_byte=first_byte, idle=idle)


app = Gateway.from_manifests(
    os.environ["E2E_MANIFESTS"],
    secrets=DirectorySecrets(os.environ["E2E_SECRETS"]) if "E2E_SECRETS" in os.environ else None,
    system_cas=os.environ["E2E_SYSTEM_CAS"],
    resolve=_resolve,
    clocks=_clocks(),
)
