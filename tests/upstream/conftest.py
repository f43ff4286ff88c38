"""The tests of our own client run on both event loops that servers use."""

import pytest

_LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each asynchronous test of a ``test_native_…`` or ``test_http2_…`` module once for each loop."""
    ours = metafunc.definition.path.name.startswith(("test_native_", "test_http2_"))
    if ours and "anyio_backend" in metafunc.fixturenames:
        metafunc.parametrize("anyio_backend", _LOOPS)
