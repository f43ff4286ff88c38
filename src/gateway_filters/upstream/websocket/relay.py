"""A WebSocket between a client and an upstream: the handshake first, then each side's messages as they come.

Facts
- Two tasks, one for each direction, from before the handshake: a client may leave while the upstream still thinks.
- Nothing is collected: a message has been sent on before the next one is asked for, in both directions.
- An upstream that refuses answers like any other; its answer is the client's, status, headers and body.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.types import Message, Receive, Send

from gateway_filters.asgi.handshake import SWITCHING
from gateway_filters.errors import ClientDisconnected, UpstreamAborted, UpstreamMalformed
from gateway_filters.message.headers import end_to_end
from gateway_filters.upstream.echo import withhold_echo
from gateway_filters.upstream.transport import IncomingResponse
from gateway_filters.upstream.websocket.connection import Socket
from gateway_filters.upstream.websocket.ending import GOING_AWAY, LOST, NO_CODE, told_to_client, told_to_upstream
from gateway_filters.upstream.websocket.framing import framing
from gateway_filters.upstream.websocket.handshake import Handshake
from gateway_filters.upstream.websocket.limits import WebSocketLimits

if TYPE_CHECKING:
    from websockets.protocol import Protocol

_log = logging.getLogger("gateway_filters")

# A refusal is a few words; servers collect it before they send it.
_LONGEST_REFUSAL = 1024 * 1024
_LAST_WORDS = 1.0  # seconds in which a server that takes nothing more has to say how the client left


class Relay:
    """Relays one WebSocket, told as in ``asgi.handshake``.

    ``offered`` are the subprotocols that the client knows, ``injected`` the credentials that no answer may carry;
    ``name`` is the upstream's, for logs.
    """

    def __init__(
        self, receive: Receive, send: Send, *, offered: frozenset[str], injected: tuple[bytes, ...], name: str
    ) -> None:
        self._receive = receive
        self._send = send
        self._offered = offered
        self._injected = injected
        self._name = name
        self._socket: Socket | None = None
        self._opened = asyncio.Event()
        self._parting: tuple[int | None, str] = (GOING_AWAY, "")

    async def run(
        self, handshake: Handshake, dial: Callable[[], Awaitable[IncomingResponse]], limits: WebSocketLimits
    ) -> None:
        """Relay until either side has gone; ``dial`` sends the handshake and waits for its answer.

        Raises an ``UpstreamError`` when there is no answer that can be handed on, ``ClientDisconnected`` when the
        client leaves before there is one.
        """
        protocol = framing(limits.message_bytes)
        client = asyncio.create_task(self._from_client())
        upstream = asyncio.create_task(self._from_upstream(handshake, dial, protocol, limits))
        try:
            await asyncio.wait((client, upstream), return_when=asyncio.FIRST_COMPLETED)
        finally:
            client.cancel()
            upstream.cancel()
            await asyncio.gather(client, upstream, return_exceptions=True)
            if self._socket is not None:
                self._socket.close(*self._parting)
        for task in (upstream, client):
            if not task.cancelled():
                task.result()
        if upstream.cancelled() and self._socket is None:
            raise ClientDisconnected("the client left before its WebSocket was answered")

    async def _from_upstream(
        self,
        handshake: Handshake,
        dial: Callable[[], Awaitable[IncomingResponse]],
        protocol: "Protocol",
        limits: WebSocketLimits,
    ) -> None:
        response = await dial()
        tunnel = response.upgraded()
        try:
            if tunnel is None:
                await self._refuse(response)
                return
            try:
                subprotocol = handshake.subprotocol(response.headers)
            except UpstreamMalformed as error:
                tunnel.abort()
                raise UpstreamMalformed(f"{self._name} did not answer the handshake: {error}") from None
            self._socket = Socket(tunnel, protocol, limits)
            await self._accept(response, subprotocol)
            await self._pour(self._socket)
        except OSError:
            # The client takes nothing more. How it left is what the other task hears.
            await asyncio.sleep(_LAST_WORDS)

    async def _accept(self, response: IncomingResponse, subprotocol: str | None) -> None:
        start = self._start(response, None)
        await self._send({**start, "subprotocol": subprotocol if subprotocol in self._offered else None})
        self._opened.set()

    def _start(self, response: IncomingResponse, body: bytes | None) -> Message:
        headers = list(end_to_end(response.headers))
        withhold_echo(self._injected, headers, body)
        return {"type": "http.response.start", "status": response.status, "headers": headers}

    async def _pour(self, socket: Socket) -> None:
        while (message := await socket.receive()) is not None:
            await self._send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})
        ending = socket.ending
        assert ending is not None
        if ending.broken:
            _log.error("the WebSocket to %s broke off: %s", self._name, ending.broken)
        code, reason = told_to_client(ending)
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _refuse(self, response: IncomingResponse) -> None:
        left = _LONGEST_REFUSAL
        try:
            if response.status == SWITCHING:
                raise UpstreamMalformed(f"{self._name} switches protocols and hands over no connection")
            whole = response.at_hand()
            await self._send(self._start(response, whole))
            async for piece in _pieces(response, whole):
                left -= len(piece)
                if left < 0:
                    raise UpstreamAborted(f"{self._name} refused a WebSocket with too many words")
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            await response.aclose()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _from_client(self) -> None:
        while True:
            message = await self._receive()
            kind: str = message["type"]
            if kind.endswith(".disconnect"):
                code = message.get("code", NO_CODE if kind == "websocket.disconnect" else LOST)
                self._parting = told_to_upstream(code, message.get("reason"))
                return
            if kind == "websocket.receive":
                await self._opened.wait()
                assert self._socket is not None
                await self._socket.send(_content(message))


async def _pieces(response: IncomingResponse, whole: bytes | None) -> AsyncIterator[bytes]:
    if whole is not None:
        yield whole
    else:
        async for piece in response.chunks():
            yield piece


def _content(message: Message) -> str | bytes:
    text: str | None = message.get("text")
    return (message.get("bytes") or b"") if text is None else text
