"""watchdog: an event loop that stands still is told once, with its place and no values."""

import asyncio
import logging
import time

import pytest

from gateway_filters.watchdog import Watchdog


def _blocking(secret: str) -> None:
    assert secret
    time.sleep(0.6)


async def test_a_loop_that_stands_still_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the function that holds it up."""
    watchdog = Watchdog(0.2)
    try:
        with caplog.at_level(logging.ERROR, "gateway_filters.run"):
            await asyncio.sleep(0.05)
            _blocking("not to be seen")
            await asyncio.sleep(0.05)
    finally:
        watchdog.close()
    (record,) = caplog.records
    assert record.getMessage().startswith("the event loop has stood still for 0.2 s: _blocking (")
    assert "not to be seen" not in caplog.text


async def test_a_loop_that_works_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """However long it takes."""
    watchdog = Watchdog(0.4)
    for _ in range(30):
        await asyncio.sleep(0.02)
    watchdog.close()
    assert caplog.records == []
