"""A certificate with its private key, as text, and the way into a TLS context."""

import ssl
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate with its chain, and its private key, both PEM text; shown nowhere."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Add the pair to ``context``; raises ``ssl.SSLError`` or ``ValueError`` where it is none."""
        with self.file() as file:
            context.load_cert_chain(file)

    @contextmanager
    def file(self) -> Generator[Path]:
        """The pair as a file, which goes at once; raises ``ValueError`` where it is no text of a file.

        OpenSSL's libraries read chains from files only: they pass through a folder of the process's own.
        """
        with tempfile.TemporaryDirectory(prefix="gateway-filters-") as folder:
            file = Path(folder) / "pair.pem"
            file.touch(mode=0o600)
            file.write_text(f"{self.certificate}\n{self.key}\n")
            yield file
