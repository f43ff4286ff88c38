"""The tests of our own client run on both event loops that servers use."""

import pytest

_LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each asynchronous test of a ``test_native_…`` module once for each loop."""
    if metafunc.definition.path.name.startswith("test_native_") and "anyio_backend" in metafunc.fixturenames:
        metafunc.parametrize("anyio_backend", _LOOPS)
