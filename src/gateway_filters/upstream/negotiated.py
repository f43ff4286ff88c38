"""Origins that say in TLS, by ALPN, whether they speak HTTP/2."""

import time

from gateway_filters.upstream.dial import Disagreement
from gateway_filters.upstream.transport import Clocks, IncomingResponse, OutgoingRequest, Transport

_ASK_AGAIN = 60.0  # seconds, for an origin may learn HTTP/2


class Negotiated(Transport):
    """Sends over ``http2``, or over ``http1`` where the origin does not agree to that, and asks again in a while.

    A connection without that agreement is closed, before anything is sent on it. What may end in another
    protocol (101) is for ``http1``, whose TLS must not offer HTTP/2.
    """

    def __init__(self, http2: Transport, http1: Transport) -> None:
        self._http2 = http2
        self._http1 = http1
        self._refused = -_ASK_AGAIN

    @property
    def upgrades(self) -> bool:
        """Whether a 101 is understood, in HTTP/1.1."""
        return self._http1.upgrades

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        """Send in the protocol that the origin agrees to; raises an ``UpstreamError``."""
        if time.monotonic() - self._refused >= _ASK_AGAIN and not _may_switch(request):
            try:
                return await self._http2.send(request, clocks)
            except Disagreement:  # nothing was sent, the body is untouched
                self._refused = time.monotonic()
        return await self._http1.send(_without_te(request), clocks)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http2.aclose()
        await self._http1.aclose()


def _may_switch(request: OutgoingRequest) -> bool:
    return any(name == b"upgrade" for name, _ in request.headers)


def _without_te(request: OutgoingRequest) -> OutgoingRequest:
    """In HTTP/1.1 it concerns one connection only, and trailers are not passed on."""
    headers = tuple(pair for pair in request.headers if pair[0] != b"te")
    kept = (request.body, request.framing, request.repeat, request.client)
    return OutgoingRequest(request.method, request.target, headers, *kept)
