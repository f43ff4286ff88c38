"""Upstream: the ASGI app that sends a request to an origin and streams the answer back.

It forwards exact bytes (target, header pairs, body) and drops only what concerns one connection. Nothing
is collected: one piece of a body is in hand at a time, in either direction.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import httpx
from starlette.types import Receive, Scope, Send

from gateway_filters.asgi.failures import Failures
from gateway_filters.asgi.scope import request_head
from gateway_filters.errors import BadRequest, ConfigurationError
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import HOP_BY_HOP, end_to_end, first, values, without
from gateway_filters.upstream import default
from gateway_filters.upstream.body import ClientSide
from gateway_filters.upstream.httpx_transport import HttpxTransport
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.tls import client_context
from gateway_filters.upstream.transport import Clocks, IncomingResponse, OutgoingRequest, Resolver, Transport

_PORTS = {"http": 80, "https": 443}
_DEFAULT_CLOCKS = Clocks()


class BareUpstream:
    """Sends ``http`` requests through a transport and streams the answers; failures are raised.

    ``connect`` makes the transport when it is first needed, for each event loop; ``name`` is for logs.
    """

    def __init__(self, connect: Callable[[], Transport], *, name: str, clocks: Clocks = _DEFAULT_CLOCKS) -> None:
        self._connect = connect
        self._name = name
        self._clocks = clocks
        self._made: tuple[asyncio.AbstractEventLoop, Transport] | None = None
        self._active = 0
        self._retired = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request; a WebSocket is refused before it is accepted."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            self._active += 1
            try:
                await self._exchange(scope, receive, send)
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
            made, self._made = self._made[1], None
            await made.aclose()

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = request_head(scope)
        async with ClientSide(receive) as client:
            request = await outgoing(head, client)
            response = await self._transport().send(request, self._clocks)
            try:
                await relay(response, send)
            finally:
                await response.aclose()
            client.finish()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _transport(self) -> Transport:
        loop = asyncio.get_running_loop()
        # Connections belong to a loop; one that is gone (a test's, say) has taken its connections with it.
        if self._made is None or self._made[0] is not loop:
            self._made = (loop, self._connect())
        return self._made[1]


class Upstream(BareUpstream):
    """Sends ``http`` requests to ``origin`` (``https://host[:port]``) and streams the answers.

    ``transport``: any ``httpx.AsyncBaseTransport``; left open by ``aclose``. Without one, our own,
    unlimited, which ``aclose`` closes. ``tls``: the context for ``https``, by default one that trusts the
    system's CAs. ``server_hostname``: the name asked for and verified in TLS, by default the host.
    ``resolve``: name resolution, by default the system's. ``clocks``: how long to wait, in seconds.

    Raises ``ConfigurationError`` for anything that is not an origin. A failure before the answer is
    answered with 502, 503 or 504; one after it aborts the client's connection.
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
    ) -> None:
        place = _origin(origin, server_hostname, resolve)
        context = client_context() if tls is None and transport is None and place.scheme == "https" else tls
        super().__init__(
            lambda: HttpxTransport(place, transport) if transport else default.transport_to(place, context),
            name=str(place),
            clocks=clocks,
        )
        self._given = transport is not None
        self._guarded = Failures(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request and answer its failure."""
        await self._guarded(scope, receive, send)

    async def aclose(self) -> None:
        """Close the connections; a transport that was given stays open. Later requests open new ones."""
        if not self._given:
            await super().aclose()


async def outgoing(head: RequestHead, client: ClientSide) -> OutgoingRequest:
    """The request to send for ``head``: Host first, framing as the client had it, hop-by-hop headers off.

    Raises ``BadRequest`` for framing that two parsers could read differently.
    """
    lengths, codings = values(head.headers, b"content-length"), values(head.headers, b"transfer-encoding")
    if len(lengths) + len(codings) > 1 or not _understood(lengths, codings):
        raise BadRequest("the request's body is framed twice or wrongly")
    # HTTP/2 and some servers name no length: only the body itself shows whether there is one.
    chunked = bool(codings) or (not lengths and await client.has_body())
    host = ((b"host", head.authority),) if head.authority else ()
    framing = ((b"transfer-encoding", b"chunked"),) if chunked else ()
    headers = (*host, *without(head.headers, HOP_BY_HOP), *framing)
    body = await _body(client) if chunked or lengths else None
    return OutgoingRequest(head.method.decode("latin-1"), head.target, headers, body)


async def _body(client: ClientSide) -> AsyncIterator[bytes] | bytes:
    # Most bodies come with their heads, and leave with them, without a task to send them.
    whole = await client.at_hand()
    return client.chunks() if whole is None else whole


async def relay(response: IncomingResponse, send: Send) -> None:
    """Send the head of ``response`` and its body piece by piece; the end of the body is left to the caller."""
    headers = end_to_end(response.headers)
    if response.status in (204, 304) or first(response.headers, b"transfer-encoding") is not None:
        # Servers take the length for that of the body to come: there is none, or it is not that one
        # (RFC 9112 6.3: Transfer-Encoding overrides Content-Length).
        headers = without(headers, {b"content-length"})
    await send({"type": "http.response.start", "status": response.status, "headers": list(headers)})
    async for chunk in response.chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _understood(lengths: tuple[bytes, ...], codings: tuple[bytes, ...]) -> bool:
    return all(length.isdigit() for length in lengths) and all(coding.lower() == b"chunked" for coding in codings)


def _origin(text: str, server_hostname: str | None, resolve: Resolver | None) -> Origin:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"upstream {text!r} is not an origin: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ConfigurationError(f"upstream {text!r} is not an origin such as https://host:port")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"upstream {text!r} has more than an origin: rewrite the path with URLRewrite")
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], server_hostname, resolve)
