"""The ASGI app in front of an upstream that speaks HTTP/2: what only two sides that both do can have.

Facts
- A stream without a Content-Length says nothing of its body before it ends, and in gRPC either side may wait for
  the other to begin. So the request leaves at once, and its body follows.
- Trailers come behind a body of any kind. ASGI knows those of answers (its HTTP Trailers extension), and a server
  that takes them must be told so with the head; there are none for requests.
- A client that takes trailers says so with ``TE: trailers``, which gRPC's servers look for.
- To a client of HTTP/1.1 all this is as with any upstream, and trailers are dropped.
"""

from starlette.types import Receive, Scope, Send

from gateway_filters.asgi.retry import COUNTED
from gateway_filters.message.head import RequestHead
from gateway_filters.upstream.app import BareUpstream, forwarded, outgoing, passed_on, relay
from gateway_filters.upstream.body import ClientSide
from gateway_filters.upstream.transport import IncomingResponse

_TRAILERS = "http.response.trailers"
_MOSTLY_BODILESS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE"))


class Http2Upstream(BareUpstream):
    """A ``BareUpstream`` whose transport speaks HTTP/2."""

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        if scope.get("http_version", "1.1").startswith("1"):
            await super().serve(head, scope, receive, send)
            return
        self._active += 1
        try:
            await self._stream(head, scope, receive, send)
        finally:
            self._active -= 1
            if self._retired and not self._active:
                await self.aclose()

    async def _stream(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        made, task = self._here()
        passing = relay_with_trailers if _TRAILERS in scope.get("extensions", ()) else relay
        with ClientSide(receive, made.departures, task) as client:
            headers, framing = forwarded(head)
            headers += [pair for pair in head.headers if pair[0] == b"te"]
            if framing is None and head.method not in _MOSTLY_BODILESS:
                framing = "chunked"
            framing, body = await client.body(framing)
            request = outgoing(head, headers, framing, body, repeat=COUNTED not in scope)
            await passing(await made.transport.send(request, self._clocks), send, client)


async def relay_with_trailers(response: IncomingResponse, send: Send, client: ClientSide) -> None:
    """``relay``, with the trailers behind the body; they are announced unless it is known that there are none."""
    whole = response.at_hand()
    announced = whole is None or bool(response.trailers())
    start = {"type": "http.response.start", "status": response.status, "headers": passed_on(response)}
    if whole is None:
        try:
            await send({**start, "trailers": True})
            async for chunk in response.chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            await response.aclose()
    else:
        # Before the head, for it may wait: where there is no body, head and end must leave as one frame.
        await response.aclose()
        await send({**start, "trailers": announced})
    client.finish()
    await send({"type": "http.response.body", "body": whole or b"", "more_body": False})
    if announced:
        await send({"type": _TRAILERS, "headers": list(response.trailers()), "more_trailers": False})
