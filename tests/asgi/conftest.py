"""What tests of middlewares share."""

import asyncio
from collections.abc import AsyncGenerator

import pytest


@pytest.fixture
async def no_task_left() -> AsyncGenerator[None]:
    """Every task that a test has started is over when it ends."""
    before = len(asyncio.all_tasks())  # each part of a test runs in a task of the test runner's, not in the same one
    yield
    assert len(asyncio.all_tasks()) <= before
