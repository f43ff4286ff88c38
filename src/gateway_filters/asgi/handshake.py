"""A WebSocket as a request with an answer, which is what its handshake is: so every step serves both alike.

Inside of us a WebSocket is a GET that may be answered with 101, in the messages of ``http`` scopes:

- ``receive`` gives an empty ``http.request``, and ``http.disconnect`` when the client leaves before the answer;
- ``http.response.start`` with the status 101, and ``subprotocol`` where one was chosen, accepts; with any other
  status it refuses, and the body of the refusal follows;
- after a 101 the messages are ASGI's: ``websocket.receive``, ``.send``, ``.disconnect`` and ``.close``.

``as_request`` tells a server's WebSocket so, ``as_websocket`` tells it back for an app that is not ours.

Facts
- A server can deliver a refusal as it is only with the extension ``websocket.http.response``; without it any
  refusal becomes 403 (ASGI, WebSocket Denial Response; ``websocket.close`` before the accept).
- A server writes the handshake's own fields itself (RFC 6455 4.2.2).
"""

from collections.abc import Awaitable

from starlette.types import Message, Receive, Scope, Send

SWITCHING = 101

_EXTENSION = "websocket.http.response"
_SERVERS_OWN = frozenset(
    (
        b"connection",
        b"content-length",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"transfer-encoding",
        b"upgrade",
    )
)
_ANSWER = "http.response."


def as_request(scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """``receive`` and ``send`` for a WebSocket of a server; its ``websocket.connect`` has been received."""
    told = _ToldAsRequest(receive, send, denies=_EXTENSION in (scope.get("extensions") or {}))
    return told.receive, told.send


def as_websocket(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """``receive`` and ``send`` for an app that is not ours, from those that ``as_request`` has made."""
    told = _ToldAsWebSocket(receive, send)
    return told.receive, told.send


class _ToldAsRequest:
    def __init__(self, receive: Receive, send: Send, *, denies: bool) -> None:
        self._receive = receive
        self._send = send
        self._denies = denies
        self._asked = False
        self._accepted = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and not self._accepted:
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        kind: str = message["type"]
        if kind == "http.response.start" and message["status"] == SWITCHING:
            self._accepted = True
            await self._send(_accept(message))
        elif not kind.startswith(_ANSWER):
            await self._send(message)
        elif self._denies:
            await self._send({**message, "type": f"websocket.{kind}"})
        elif kind == "http.response.start":
            await self._send({"type": "websocket.close", "code": 1000, "reason": ""})


def _accept(message: Message) -> Message:
    headers = [pair for pair in message.get("headers", ()) if pair[0] not in _SERVERS_OWN]
    return {"type": "websocket.accept", "subprotocol": message.get("subprotocol"), "headers": headers}


class _ToldAsWebSocket:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            return {"type": "websocket.connect"}
        if message["type"] == "http.disconnect":
            return {"type": "websocket.disconnect", "code": 1006}
        return message

    def send(self, message: Message) -> Awaitable[None]:
        kind: str = message["type"]
        first, self._answered = not self._answered, True
        if kind == "websocket.accept":
            start = {"type": "http.response.start", "status": SWITCHING, "headers": message.get("headers", ())}
            return self._send({**start, "subprotocol": message.get("subprotocol")})
        if kind == "websocket.close" and first:
            return self._forbid()
        return self._send({**message, "type": kind.removeprefix("websocket.")} if _ANSWER in kind else message)

    async def _forbid(self) -> None:
        await self._send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
