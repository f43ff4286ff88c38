"""A certificate with its private key, as text, and the way into a TLS context."""

import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate with its chain, and its private key, both PEM text; shown nowhere."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Add the pair to ``context``; raises ``ssl.SSLError`` or ``ValueError`` where it is none.

        The ``ssl`` module reads keys from files only: they pass through a folder of the process's own, which
        goes at once.
        """
        with tempfile.TemporaryDirectory(prefix="gateway-filters-") as folder:
            file = Path(folder) / "pair.pem"
            file.touch(mode=0o600)
            file.write_text(f"{self.certificate}\n{self.key}\n")
            context.load_cert_chain(file)
