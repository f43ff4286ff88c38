"""WebSocket: the backend's echo, and one message sent through a gateway."""

import asyncio

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.client import connect


async def echo_messages(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept the upgrade that ``head`` asks for and send every message back."""
    protocol = ServerProtocol()
    data = head
    while data:
        protocol.receive_data(data)
        _react(protocol)
        for piece in protocol.data_to_send():
            writer.write(piece)
        await writer.drain()
        if protocol.close_expected():
            return
        data = await reader.read(65536)


def exchange_message(address: str, port: int, path: str, message: str) -> str | bytes:
    """What comes back for one message; raises ``OSError`` or ``WebSocketException``."""
    with connect(f"ws://{address}:{port}{path}", proxy=None, open_timeout=30, close_timeout=2) as connection:
        connection.send(message)
        return connection.recv(timeout=30)


def _react(protocol: ServerProtocol) -> None:
    for event in protocol.events_received():
        if isinstance(event, Request):
            protocol.send_response(protocol.accept(event))
        elif isinstance(event, Frame):
            _send_back(protocol, event)


def _send_back(protocol: ServerProtocol, frame: Frame) -> None:
    # Control frames are answered by the protocol itself.
    if frame.opcode is Opcode.TEXT:
        protocol.send_text(bytes(frame.data), frame.fin)
    elif frame.opcode is Opcode.BINARY:
        protocol.send_binary(bytes(frame.data), frame.fin)
    elif frame.opcode is Opcode.CONT:
        protocol.send_continuation(bytes(frame.data), frame.fin)
