"""Any ``httpx.AsyncBaseTransport`` as our transport. The only room that builds httpx requests.

Facts
- A bare transport has no cookie jar, follows no redirect, invents no header and logs no URL, all of which
  ``httpx.AsyncClient`` does. ``httpx.Request(stream=…)`` adds no header either.
- ``extensions["target"]`` makes httpcore send exact bytes; other transports and mocks read the URL, which
  httpx normalises. So both are set.
- ``extensions["sni_hostname"]`` is the name that TLS asks for *and* verifies.
- httpcore looks at ``extensions["timeout"]`` before each read, so changing the ``read`` entry when the
  answer has begun turns the first-byte clock into the idle clock.
"""

import ssl
from collections.abc import AsyncIterator, Sequence

import httpx

from gateway_filters.errors import BadRequest, NotConnected
from gateway_filters.message.headers import Headers
from gateway_filters.upstream.failures import after_answer_began, before_answer, shown_cause
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.transport import Clocks, IncomingResponse, OutgoingRequest, Transport


class HttpxTransport(Transport):
    """Carries requests to ``origin`` through ``inner``, any ``httpx.AsyncBaseTransport``."""

    def __init__(self, origin: Origin, inner: httpx.AsyncBaseTransport) -> None:
        self._origin = origin
        self._inner = inner
        self._name = str(origin)

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        """Try the origin's addresses in order until one accepts a connection."""
        addresses = await self._addresses()
        for tried, (host, port) in enumerate(addresses, 1):
            try:
                return await self._send_to(host, port, request, clocks)
            except NotConnected:  # raised here and kept nowhere: a frame that holds its error is a cycle
                if tried == len(addresses):
                    raise
        raise NotConnected(f"{self._name} has no address")

    async def aclose(self) -> None:
        """Close the httpx transport."""
        await self._inner.aclose()

    async def _send_to(self, host: str, port: int, request: OutgoingRequest, clocks: Clocks) -> "HttpxResponse":
        timeout = {
            "connect": clocks.connect,
            "read": clocks.first_byte,
            "write": clocks.idle,
            "pool": clocks.connect,
        }
        try:
            response = await self._inner.handle_async_request(self._request(host, port, request, timeout))
        except httpx.TransportError as error:
            raise before_answer(error, self._name) from shown_cause(error)
        timeout["read"] = clocks.idle
        return HttpxResponse(response, self._name)

    def _request(self, host: str, port: int, request: OutgoingRequest, timeout: dict[str, float]) -> httpx.Request:
        origin = self._origin
        extensions: dict[str, object] = {"target": request.target, "timeout": timeout}
        if origin.scheme == "https":
            extensions["sni_hostname"] = origin.server_hostname or origin.host
        built = httpx.Request(
            request.method,
            _url(origin.scheme, host, port, request.target),
            headers=list(request.headers),
            stream=_Body(request.body),
            extensions=extensions,
        )
        built.method = request.method  # httpx writes it in capitals; methods are case-sensitive (RFC 9110 9.1)
        return built

    async def _addresses(self) -> Sequence[tuple[str, int]]:
        origin = self._origin
        if origin.resolve is None:
            return ((origin.host, origin.port),)
        try:
            return await origin.resolve(origin.host, origin.port)
        except OSError as error:
            raise NotConnected(f"{self._name} could not be resolved: {error}") from error


class HttpxResponse(IncomingResponse):
    """An httpx response as plain values; its body's bytes as they came, never decoded."""

    def __init__(self, response: httpx.Response, origin: str) -> None:
        self.status = response.status_code
        self.headers: Headers = tuple((name.lower(), value) for name, value in response.headers.raw)
        self._response = response
        self._origin = origin

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes; raises ``UpstreamAborted`` when it breaks off."""
        stream = self._response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise after_answer_began(httpx.ReadError("the transport's answer is not an async stream"), self._origin)
        try:
            async for chunk in stream:
                yield chunk
        except httpx.TransportError as error:
            raise after_answer_began(error, self._origin) from shown_cause(error)

    async def aclose(self) -> None:
        """Release the connection, or close it when the body was not read to its end."""
        await self._response.aclose()


class _Body(httpx.AsyncByteStream):
    """The request's body, handed on piece by piece."""

    def __init__(self, chunks: AsyncIterator[bytes] | bytes | None) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self._chunks, bytes):
            if self._chunks:
                yield self._chunks
        elif self._chunks is not None:
            async for chunk in self._chunks:
                yield chunk


def default_transport(
    context: ssl.SSLContext | None, unix: str | None = None, connections: int | None = None
) -> httpx.AsyncHTTPTransport:
    """httpx's own transport, with at most ``connections`` and without a look at the environment.

    ``context`` is for TLS; ``unix`` names a socket of this machine to connect to, whatever the URL says.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=None, keepalive_expiry=30.0)
    verify = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncHTTPTransport(verify=verify, limits=limits, trust_env=False, uds=unix)


def _url(scheme: str, host: str, port: int, target: bytes) -> httpx.URL:
    try:
        return httpx.URL(scheme=scheme, host=host, port=port, raw_path=target)
    except (httpx.InvalidURL, UnicodeDecodeError) as error:
        raise BadRequest("the request target is not printable ASCII") from error
