"""nghttp2's own server: an upstream that we did not write."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from scripted import PATIENCE

from run.gateway_run import free_port

PROGRAM = shutil.which("nghttpd") or "/usr/sbin/nghttpd"
needs_nghttpd = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="nghttpd (Debian: nghttp2-server) is not here")


@asynccontextmanager
async def nghttpd(folder: Path, *options: str, certificate: trustme.LeafCert | None = None) -> AsyncGenerator[int]:
    """A server of the files in ``folder``; gives its port."""
    port = free_port()
    files: list[str] = []
    if certificate is not None:
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        files = [str(folder / "key.pem"), str(folder / "cert.pem")]
    plain = () if files else ("--no-tls",)
    command = (PROGRAM, "--address=127.0.0.1", f"--htdocs={folder}", *plain, *options, str(port), *files)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        await _listening(port)
        yield port
    finally:
        process.kill()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
