"""Choosing an app by the request's head."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.failures import not_found
from gateway_filters.asgi.ingress import ingress_head
from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.scope import request_head, scope_knowing, scope_with
from gateway_filters.errors import BadRequest
from gateway_filters.message.head import RequestHead
from gateway_filters.message.path import under_prefix
from gateway_filters.message.text import path


class Dispatch:
    """Sends each ``http`` request to the app that ``choose`` gives for its head, else to ``otherwise``.

    ``ingress`` makes the head that is matched, and what was matched is what the chosen app gets; to
    ``otherwise`` the scope goes untouched, as do scopes of other types.
    """

    def __init__(
        self,
        choose: Callable[[RequestHead], ASGIApp | None],
        otherwise: ASGIApp,
        *,
        ingress: Callable[[RequestHead], RequestHead] | None = None,
    ) -> None:
        self._choose = choose
        self._otherwise = otherwise
        self._ingress = ingress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose and call."""
        if scope["type"] != "http":
            await self._otherwise(scope, receive, send)
            return
        received = request_head(scope)
        head = received if self._ingress is None else self._ingress(received)
        chosen = self._choose(head)
        if chosen is None:
            await self._otherwise(scope, receive, send)
        elif self._ingress is None:
            await chosen(scope, receive, send)
        else:
            known = scope_knowing(scope, head) if head is received else scope_with(scope, head)
            await chosen(known, receive, send)


class PathPrefix:
    """Middleware: requests whose path is ``prefix`` or below it (whole segments) go to ``then``, others to ``app``.

    ``prefix`` is text and begins with ``/``; raises ``ConfigurationError`` otherwise. The path is matched below
    the mount point and in its canonical form, which is what ``then`` gets: ``/v1/../x`` is not below ``/v1``.
    What goes to ``app`` goes untouched, as does a path that has no canonical form.
    """

    def __init__(self, app: ASGIApp, *, prefix: str, then: ASGIApp) -> None:
        self._prefix = path(prefix, "path prefix")
        self._app = app
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by prefix."""
        below = self._below(scope) if scope["type"] == "http" else None
        if below is None:
            await self._app(scope, receive, send)
        else:
            await self._then(below, receive, send)

    def _below(self, scope: Scope) -> Scope | None:
        """The scope with its canonical path, if that is below the prefix."""
        try:
            received = request_head(scope)
            head = ingress_head(received)
            if not under_prefix(head.path, self._prefix):
                return None
            return scope if head is received else scope_with(scope, head)
        except BadRequest:
            return None


async def no_route(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind everything: 404 for ``http``; a WebSocket is refused, which servers turn into 403."""
    del receive
    if scope["type"] == "http":
        await send_reply(not_found(), send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
