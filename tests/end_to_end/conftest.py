"""Certificates, a provider and a gateway process, made once for all tests of this folder."""

import socket
from collections.abc import Iterator

import answers
import pytest
from certificates import Certificates, issue
from gateway_process import GatewayProcess
from provider import Provider


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Uvicorn and the openai client are at home in asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """All certificates of this folder."""
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def running_provider(certificates: Certificates) -> Iterator[Provider]:
    """The provider with the right certificate."""
    with Provider(certificates.right, answers.openai) as provider:
        yield provider


@pytest.fixture
def provider(running_provider: Provider) -> Iterator[Provider]:
    """The provider, with nothing recorded, answering as OpenAI does."""
    running_provider.start_over(answers.openai)
    yield running_provider
    assert running_provider.failures == []


@pytest.fixture(scope="session")
def running_gateway(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """The seed's gateway, logging everything that it and its libraries have to say."""
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(folder, certificates.system_cas, environment={"E2E_LOG_EVERYTHING": "yes"}) as gateway:
        yield gateway


@pytest.fixture
def gateway(running_gateway: GatewayProcess, provider: Provider) -> GatewayProcess:
    """The seed's gateway, leading to the provider."""
    running_gateway.send_to(provider.port)
    return running_gateway


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
