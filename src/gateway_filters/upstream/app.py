"""Upstream: the ASGI app that sends a request to an origin and streams the answer back.

It forwards exact bytes (target, header pairs, body) and drops only what concerns one connection. Nothing
is collected: one piece of a body is in hand at a time, in either direction.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
from starlette.types import Receive, Scope, Send

from gateway_filters.asgi.failures import Failures
from gateway_filters.asgi.retry import COUNTED
from gateway_filters.asgi.scope import INJECTED
from gateway_filters.asgi.shell import HeadApp
from gateway_filters.errors import ConfigurationError
from gateway_filters.message.head import RequestHead
from gateway_filters.message.http2 import require_http2
from gateway_filters.upstream import default
from gateway_filters.upstream.answer import relay
from gateway_filters.upstream.body import ClientSide
from gateway_filters.upstream.both_ends import (
    framing_ahead,
    speaks_http2,
    takes_trailers,
    taking_trailers,
    trailing,
)
from gateway_filters.upstream.departures import Departures
from gateway_filters.upstream.home import Home
from gateway_filters.upstream.httpx_transport import HttpxTransport
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.outgoing import forwarded, outgoing
from gateway_filters.upstream.tls import client_context
from gateway_filters.upstream.transport import Clocks, Resolver, Transport
from gateway_filters.upstream.websocket.handshake import Handshake
from gateway_filters.upstream.websocket.limits import WebSocketLimits, WebSockets
from gateway_filters.upstream.websocket.obstacle import websocket_obstacle
from gateway_filters.upstream.websocket.relay import Relay

_PORTS = {"http": 80, "https": 443}
_DEFAULT_CLOCKS = Clocks()
_DEFAULT_WEBSOCKETS = WebSockets()


class BareUpstream(HeadApp):
    """Sends requests through a transport and streams the answers, relays WebSockets; failures are raised.

    ``connect`` makes the transport when it is first needed, for each event loop; ``name`` is for logs; ``http2``
    says that the transport speaks HTTP/2, and raises ``ConfigurationError`` without the extra for it. A WebSocket
    with a credential of the gateway's is for an upstream that is named in ``websockets`` only.
    """

    def __init__(
        self,
        connect: Callable[[], Transport],
        *,
        name: str,
        clocks: Clocks = _DEFAULT_CLOCKS,
        http2: bool = False,
        websockets: WebSockets = _DEFAULT_WEBSOCKETS,
    ) -> None:
        if http2:
            require_http2(f"upstream {name}")
        self._http2 = http2
        self._connect = connect
        self._name = name
        self._clocks = clocks
        self._websockets = websockets
        self._made: _Made | None = None
        self._active = 0
        self._retired = False

    def __repr__(self) -> str:
        return f"BareUpstream({self._name!r})"

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing is sent for what is no request."""

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        self._active += 1
        try:
            made, task = self._here()
            if scope["type"] == "websocket":
                await self._websocket(head, scope, receive, send, made.transport)
                return
            with ClientSide(receive, made.departures, task) as client:
                headers, framing = forwarded(head)
                both = self._http2 and speaks_http2(scope)
                if both:
                    headers += taking_trailers(head)
                    framing = framing_ahead(head, framing)
                framing, body = await client.body(framing)
                request = outgoing(head, scope, headers, framing, body)
                if both:
                    request = trailing(request, scope, head)
                response = await made.transport.send(request, self._clocks)
                await relay(response, send, client, head.injected, trailers=both and takes_trailers(scope))
        finally:
            self._active -= 1
            if self._retired and not self._active:
                await self.aclose()

    async def retire(self) -> None:
        """Close the connections once the exchanges that are under way have ended."""
        self._retired = True
        if not self._active:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; later requests open new ones."""
        if self._made is not None:
            made, self._made = self._made, None
            await made.transport.aclose()

    async def _websocket(
        self, head: RequestHead, scope: Scope, receive: Receive, send: Send, transport: Transport
    ) -> None:
        injected = bool(head.injected) or INJECTED in scope
        named, upgrades = self._websockets.named, transport.upgrades
        error = websocket_obstacle(self._name, injected=injected, named=named, upgrades=upgrades)
        if error is not None:
            raise error
        handshake = Handshake(head, repeat=COUNTED not in scope, client=scope.get("client"))
        offered = frozenset(scope.get("subprotocols") or ())
        relayed = Relay(receive, send, offered=offered, injected=head.injected, name=self._name)
        await relayed.run(handshake, lambda: transport.send(handshake.request, self._clocks), self._websockets.limits)

    def _here(self) -> tuple["_Made", asyncio.Task[None]]:
        """What was made for the event loop that runs, and the running task."""
        made = self._made
        task = None if made is None else made.home.task()
        if made is None or task is None:
            # Connections belong to a loop; one that is gone (a test's, say) has taken its connections with it.
            made = self._made = _Made(self._connect())
            task = made.home.task()
            assert task is not None
        return made, task


class _Made:
    """What is made once for an event loop."""

    __slots__ = ("departures", "home", "transport")

    def __init__(self, transport: Transport) -> None:
        self.home = Home()
        self.transport = transport
        self.departures = Departures(self.home.loop)


class Upstream(Failures):
    """Sends requests to ``origin`` (``https://host[:port]``) and streams the answers; relays WebSockets.

    ``transport``: any ``httpx.AsyncBaseTransport``; left open by ``aclose``. Without one, our own, which ``aclose``
    closes, with at most so many ``connections`` (HTTP/1.1; None is no limit): who finds none free waits its turn, for
    as long as connecting may take, and then gets 503. ``tls``: the context for ``https``, by default one that trusts
    the system's CAs. ``server_hostname``: the name asked for and verified in TLS, by default the host.
    ``resolve``: name resolution, by default the system's. ``deny_private``: a name may lead to public addresses alone.
    ``clocks``: how long to wait, in seconds.
    ``http2``: speak HTTP/2 and nothing else (the extra ``http2``), to ``http`` with prior knowledge, to ``https``
    by ALPN; a context that is given must offer ``h2``.
    ``websocket``: the origin speaks WebSocket, so one may be opened with a credential that a filter injects;
    without, such a one is answered with 403. ``websocket_limits``: what WebSockets may take.

    Raises ``ConfigurationError`` for anything that is not an origin, for ``http2`` without its extra, and for ``http2``
    or ``deny_private`` with a ``transport``. A failure before the answer is answered with 502, 503 or 504; one after it
    aborts the client's connection.
    """

    def __init__(
        self,
        origin: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        resolve: Resolver | None = None,
        clocks: Clocks = _DEFAULT_CLOCKS,
        http2: bool = False,
        connections: int | None = None,
        websocket: bool = False,
        websocket_limits: WebSocketLimits = _DEFAULT_WEBSOCKETS.limits,
        deny_private: bool = False,
    ) -> None:
        place = replace(_origin(origin, server_hostname, resolve), deny_private=deny_private)
        if deny_private and transport is not None:
            raise ConfigurationError(f"upstream {place} has a transport of its own, which finds its addresses itself")
        if http2 and transport is not None:
            raise ConfigurationError(f"upstream {place} has a transport of its own, which decides about HTTP/2 itself")
        context = client_context() if tls is None and transport is None and place.scheme == "https" else tls
        if http2 and context is not None and tls is None:
            context.set_alpn_protocols(["h2"])

        def connect() -> Transport:
            if transport is not None:
                return HttpxTransport(place, transport)
            if http2:
                return default.http2_transport_to(place, context, connections=connections)
            return default.transport_to(place, context, connections=connections)

        websockets = WebSockets(websocket_limits, named=websocket)
        super().__init__(BareUpstream(connect, name=str(place), clocks=clocks, http2=http2, websockets=websockets))
        self._name = str(place)
        self._given = transport is not None

    def __repr__(self) -> str:
        return f"Upstream({self._name!r})"

    async def aclose(self) -> None:
        """Close the connections; a transport that was given stays open. Later requests open new ones."""
        if not self._given:
            await super().aclose()


def _origin(text: str, server_hostname: str | None, resolve: Resolver | None) -> Origin:
    # What stands before an @ may be a password, what is asked for a key.
    shown = repr(re.sub(r"(?<=//).*(?=@)|(?<=[?#]).+", "...", text))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"upstream {shown} is not an origin: its host or port is none") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ConfigurationError(f"upstream {shown} is not an origin such as https://host:port")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"upstream {shown} has more than an origin: rewrite the path with URLRewrite")
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], server_hostname, resolve)
