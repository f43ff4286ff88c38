"""HTTP/1.1 of an echo backend, read and written by hand: nothing is normalised on the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

Line = tuple[str, str]
LIMIT = 1 << 20


@dataclass(frozen=True)
class Seen:
    """A request as the wire had it; ``lines`` are its header lines in their order."""

    method: str
    target: str
    proto: str
    lines: tuple[Line, ...]

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.lines if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Answer:
    """A status, header lines and a body; its length is added when it is written."""

    status: int
    lines: Sequence[Line] = ()
    body: bytes = b""

    def wire(self, method: str) -> bytes:
        """The bytes of the answer to a request of this method."""
        reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else ""
        lines = [*self.lines, ("Content-Length", str(len(self.body)))]
        head = f"HTTP/1.1 {self.status} {reason}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        return head.encode("latin-1") + b"\r\n" + (b"" if method == "HEAD" else self.body)


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[Seen, bytes] | None:
    """The next request, its body read and dropped, and the bytes of its head; none at the end."""
    head = await _head(reader)
    if not head:
        return None
    seen = _parse(head)
    if seen.header("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await _skip_body(reader, seen)
    return seen, head


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _parse(head: bytes) -> Seen:
    first, *rest = head.decode("latin-1").split("\r\n")[:-2]
    method, target, proto = first.split(" ", 2)
    lines = tuple((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in rest))
    return Seen(method, target, proto, lines)


async def _skip_body(reader: asyncio.StreamReader, seen: Seen) -> None:
    if "chunked" in (seen.header("transfer-encoding") or "").lower():
        while size := int((await reader.readline()).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        while (await reader.readline()).strip():
            pass
    else:
        await reader.readexactly(int(seen.header("content-length") or 0))
