"""The port of readiness: one that nobody else has, and that nobody takes for themselves."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

import pytest

from gateway_filters import ConfigurationError
from gateway_filters.reporter import Reporter
from run.gateway_run import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The command runs on asyncio."""
    return "asyncio"


@asynccontextmanager
async def reporting() -> AsyncGenerator[int]:
    """A reporter at the port that is given."""
    port = free_port()
    reporter = Reporter(place=("127.0.0.1", port))
    await reporter.open()
    try:
        yield port
    finally:
        await reporter.close()


async def asked(port: int, address: str) -> dict[str, object]:
    """What somebody at an address of this machine is told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(b"GET /ready HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    writer.close()
    await writer.wait_closed()
    told: dict[str, object] = json.loads(body)
    return told


async def test_who_does_not_go_keeps_nobody_else_from_asking() -> None:
    """Of one address fifty may stay."""
    async with reporting() as port:
        with ExitStack() as stay:
            for _ in range(50):
                stay.enter_context(socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)))
            assert "error" in await asked(port, "127.0.0.2")
            assert (await asked(port, "127.0.0.1"))["reason"] == "Starting"


async def test_a_port_that_somebody_else_has() -> None:
    """It is named; nothing is told elsewhere instead."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = other.getsockname()
        with pytest.raises(ConfigurationError, match=f"cannot listen at 127.0.0.1 port {place[1]}: "):
            await Reporter(place=place).open()
