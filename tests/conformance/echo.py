"""The echo backends: for each Deployment an address of its own with HTTP, h2c and, with a certificate, HTTPS."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from . import http2
from .certificates import Certificates
from .echo_answers import Echo
from .http1 import LIMIT, Answer, Seen, read_request
from .websocket import echo_messages

HTTP, H2C, HTTPS = 3000, 3001, 8443
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What of a Deployment matters here; ``secret`` is the certificate that it mounts."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    secret: str | None

    @classmethod
    def read(cls, manifest: Manifest) -> "Deployment":
        """The Deployment of a manifest."""
        metadata, template = manifest["metadata"], manifest["spec"]["template"]
        volumes = template["spec"].get("volumes", ())
        secrets = [f"{metadata['namespace']}/{each['secret']['secretName']}" for each in volumes if "secret" in each]
        return cls(metadata["name"], metadata["namespace"], template["metadata"]["labels"], next(iter(secrets), None))


class Backend:
    """One Deployment's servers on one address; ``echo`` knows what they have seen."""

    def __init__(self, deployment: Deployment, address: str, certificates: Certificates) -> None:
        self.deployment = deployment
        self.address = address
        self.echo = Echo(deployment.name, deployment.namespace)
        self._names: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._certificates = certificates
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; raises ``OSError`` when the address is taken."""
        self._servers.append(await asyncio.start_server(self._http, self.address, HTTP, limit=LIMIT))
        self._servers.append(await asyncio.start_server(self._h2c, self.address, H2C, limit=LIMIT))
        if self.deployment.secret in self._certificates.secrets:
            context = self._context(self.deployment.secret)
            serving = asyncio.start_server(self._http, self.address, HTTPS, ssl=context, limit=LIMIT)
            self._servers.append(await serving)

    async def stop(self) -> None:
        """Stop listening, and end what is still being answered."""
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(server.wait_closed() for server in self._servers))

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._kept(writer, self._serve(reader, writer))

    async def _h2c(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._kept(writer, http2.serve(reader, writer, self.echo))

    async def _kept(self, writer: asyncio.StreamWriter, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._writers.add(writer)
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await task
        self._tasks.discard(task)
        self._writers.discard(writer)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader, writer):
            seen, head = request
            if seen.header("upgrade"):
                await echo_messages(head, reader, writer)
                return
            answer = await self.echo.answer(seen, self._tls(writer))
            await _write(writer, seen, answer)
            if answer is None or (seen.header("connection") or "").lower() == "close":
                return

    def _tls(self, writer: asyncio.StreamWriter) -> dict[str, Any] | None:
        found: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        if not found:
            return None
        peer = found.getpeercert(binary_form=True)
        return {
            "version": found.version(),
            "serverName": self._names.get(found, ""),
            "negotiatedProtocol": found.selected_alpn_protocol() or "",
            "peerCertificates": [ssl.DER_cert_to_PEM_cert(peer)] if peer else [],
        }

    def _context(self, secret: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificates.load(context, secret)
        context.set_alpn_protocols(["http/1.1"])
        # The suite's image asks for a certificate and shows whatever comes; ours all come from these.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self._certificates.trust)
        context.sni_callback = self._hear
        return context

    def _hear(self, connection: object, name: str | None, context: ssl.SSLContext) -> None:
        self._names[connection] = name or ""


def deployments(manifests: Iterable[Manifest]) -> list[Deployment]:
    """The Deployments among the manifests."""
    return [Deployment.read(each) for each in manifests if each["kind"] == "Deployment"]


async def _write(writer: asyncio.StreamWriter, seen: Seen, answer: Answer | None) -> None:
    if answer:
        writer.write(answer.wire(seen.method))
        await writer.drain()
    else:
        # A reset instead of an end: linger for no time at all.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
