"""Apps that take a request's head beside its scope, so that it is cut once however many of them it passes.

What a filter or a rewrite has made of a request stands in its head alone; a scope that says the same is written
only where the next app is not one of ours, and a scope that nothing was changed of passes as it is.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.handshake import as_request, as_websocket
from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.scope import request_head, scope_with
from gateway_filters.message.head import RequestHead

Serve = Callable[[RequestHead, Scope, Receive, Send], Awaitable[None]]
"""Serves one request: its head as it is by now, and the scope, ``receive`` and ``send`` of the server.

A WebSocket is a request, too: what is received and sent is as ``handshake`` says, the scope is the server's.
"""


class HeadApp:
    """An ASGI app that works with heads."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ``http`` request or a WebSocket; other scopes go to ``beside``."""
        await self.entered(scope, receive, send)

    def entered(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The same, for whoever awaits what it gives: a coroutine less on the way of each request."""
        if scope["type"] == "http":
            return self.serve(request_head(scope), scope, receive, send)
        if scope["type"] == "websocket":
            return serve_websocket(self.serve, request_head(scope), scope, receive, send)
        return self.beside(scope, receive, send)

    @abstractmethod
    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request. ``head`` says what the request is by now, also where ``scope`` says otherwise."""

    @abstractmethod
    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a scope that is no request, a lifespan say."""


class Shell(HeadApp):
    """Stands before ``app``; scopes that are no requests pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._serve = serving(app)

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the scope on as it is."""
        await self.app(scope, receive, send)

    async def aclose(self) -> None:
        """Close the app inside, if it can be closed."""
        await close(self.app)


def serving(app: ASGIApp) -> Serve:
    """How ``app`` is given a head: directly where it takes one, otherwise written into a copy of the scope."""
    if isinstance(app, HeadApp):
        return app.serve

    def written(head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return hand_on(app, scope if head.cut_from is scope else scope_with(scope, head), receive, send)

    return written


def hand_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Call an app that is not ours with the scope as it is, and with messages as it knows them."""
    if scope["type"] == "websocket":
        receive, send = as_websocket(receive, send)
    return app(scope, receive, send)


async def serve_websocket(serve: Serve, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the WebSocket that a server brings, once it says that the client wants one."""
    if (await receive())["type"] == "websocket.connect":
        await serve(head, scope, *as_request(scope, receive, send))
