"""Origins that say in TLS, by ALPN, whether they speak HTTP/2: what they agreed to last is tried first."""

from gateway_filters.errors import NotConnected
from gateway_filters.upstream.dial import Disagreement
from gateway_filters.upstream.transport import Clocks, IncomingResponse, OutgoingRequest, Transport


class Negotiated(Transport):
    """Sends over ``http2``, or over ``http1`` once the origin has not agreed to HTTP/2, until it does again.

    A connection that comes to the other one than expected is closed, before anything is sent on it.
    """

    def __init__(self, http2: Transport, http1: Transport) -> None:
        self._http2 = http2
        self._http1 = http1
        self._agreed = True

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        """Send in the protocol that the origin agrees to; raises an ``UpstreamError``."""
        for _ in range(2):
            try:
                if self._agreed:
                    return await self._http2.send(request, clocks)
                return await self._http1.send(_without_te(request), clocks)
            except Disagreement:  # nothing was sent, the body is untouched
                self._agreed = not self._agreed
        raise NotConnected("the origin agrees to another protocol each time")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http2.aclose()
        await self._http1.aclose()


def _without_te(request: OutgoingRequest) -> OutgoingRequest:
    """In HTTP/1.1 it concerns one connection only, and trailers are not passed on."""
    headers = tuple(pair for pair in request.headers if pair[0] != b"te")
    return OutgoingRequest(request.method, request.target, headers, request.body, request.framing, request.repeat)
