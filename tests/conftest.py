"""What every test shares."""

import gc
import os

# Before the package is imported: fingerprints that pages and golden files can show.
os.environ["GATEWAY_FILTERS_FINGERPRINT_KEY"] = "the key of the examples"

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code; each test has its limit.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

pytest_plugins = ["canary", "pytester"]


def pytest_collection_finish() -> None:
    """What has been imported and collected is there to stay: the collector, which some tests ask, passes it over."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop under asynchronous tests: asyncio, which every ASGI server of note runs on."""
    return "asyncio"
