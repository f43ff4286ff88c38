"""HTTP/2 for the backends' h2c port and for the client, where the ``h2`` library is installed.

Without it the port refuses everything, and the client raises ``MissingLibrary``: such cases count as failed.
"""

import asyncio
import importlib
import importlib.util
import socket
from collections.abc import Sequence
from typing import Any

from .echo_answers import Echo
from .http1 import Answer, Line, Seen

AVAILABLE = importlib.util.find_spec("h2") is not None
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_REFUSAL = Answer(400, [("Content-Type", "text/plain"), ("Connection", "close")], b"HTTP/2 with prior knowledge only")


class MissingLibrary(Exception):
    """HTTP/2 is asked for and ``h2`` is not installed."""


def _connection(*, client: bool) -> Any:
    """A connection of h2's, which has no types here because it may be missing."""
    settings = importlib.import_module("h2.config").H2Configuration(client_side=client, header_encoding="latin-1")
    return importlib.import_module("h2.connection").H2Connection(settings)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, echo: Echo) -> None:
    """Answer requests on a connection with prior knowledge; anything else gets 400."""
    data = await reader.read(65536)
    while data and len(data) < len(_PREFACE) and _PREFACE.startswith(data):
        data += await reader.readexactly(len(_PREFACE) - len(data))
    if not AVAILABLE or not data.startswith(_PREFACE):
        writer.write(_REFUSAL.wire("GET"))
        await writer.drain()
        return
    await _serve_streams(reader, writer, echo, data)


async def _serve_streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, echo: Echo, data: bytes) -> None:
    connection = _connection(client=False)
    connection.initiate_connection()
    heads: dict[int, Seen] = {}
    while data:
        for event in connection.receive_data(data):
            await _react(connection, event, heads, echo)
        writer.write(connection.data_to_send())
        await writer.drain()
        data = await reader.read(65536)


async def _react(connection: Any, event: Any, heads: dict[int, Seen], echo: Echo) -> None:
    kind = type(event).__name__
    if kind == "RequestReceived":
        heads[event.stream_id] = _seen(event.headers)
    elif kind == "DataReceived":
        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif kind == "StreamEnded":
        answer = await echo.answer(heads.pop(event.stream_id), None)
        _send(connection, event.stream_id, answer)


def _send(connection: Any, stream: int, answer: Answer | None) -> None:
    if answer is None:
        connection.reset_stream(stream)
        return
    lines = [(name.lower(), value) for name, value in answer.lines]
    connection.send_headers(stream, [(":status", str(answer.status)), *lines])
    connection.send_data(stream, answer.body, end_stream=True)


def _seen(headers: Sequence[Line]) -> Seen:
    pseudo = {name: value for name, value in headers if name.startswith(":")}
    lines = [(name, value) for name, value in headers if not name.startswith(":")]
    if not any(name == "host" for name, _ in lines):
        lines.insert(0, ("host", pseudo[":authority"]))
    return Seen(pseudo[":method"], pseudo[":path"], "HTTP/2.0", tuple(lines))


def exchange(stream: socket.socket, method: str, scheme: str, target: str, lines: Sequence[Line]) -> Answer:
    """Send one request on a new connection and give its answer; raises ``ConnectionError`` when there is none."""
    if not AVAILABLE:
        raise MissingLibrary("the h2 library is not installed")
    connection = _connection(client=True)
    connection.initiate_connection()
    authority = next(value for name, value in lines if name.lower() == "host")
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", target)]
    # Fields of HTTP/1.1's connection must not be sent here.
    rest = [(name.lower(), value) for name, value in lines if name.lower() not in ("host", "connection")]
    connection.send_headers(1, [*pseudo, *rest], end_stream=True)
    try:
        return _answer(stream, connection)
    except importlib.import_module("h2.exceptions").H2Error as error:
        raise ConnectionError(f"no HTTP/2: {error}") from error


def _answer(stream: socket.socket, connection: Any) -> Answer:
    head: list[Line] = []
    body = bytearray()
    stream.sendall(connection.data_to_send())
    while data := stream.recv(65536):
        for event in connection.receive_data(data):
            kind = type(event).__name__
            if kind == "ResponseReceived":
                head = list(event.headers)
            elif kind == "DataReceived":
                body += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif kind == "StreamEnded":
                return Answer(int(dict(head)[":status"]), head[1:], bytes(body))
            elif kind in ("StreamReset", "ConnectionTerminated"):
                raise ConnectionError(f"{kind}: {event.error_code!r}")
        stream.sendall(connection.data_to_send())
    raise ConnectionError("the connection ended before the answer")
