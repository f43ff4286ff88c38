"""Our own HTTP/1.1 client for users of httpx: ``httpx.AsyncClient(transport=AsyncHTTP11Transport())``.

Facts
- httpx's four timeouts mean what httpx documents: connect, read (the head and each piece), write, pool; None
  is no limit. Redirects, cookies, default headers and decoding are the client's affair, not a transport's.
- A 101 comes with the raw stream in ``extensions["network_stream"]``, as from httpcore; it is the caller's while
  the response is open.
- ``extensions["target"]`` is sent as it is; ``extensions["sni_hostname"]`` is asked for and verified in TLS.
- No variable of the environment is read, and no proxy is known.
"""

import ssl
from collections.abc import AsyncIterator
from typing import cast

import httpx

from gateway_filters.errors import (
    BadRequest,
    ConfigurationError,
    ConnectTimeout,
    GatewayFiltersError,
    NotConnected,
    UpstreamAborted,
    UpstreamBusy,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway_filters.upstream.clocks import NEVER, Patience
from gateway_filters.upstream.exchange import Exchange, IdleTimeout, WriteTimeout
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.network_stream import NetworkStream
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.tls import client_context
from gateway_filters.upstream.transport import OutgoingRequest, Resolver

_PORTS = {"http": 80, "https": 443}
_MOST_ORIGINS = 1000

# Looked up along the error's class hierarchy, so the most exact row wins.
_ERRORS: dict[type[BaseException], type[httpx.TransportError]] = {
    BadRequest: httpx.LocalProtocolError,
    ConfigurationError: httpx.LocalProtocolError,
    UpstreamBusy: httpx.PoolTimeout,
    ConnectTimeout: httpx.ConnectTimeout,
    NotConnected: httpx.ConnectError,
    WriteTimeout: httpx.WriteTimeout,
    UpstreamTimeout: httpx.ReadTimeout,
    UpstreamMalformed: httpx.RemoteProtocolError,
    UpstreamUnreachable: httpx.ReadError,
    IdleTimeout: httpx.ReadTimeout,
    UpstreamAborted: httpx.RemoteProtocolError,
}

_Key = tuple[str, str, int, str | None]


class AsyncHTTP11Transport(httpx.AsyncBaseTransport):
    """An httpx transport over pools of our own, one for each origin.

    ``tls``: the context for https, by default one that trusts the system's CAs. ``unix``: a socket of this
    machine to connect to, whatever the URL says. ``limit``: connections to one origin, None for no limit;
    ``expiry``: seconds after which idle ones close. ``resolve``: name resolution, by default the system's.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        unix: str | None = None,
        limit: int | None = None,
        expiry: float = 45.0,
        resolve: Resolver | None = None,
    ) -> None:
        self._tls = tls
        self._unix = unix
        self._limit = limit
        self._expiry = expiry
        self._resolve = resolve
        self._transports: dict[_Key, NativeTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``; raises an ``httpx.TransportError``."""
        try:
            exchange = await self._transport_for(request).exchange(_outgoing(request), _patience(request))
        except GatewayFiltersError as error:
            raise _as_httpx(error, request) from error
        extensions: dict[str, object] = {"http_version": f"HTTP/{exchange.version}".encode()}
        stream: httpx.AsyncByteStream = _Answer(exchange, request)
        tunnel = exchange.upgraded()
        if tunnel is not None:
            extensions["network_stream"] = network = NetworkStream(tunnel)
            stream = _Upgraded(network)
        return httpx.Response(exchange.status, headers=exchange.fields, stream=stream, extensions=extensions)

    async def aclose(self) -> None:
        """Close all connections; later requests open new ones."""
        while self._transports:
            await self._transports.popitem()[1].aclose()

    def _transport_for(self, request: httpx.Request) -> NativeTransport:
        url, name = request.url, cast("str | None", request.extensions.get("sni_hostname"))
        if url.scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"{url.scheme or 'no scheme'} is neither http nor https", request=request)
        key = (url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme], name)
        known = self._transports.get(key)
        return self._made(key) if known is None else known

    def _made(self, key: _Key) -> NativeTransport:
        scheme, host, port, name = key
        if not host:
            raise httpx.UnsupportedProtocol("the URL names no host")
        if len(self._transports) >= _MOST_ORIGINS:
            raise httpx.PoolTimeout(f"more than {_MOST_ORIGINS} origins")
        origin = Origin(scheme, host, port, name, self._resolve)
        made = NativeTransport(origin, self._context(scheme), unix=self._unix, limit=self._limit, expiry=self._expiry)
        self._transports[key] = made
        return made

    def _context(self, scheme: str) -> ssl.SSLContext | None:
        if scheme == "https" and self._tls is None:
            self._tls = client_context()
        return self._tls


class _Answer(httpx.AsyncByteStream):
    """The pieces of an answer, for httpx."""

    def __init__(self, exchange: Exchange, request: httpx.Request) -> None:
        self._exchange = exchange
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._exchange:
                yield piece
        except GatewayFiltersError as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        await self._exchange.aclose()


class _Upgraded(httpx.AsyncByteStream):
    """The body of a 101, which has none: closing it closes the connection."""

    def __init__(self, network: NetworkStream) -> None:
        self._network = network

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for nothing in ():
            yield nothing

    async def aclose(self) -> None:
        await self._network.aclose()


def _outgoing(request: httpx.Request) -> OutgoingRequest:
    target = cast("bytes", request.extensions.get("target", request.url.raw_path))
    return OutgoingRequest(request.method, target, tuple(request.headers.raw), _body(request))


def _body(request: httpx.Request) -> AsyncIterator[bytes] | bytes:
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream)
    if not isinstance(stream, httpx.AsyncByteStream):
        raise BadRequest("the request's body is no async stream")
    return aiter(stream)


def _patience(request: httpx.Request) -> Patience:
    timeout = cast("dict[str, float | None]", request.extensions.get("timeout", {}))
    pool, connect, read, write = (_seconds(timeout.get(name)) for name in ("pool", "connect", "read", "write"))
    return Patience(pool, connect, read, read, write)


def _seconds(given: float | None) -> float:
    return NEVER if given is None else given


def _as_httpx(error: GatewayFiltersError, request: httpx.Request) -> httpx.TransportError:
    kind = next(_ERRORS[each] for each in type(error).__mro__ if each in _ERRORS)
    return kind(str(error), request=request)
