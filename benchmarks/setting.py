"""Where one race takes place: ports, folder, certificate, and what every configuration is made from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.processes import free_port
from benchmarks.traffic import HOSTNAME


@dataclass(frozen=True, slots=True)
class Setting:
    """``routes``: how many there are; ``tls``: whether the upstream is reached over it.

    ``load_cpu``: seconds of CPU that load and upstream have used.
    """

    folder: Path
    plain_port: int
    tls_port: int
    tls: bool = False
    routes: int = 1
    load_cpu: Callable[[], float] = float

    @property
    def port(self) -> int:
        """The upstream's."""
        return self.tls_port if self.tls else self.plain_port

    @property
    def pem(self) -> Path:
        """The upstream's key and certificate."""
        return self.folder / "upstream.pem"

    @property
    def authority(self) -> Path:
        """The certificate of who has signed the upstream's."""
        return self.folder / "authority.pem"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The paths under which the routes are: the seed's alone, or many."""
        return ("/v1",) if self.routes == 1 else tuple(f"/tenant-{number}/v1" for number in range(self.routes))


def new_setting(folder: Path) -> Setting:
    """A setting with free ports and a certificate in ``folder``."""
    setting = Setting(folder, free_port(), free_port())
    authority = trustme.CA()
    authority.cert_pem.write_to_path(setting.authority)
    certificate = authority.issue_cert(HOSTNAME)
    certificate.private_key_and_cert_chain_pem.write_to_path(setting.pem)
    return setting
