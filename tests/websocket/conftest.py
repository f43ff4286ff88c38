"""A provider and the gateways in front of it, made once for all tests of this folder."""

import socket
from collections.abc import Iterator

import pytest
from websocket_homes import Home
from websocket_provider import Provider

KINDS = ("run", "plain", "middleware", "prefix")


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    """The provider."""
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: Provider) -> Provider:
    """The provider, with nothing recorded."""
    running_provider.start_over()
    return running_provider


@pytest.fixture(scope="session")
def refused_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="session", params=KINDS)
def running_home(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    running_provider: Provider,
    refused_port: int,
) -> Iterator[Home]:
    """The gateway in each of its homes."""
    kind: str = request.param
    with Home(kind, tmp_path_factory.mktemp(kind), running_provider.port, refused_port) as home:
        yield home


@pytest.fixture
def home(running_home: Home, provider: Provider) -> Home:
    """The gateway, with a provider that has nothing recorded."""
    return running_home
