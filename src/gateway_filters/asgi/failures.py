"""Failures become answers here, once: constant words for the client, the reason for the log.

Before the answer has begun an error is a small JSON in the OpenAI error shape with the table's status.
After that only an abort is honest: the error is raised on, and the server cuts the connection.
"""

import json
import logging
import secrets
from collections.abc import Awaitable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.shell import Shell
from gateway_filters.errors import (
    BadFraming,
    ClientDisconnected,
    ClientError,
    GatewayFiltersError,
    PathMoved,
    StaleConnection,
    Unauthenticated,
    UpstreamBusy,
    Verdict,
    VersionNotServed,
    verdict,
)
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.message.headers import Headers

_log = logging.getLogger("gateway_filters")

_NOTHING = -1  # bytes of a body whose answer has not begun
_NOT_FOUND = Verdict(404, "not_found", "No route matches.")
_BUSY = Verdict(503, "gateway_busy", "The gateway is busy.")
_MISDIRECTED = Verdict(421, "misdirected", "The connection is for another host.")


def reply_to(error: BaseException) -> Reply:
    """The answer to ``error``: status and words from the table, a new request id; logs the reason with it."""
    judged, request_id = verdict(error), secrets.token_hex(8)
    if isinstance(error, GatewayFiltersError):
        error.request_id = request_id
    level = logging.INFO if isinstance(error, ClientError) else logging.ERROR
    reply = told(judged, str(error), level, request_id)
    more = _headers_for(error)
    return reply.with_more(more) if more else reply


def told(judged: Verdict, reason: str, level: int = logging.INFO, request_id: str = "") -> Reply:
    """The answer that a verdict is, with a request id, by default a new one; logs the reason with it."""
    request_id = request_id or secrets.token_hex(8)
    _log.log(level, "%d %s: %s [request %s]", judged.status, judged.type, reason, request_id)
    return error_reply(judged, request_id=request_id)


def error_reply(judged: Verdict, **more: str) -> Reply:
    """A verdict in the OpenAI error shape, with what else there is to say."""
    error = {"message": judged.message, "type": judged.type, "param": None, "code": None, **more}
    return json_reply(judged.status, {"error": error})


def _headers_for(error: BaseException) -> Headers:
    if isinstance(error, Unauthenticated):
        return ((b"www-authenticate", error.challenge.encode()),)
    if isinstance(error, VersionNotServed):
        return ((b"upgrade", b"HTTP/1.1"),)  # RFC 9110 15.5.22 asks for it
    if isinstance(error, PathMoved):
        return ((b"location", error.location.encode("latin-1")),)
    if isinstance(error, BadFraming):
        return ((b"connection", b"close"),)
    if isinstance(error, StaleConnection):
        return ((b"retry-after", b"0"),)  # the gateway may not repeat it; who has asked may, at once
    # The one failure that passes by itself and soon (RFC 9110 10.2.3).
    return ((b"retry-after", b"1"),) if isinstance(error, UpstreamBusy) else ()


def not_found() -> Reply:
    """The answer where no route matches (Gateway API: 404)."""
    return told(_NOT_FOUND, "no route matches")


def busy() -> Reply:
    """The answer to a request that there is no room for now, which ends its connection; it may be made again soon."""
    reply = told(_BUSY, "there is no room for more requests")
    return reply.with_more(((b"retry-after", b"1"), (b"connection", b"close")))


def misdirected() -> Reply:
    """The answer to a request on a connection that was made for another host (RFC 9110 15.5.20)."""
    return told(_MISDIRECTED, "the connection was made for another host")


def json_reply(status: int, body: object) -> Reply:
    """``body`` as a JSON answer with its length."""
    content = json.dumps(body).encode()
    length = str(len(content)).encode()
    return Reply(status, ((b"content-type", b"application/json"), (b"content-length", length)), content)


class Failures(Shell):
    """An app whose errors are answers until the answer has begun, and aborts from then on."""

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; answer its failure, or tell of it and raise it on when the answer has begun."""
        sent = _NOTHING

        def watched(message: Message) -> Awaitable[None]:
            nonlocal sent
            if sent != _NOTHING:
                sent += len(message.get("body", b""))
            elif message["type"] == "http.response.start":
                sent = 0
            return send(message)

        try:
            await self._serve(head, scope, receive, watched)
        except ClientDisconnected:
            return
        except HTTPException:
            # Of the app that we are part of: a limit on bodies, say. It knows what to answer.
            raise
        except Exception as error:
            if sent != _NOTHING:
                _tell_break(error, sent)
                raise
            await send_reply(self._logged(error), send)

    def _logged(self, error: Exception) -> Reply:
        if not isinstance(error, GatewayFiltersError):
            _log.exception("an app or a filter failed")
        return reply_to(error if isinstance(error, GatewayFiltersError) else Exception(type(error).__name__))


def _tell_break(error: Exception, sent: int) -> None:
    """Log what an answer was broken off by, of which ``sent`` bytes of the body had gone to the client."""
    ours = isinstance(error, GatewayFiltersError)
    reason, request_id = (str(error), error.request_id) if ours else (type(error).__name__, "")
    request_id = request_id or secrets.token_hex(8)
    _log.error("an answer broke off after %d bytes of its body: %s [request %s]", sent, reason, request_id)
