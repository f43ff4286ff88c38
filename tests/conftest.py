"""What every test shares."""

import gc
import logging
import os

# Before the package is imported: fingerprints that pages and golden files can show.
os.environ["GATEWAY_FILTERS_FINGERPRINT_KEY"] = "the key of the examples"

import pytest
from hypothesis import settings

# A server of uvicorn's without a log of requests has it switched off for the whole process: it is off from the start.
logging.getLogger("uvicorn.access").propagate = False

# How long an example takes says more of the machine than of the code; each test has its limit.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

pytest_plugins = ["canary", "leavings", "pytester"]


# What takes longest comes first: begun last, it would have one core work while the others rest. Those that keep many
# processes busy come last among them, when types are checked.
_LONG = (
    "test_conformance.py",
    "test_resources_against_crds.py",
    "test_homes.py",
    "test_scale.py",
    "test_differential.py",
    "test_fuzz.py",
    "test_raw_bytes.py",
    "test_readme.py",
    "test_following.py",
    "test_faults.py",
    "test_many_routes.py",
    "test_benchmarks.py",
    "test_soak.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts modules into the order in which they are begun."""
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(_LONG)))


def pytest_collection_finish() -> None:
    """What has been imported and collected is there to stay: the collector, which some tests ask, passes it over."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop under asynchronous tests: asyncio, which every ASGI server of note runs on."""
    return "asyncio"
