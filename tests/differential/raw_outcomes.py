"""What becomes of raw bytes: which answers come, and what the upstream gets."""

import re
import socket
from dataclasses import dataclass

from recorder import Received, Recorder

LAST = b"GET /v1/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
"""Follows the bytes: answered, it ends the connection, and it is seen where a body swallows it."""


@dataclass(frozen=True)
class Raw:
    """What is compared: the statuses of the answers, and each request that came whole."""

    statuses: tuple[int, ...]
    received: tuple[tuple[bytes, bytes, tuple[bytes, ...], bytes, bytes], ...]

    @property
    def told(self) -> tuple[object, ...]:
        """The statuses by their class."""
        return tuple(status // 100 for status in self.statuses), self.received


def raw_outcome(request: bytes, port: int, upstream: Recorder, quiet: float) -> Raw:
    """Send the bytes, and take what comes until the end or until nothing has come for ``quiet`` seconds."""
    upstream.take()
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=quiet) as client:
        try:
            client.sendall(request + LAST)
            while piece := client.recv(65536):
                got += piece
        except (TimeoutError, ConnectionError):
            pass
    statuses = [int(each) for each in re.findall(rb"HTTP/1\.[01] ([2-5]\d\d)", got)]
    return Raw(tuple(statuses), tuple(map(_compared, upstream.take())))


def _compared(each: Received) -> tuple[bytes, bytes, tuple[bytes, ...], bytes, bytes]:
    # Lines of one header may be joined.
    fields = b",".join(value.strip(b" \t") for name, value in each.headers if name == b"x-t")
    return each.method, each.target, each.host, fields, each.body
