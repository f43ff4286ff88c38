"""A Secret mounted as Kubernetes mounts it: rotated, withdrawn and put back under a running process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Certificates
from gateway_process import SEED, GatewayProcess
from provider import Provider
from raw_client import ask

KEYS = ("sk-the-first-key", "sk-the-second-key", "sk-the-third-key")


class Mount:
    """A Secret's volume as the kubelet writes it: files in a timed folder, ``..data`` as the link that is swapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._version = 0
        folder.mkdir(parents=True)
        (folder / "credential").symlink_to("..data/credential")

    def put(self, value: str) -> None:
        """Write a new version and swap the link to it in one step."""
        self._version += 1
        version = self._folder / f"..2024_01_01_00_00_0{self._version}.1"
        version.mkdir()
        (version / "credential").write_text(value)
        (self._folder / "..data_tmp").symlink_to(version.name)
        (self._folder / "..data_tmp").replace(self._folder / "..data")

    def withdraw(self) -> None:
        """Take the Secret away."""
        (self._folder / "..data").unlink()


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    """The volume of the seed's Secret, holding the first key."""
    mount = Mount(tmp_path / "secrets" / "bailian-credential")
    mount.put(f"Bearer {KEYS[0]}")
    return mount


@pytest.fixture
def mounted_gateway(
    mount: Mount, provider: Provider, certificates: Certificates, tmp_path: Path
) -> Iterator[GatewayProcess]:
    """The seed without secret.yaml, over the mounted volume."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    for name in ("gateway-route.yaml", "maas-policy.yaml"):
        (manifests / name).write_bytes((SEED / name).read_bytes())
    secrets = {"E2E_SECRETS": str(tmp_path / "secrets")}
    with GatewayProcess(
        tmp_path, certificates.system_cas, manifests=manifests, environment=secrets, secrets=KEYS
    ) as gateway:
        gateway.send_to(provider.port)
        yield gateway


def test_the_next_request_carries_the_new_secret(
    mount: Mount, mounted_gateway: GatewayProcess, provider: Provider
) -> None:
    """After each swap the very next request has the new value; withdrawn, nothing is sent until it is back."""
    assert ask(mounted_gateway.port).status == 200
    mount.put(f"Bearer {KEYS[1]}\n")
    assert ask(mounted_gateway.port).status == 200
    mount.withdraw()
    assert ask(mounted_gateway.port).status == 503
    mount.put(f"Bearer {KEYS[2]}")
    assert ask(mounted_gateway.port).status == 200
    sent = [value for each in provider.exchanges for value in each.request.values(b"authorization")]
    assert sent == [b"Bearer " + key.encode() for key in KEYS]
