"""Upstreams and a folder, for all tests of the command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from run.gateway_run import NamedServer, upstream


@pytest.fixture(scope="package")
def one() -> Iterator[NamedServer]:
    """An upstream."""
    with upstream("one") as server:
        yield server


@pytest.fixture(scope="package")
def two() -> Iterator[NamedServer]:
    """Another upstream."""
    with upstream("two") as server:
        yield server


@pytest.fixture(autouse=True)
def _as_new(request: pytest.FixtureRequest) -> None:
    """No test has a server on which another one has let slow requests go."""
    for name in {"one", "two"}.intersection(request.fixturenames):
        request.getfixturevalue(name).start_over()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for manifests."""
    path = tmp_path / "manifests"
    path.mkdir()
    return path
