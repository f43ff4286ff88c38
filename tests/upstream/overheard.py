"""What an exchange is told while bytes come in on its connection; its keeper and its transport do nothing."""

import asyncio
from typing import cast

from gateway_filters.upstream.connection import Connection, Keeper
from gateway_filters.upstream.response_head import AnswerHead, Fields, WholeAnswer
from gateway_filters.upstream.served import Served
from gateway_filters.upstream.tunnel import Tunnel


class Kept(Keeper):
    """Notes whether a connection was given back."""

    name = "upstream.test"

    def __init__(self) -> None:
        self.released = False

    def release(self, connection: Connection) -> None:
        self.released = True

    def forget(self, connection: Connection) -> None: ...

    def gone(self, connection: Connection) -> None: ...


class Heard(Served):
    """An exchange that notes what it is told."""

    bodiless = False
    closes = False
    switches: frozenset[bytes] = frozenset()
    uploaded = True

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.headers: object = None
        self.body = b""
        self.ending = ""

    def answer(self, head: AnswerHead) -> None:
        self.status, self.fields, self.headers = head.status, list(head.fields), head.headers

    def whole(self, answer: WholeAnswer) -> None:
        self.status, self.fields, self.headers = answer.status, list(answer.fields), answer.headers
        self.body = answer.body
        self.ending = "finished"

    def switch(self, fields: Fields, tunnel: Tunnel) -> None:
        self.ending = "switched"

    def take(self, piece: bytes) -> None:
        self.body += piece

    def finish(self) -> None:
        self.ending = "finished"

    def malformed(self, reason: str) -> None:
        self.ending = "malformed"

    def lost(self, reason: str, *, silent: bool) -> None:
        self.ending = "lost"

    def writable(self) -> None: ...


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


def heard(*reads: bytes) -> tuple[object, ...]:
    """What an exchange is told when ``reads`` come in, and whether the connection is kept."""
    keeper, exchange = Kept(), Heard()
    connection = Connection(keeper)
    connection.connection_made(cast("asyncio.BaseTransport", Wire()))
    connection.begin(exchange, b"GET / HTTP/1.1\r\n\r\n")
    for data in reads:
        if data:
            connection.data_received(data)
    return exchange.status, exchange.fields, exchange.headers, exchange.body, exchange.ending, keeper.released
