"""Choosing an app by the request's head."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.failures import busy, not_found
from gateway_filters.asgi.handshake import as_request
from gateway_filters.asgi.ingress import ingress_head
from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.scope import request_head
from gateway_filters.asgi.shell import HeadApp, Serve, hand_on, serve_websocket, serving
from gateway_filters.errors import BadRequest, ClientError, VersionNotServed
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.message.path import under_prefix
from gateway_filters.message.text import path

# What Envoy does not serve either, unless it is told to; granian writes 1 for 1.0. A line of HTTP/1 that claims to be
# of HTTP/2.0 is taken by uvicorn's parser; where that is spoken, ASGI says "2".
_NOT_SERVED = frozenset(("0.9", "1", "1.0", "2.0"))


class Dispatch(HeadApp):
    """Sends each request to what ``choose`` gives for its head, else to ``otherwise``.

    ``ingress`` makes the head that is matched, and what was matched is what the chosen app gets; to
    ``otherwise`` the scope goes untouched, as do scopes that are no requests.
    """

    def __init__(
        self,
        choose: Callable[[RequestHead], Serve | None],
        otherwise: ASGIApp,
        *,
        ingress: Callable[[RequestHead], RequestHead],
    ) -> None:
        self._choose = choose
        self._otherwise = otherwise
        self._ingress = ingress

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Choose and call."""
        canonical = self._ingress(head)
        chosen = self._choose(canonical)
        if chosen is None:
            return hand_on(self._otherwise, scope, receive, send)
        if scope.get("http_version") in _NOT_SERVED:
            raise VersionNotServed("HTTP/1.1 is needed")
        if not head.authority and not any(name == b"host" for name, _ in scope["headers"]):
            raise BadRequest("no Host (RFC 9112 3.2)")
        return chosen(canonical, scope, receive, send)

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing is chosen by what is no request."""
        await self._otherwise(scope, receive, send)


class PathPrefix:
    """Middleware: requests whose path is ``prefix`` or below it (whole segments) go to ``then``, others to ``app``.

    ``prefix`` is text and begins with ``/``; raises ``ConfigurationError`` otherwise. The path is matched below
    the mount point and in its canonical form, which is what ``then`` gets: ``/v1/../x`` is not below ``/v1``.
    What goes to ``app`` goes untouched, as does what would be refused: a path that has no canonical form, or TRACE.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, then: ASGIApp) -> None:
        self._prefix = path(prefix, "path prefix")
        self._app = app
        self._then = serving(then)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by prefix."""
        below = self._below(scope) if scope["type"] in ("http", "websocket") else None
        if below is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await serve_websocket(self._then, below, scope, receive, send)
        else:
            await self._then(below, scope, receive, send)

    def _below(self, scope: Scope) -> RequestHead | None:
        """The head with its canonical path, if that is below the prefix."""
        try:
            head = ingress_head(request_head(scope))
        except ClientError:
            return None
        return head if under_prefix(head.path, self._prefix) else None


async def no_route(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind everything: 404."""
    await _answer(not_found, scope, receive, send)


async def overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    """The app in front of everything while there is too much of it: 503."""
    await _answer(busy, scope, receive, send)


async def _answer(reply: Callable[[], Reply], scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        _, send = as_request(scope, receive, send)
    if scope["type"] in ("http", "websocket"):
        await send_reply(reply(), send)
