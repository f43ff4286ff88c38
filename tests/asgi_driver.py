"""A raw ASGI client: one message at a time in, every message seen the moment it is sent.

``httpx.ASGITransport`` and test clients collect whole bodies, so nothing that streams can be tested with
them. The driver plays the server: it says how often the app asked for a message, may keep ``send`` waiting,
and may leave at any moment.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Pairs = list[tuple[bytes, bytes]]

PATIENCE = 30.0
"""Seconds after which something that should happen at once counts as never happening, on a busy machine too."""


def http_scope(
    target: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[bytes, bytes]] = ((b"host", b"gateway.test"),),
    root_path: str = "",
    **more: object,
) -> Scope:
    """The scope that uvicorn makes of a request line, headers and ``--root-path``."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": root_path + unquote(path),
        "raw_path": root_path.encode() + path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": root_path,
        "headers": list(headers),
        "client": ("192.0.2.1", 50000),
        "server": ("192.0.2.2", 80),
        "state": {},
        **more,
    }


def websocket_scope(
    target: str = "/",
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    subprotocols: Iterable[str] = (),
    denial: bool = True,
    **more: object,
) -> Scope:
    """The scope that uvicorn makes of a WebSocket's handshake; ``denial``: whether refusals can be delivered."""
    own = [
        (b"host", b"gateway.test"),
        (b"connection", b"keep-alive, Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]
    offered = list(subprotocols)
    if offered:
        own.append((b"sec-websocket-protocol", ", ".join(offered).encode()))
    scope = http_scope(target, headers=[*own, *headers])
    del scope["method"]
    extensions: dict[str, dict[str, object]] = {"websocket.http.response": {}} if denial else {}
    return {**scope, "type": "websocket", "scheme": "ws", "subprotocols": offered, "extensions": extensions, **more}


class Driver:
    """Runs ``app`` on ``scope`` inside ``async with``, as a server would."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self.scope = scope
        self.asked = 0
        self.sent: list[Message] = []
        self._app = app
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = False
        self._changed = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._read = 0

    async def __aenter__(self) -> Self:
        self.task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    # What the client does

    def feed(self, body: bytes = b"", *, more: bool = False) -> None:
        """A piece of the request's body arrives; the last one unless ``more``."""
        self.feed_message({"type": "http.request", "body": body, "more_body": more})

    def feed_message(self, message: Message) -> None:
        """Any message arrives."""
        self._incoming.put_nowait(message)

    def connect(self) -> Self:
        """The client wants a WebSocket."""
        self.feed_message({"type": "websocket.connect"})
        return self

    def disconnect(self) -> None:
        """The client leaves."""
        self._gone = True
        self.feed_message({"type": "http.disconnect"})

    def hold(self) -> None:
        """The client stops reading: ``send`` waits until ``release``."""
        self._open.clear()

    def release(self) -> None:
        """The client reads again."""
        self._open.set()

    # What the test sees

    async def next(self) -> Message:
        """The next message that the app sends, as soon as it does; an app that ends first is an error."""
        await self.until(lambda: len(self.sent) > self._read or self.task.done())
        if len(self.sent) == self._read:
            self.task.result()
            raise AssertionError("the app ended and sent nothing more")
        self._read += 1
        return self.sent[self._read - 1]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something about this driver, or the app's end, makes ``happened`` true."""
        async with asyncio.timeout(PATIENCE):
            while not happened():
                self._changed.clear()
                await self._changed.wait()

    async def end_or_hold(self, *, sent: int) -> None:
        """Wait until the app has sent so many messages, the last of which may be kept waiting."""
        await self.until(lambda: len(self.sent) >= sent or self.task.done())

    async def end(self) -> None:
        """Wait for the app to end; raises what it raises."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.task])
        self.task.result()

    # What the app calls

    async def _run(self) -> None:
        try:
            await self._app(self.scope, self._receive, self._send)
        finally:
            self._changed.set()

    async def _receive(self) -> Message:
        self.asked += 1
        self._changed.set()
        if self._gone and self._incoming.empty():
            return {"type": "http.disconnect"}
        return await self._incoming.get()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._changed.set()
        await self._open.wait()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Pairs
    body: bytes
    messages: list[Message]

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]


async def exchange(app: ASGIApp, scope: Scope, *pieces: bytes) -> Answer:
    """Send a request with a body in ``pieces`` and collect the answer; raises what the app raises."""
    async with Driver(app, scope) as driver:
        for piece in pieces[:-1]:
            driver.feed(piece, more=True)
        driver.feed(pieces[-1] if pieces else b"")
        await driver.end()
    return answer_of(driver.sent)


def answer_of(messages: list[Message]) -> Answer:
    """The answer that ``messages`` are; the last one must end the body."""
    start, *body = [each for each in messages if each["type"] in ("http.response.start", "http.response.body")]
    assert start["type"] == "http.response.start"
    assert [each.get("more_body", False) for each in body] == [True] * (len(body) - 1) + [False]
    content = b"".join(each.get("body", b"") for each in body)
    return Answer(start["status"], list(start.get("headers", ())), content, messages)


async def settled() -> None:
    """Let everything that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)


class Inner:
    """The app at the end of a chain: keeps the scopes it was called with and answers ``200 inner``."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"inner") -> None:
        self.scopes: list[Scope] = []
        self.sends: list[Send] = []
        self._headers = list(headers)
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the scope and answer."""
        self.scopes.append(scope)
        self.sends.append(send)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await send({"type": "http.response.body", "body": self._body})

    @property
    def scope(self) -> dict[str, Any]:
        """The one scope it was called with."""
        (scope,) = self.scopes
        return dict(scope)


def app_of(function: Callable[[Scope, Receive, Send], Awaitable[None]]) -> ASGIApp:
    """A function as an ASGI app, for the type checker."""
    return function


def json_error(body: bytes) -> dict[str, object]:
    """The error in a body of the OpenAI error shape, which must hold nothing else."""
    content: dict[str, dict[str, object]] = json.loads(body)
    assert content.keys() == {"error"}
    return content["error"]
