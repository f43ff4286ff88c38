"""What every test shares."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop under asynchronous tests: asyncio, which every ASGI server of note runs on."""
    return "asyncio"
