"""The page that tells whether a process is ready, for a listener of its own: it changes nothing and asks nobody.

Facts
- kubelet and load balancers ask with the address as Host; a browser that was led here asks with a name that leads to
  this address today (DNS rebinding), so only addresses and ``localhost`` are answered.
"""

from starlette.types import Receive, Scope, Send

from gateway_filters.asgi.failures import error_reply, json_reply
from gateway_filters.asgi.reply import send_reply
from gateway_filters.errors import BadRequest, Verdict
from gateway_filters.message.authority import split_authority
from gateway_filters.message.client import is_address
from gateway_filters.message.head import Reply
from gateway_filters.message.headers import Headers, first
from gateway_filters.readiness.standing import Readiness

_NOT_KEPT: Headers = ((b"cache-control", b"no-store"),)


class ReadinessPage:
    """An ASGI app: ``GET /ready`` is 200 when requests should be sent here, else 503; the JSON says why."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a WebSocket is turned away."""
        del receive
        if scope["type"] == "http":
            await send_reply(self._answer(scope), send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    def _answer(self, scope: Scope) -> Reply:
        if not _is_place(first(scope["headers"], b"host") or b""):
            return _refusal(421, "This is asked by address.")
        if scope["path"] != "/ready":
            return _refusal(404, "There is only /ready.")
        if scope["method"] not in ("GET", "HEAD"):
            return _refusal(405, "The method is not allowed.", ((b"allow", b"GET, HEAD"),))
        standing = self._readiness.standing
        return _not_kept(json_reply(200 if standing.ready else 503, standing.told()))


def _is_place(authority: bytes) -> bool:
    """Whether a Host is an address or this machine, which no name of somebody else's can be."""
    try:
        host = split_authority(authority, "Host")[0].decode("ascii")
    except (BadRequest, ValueError):
        return False
    return host.lower() == "localhost" or is_address(host.strip("[]"))


def _refusal(status: int, message: str, more: Headers = ()) -> Reply:
    return _not_kept(error_reply(Verdict(status, "invalid_request_error", message)), more)


def _not_kept(reply: Reply, more: Headers = ()) -> Reply:
    return reply.with_more((*_NOT_KEPT, *more))
