"""External authorisation (Gateway API, HTTPExternalAuthFilter, protocol HTTP): someone else is asked first.

Facts
- Fail closed: whatever is not a whole answer with status 200 is a refusal, unless ``fail_open`` lets requests pass
  that nobody could say anything about.
- The question is a request of its own: the client's method, Host, path, query and Authorization, and its own
  Content-Length. A path with dot segments is never asked about: the permission would be for another path.
- The specification leaves open what happens to a body that is longer than what may be sent along (rejected,
  says one field, cut, says the other). Here it is rejected, 413: a service must not judge half of a request.
- A listed header of the permission is taken off the request even where the permission does not set it:
  otherwise the client could say itself what only the service may say.
"""

import logging
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.failures import told
from gateway_filters.asgi.fetch import Answer
from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.replay import Replay
from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.shell import Shell, serving
from gateway_filters.errors import BadRequest, ClientDisconnected, GatewayFiltersError, Verdict
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.message.headers import HOP_BY_HOP, Headers, end_to_end, without
from gateway_filters.message.text import path as raw_path

_log = logging.getLogger("gateway_filters")

_TOO_LARGE = Verdict(413, "request_too_large", "The request body is too large.")

_LONGEST_ANSWER = 64 * 1024
# How much of the body may be read ahead while the service is asked and the client watched.
_AHEAD = 64 * 1024
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_REFUSAL_HEADERS = frozenset((b"content-type", b"content-encoding", b"location", b"www-authenticate", b"set-cookie"))
# The message's own frame and destination, which are never another message's to say.
_FRAME = HOP_BY_HOP | {b"host", b"content-length"}
# What describes the service's answer and would be wrong, or mean something else, in a request.
_ANSWERS_OWN = _FRAME | {
    b"content-type",
    b"content-encoding",
    b"content-language",
    b"content-location",
    b"content-range",
    b"date",
    b"server",
    b"set-cookie",
}


class ExternallyAuthorized(Shell):
    """Asks ``service`` (an app that reaches the authorisation backend) before each ``http`` request to ``app``.

    ``path`` is put in front of the request's path, ``whole_path`` in place of it and the query. ``request_headers``
    (lower case) go along besides Host and Authorization. Of a permission (200), ``response_headers`` (lower case)
    replace those of the request; where they are None, all do that do not describe the permission itself. A body
    goes along when it is no longer than ``max_body`` bytes, and a longer one is answered with 413; with 0, none does.

    A refusal with a 4xx status or a redirect is handed to the client, without most of its headers; any other one,
    and any failure, is ``status_on_error``, or with ``fail_open`` no hindrance. Raises ``ConfigurationError`` for a
    path that is none, ``BadRequest`` for a request path with dot segments.
    """

    def __init__(
        self,
        app: ASGIApp,
        service: ASGIApp,
        *,
        path: str = "",
        request_headers: tuple[bytes, ...] = (),
        response_headers: tuple[bytes, ...] | None = None,
        max_body: int = 0,
        whole_path: str | None = None,
        status_on_error: int = 403,
        fail_open: bool = False,
    ) -> None:
        super().__init__(app)
        self._service = service
        self._asks = serving(service)
        self._prefix = raw_path(path, "path of the authorisation service").rstrip(b"/") if path else b""
        self._asked = frozenset((b"authorization", *request_headers)) - _FRAME
        self._listed = None if response_headers is None else frozenset(response_headers) - _FRAME
        self._max_body = max_body
        what = "path of the authorisation service"
        self._whole = None if whole_path is None else raw_path(whole_path, what)
        self._status_on_error = status_on_error
        self._fail_open = fail_open

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, then answer the refusal or run the app."""
        replay = Replay(receive, max(self._max_body, _AHEAD))
        try:
            outcome = await self._decision(scope, head, replay)
            if isinstance(outcome, Reply):
                await send_reply(outcome, send)
                return
            await self._serve(outcome, scope, replay.reader(last=True), send)
        finally:
            await replay.aclose()

    async def aclose(self) -> None:
        """Close the app and the service, if they can be closed."""
        try:
            await close(self.app)
        finally:
            await close(self._service)

    async def _decision(self, scope: Scope, head: RequestHead, replay: Replay) -> RequestHead | Reply:
        if not _straight(head.path):
            raise BadRequest("a path with dot segments cannot be authorised")
        body = await self._body(replay)
        if body is None:
            return _too_large()
        answer = Answer(_LONGEST_ANSWER)
        try:
            await self._asks(self._question(head, body), _aside(scope, head), _asking(body, replay), answer.send)
        except ClientDisconnected:
            raise
        except GatewayFiltersError as error:
            return self._unanswered(head, f"failed: {error}")
        if answer.status == 200 and answer.complete:
            return self._permitted(head, answer.headers)
        if answer.complete and (400 <= answer.status < 500 or answer.status in _REDIRECTS):
            return Reply(answer.status, tuple(p for p in answer.headers if p[0] in _REFUSAL_HEADERS), answer.body)
        return self._unanswered(head, f"answered {answer.status}")

    def _unanswered(self, head: RequestHead, what: str) -> RequestHead | Reply:
        so = "passes" if self._fail_open else "is refused"
        _log.error("the authorisation service %s, so the request %s", what, so)
        # Nobody has said what only the service may say.
        return self._permitted(head, ()) if self._fail_open else _refused(self._status_on_error)

    async def _body(self, replay: Replay) -> bytes | None:
        """The body to send along; None when it is too long."""
        body, more, receive = bytearray(), self._max_body > 0, replay.reader()
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("the client left before it was authorised")
            body += message["body"]
            if len(body) > self._max_body:
                return None
            more = message["more_body"]
        return bytes(body)

    def _question(self, head: RequestHead, body: bytes) -> RequestHead:
        along = tuple(pair for pair in head.headers if pair[0] in self._asked)
        length = (b"content-length", str(len(body)).encode())
        question = head.with_headers((*along, length))
        if self._whole is not None:
            return question.with_path(self._whole).with_query(b"")
        return question.with_path(self._prefix + head.path)

    def _permitted(self, head: RequestHead, answer: Headers) -> RequestHead:
        if self._listed is not None:
            given = tuple(pair for pair in answer if pair[0] in self._listed)
            return head.with_headers((*without(head.headers, self._listed), *given))
        given = without(end_to_end(answer), _ANSWERS_OWN)
        return head.with_headers((*without(head.headers, (name for name, _ in given)), *given))


def _aside(scope: Scope, head: RequestHead) -> Scope:
    """The scope of the question: HTTP, also about a WebSocket."""
    # Extensions are promises of the server to the client's own request.
    told = {"type": "http", "method": head.method.decode("latin-1"), "scheme": head.scheme.decode("latin-1")}
    return {**scope, **told, "extensions": {}}


def _asking(body: bytes, replay: Replay) -> Receive:
    """The service's ``receive``: the question's body, and then the client's departure."""
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}
        await replay.departure()
        return {"type": "http.disconnect"}

    return receive


def _straight(path: bytes) -> bool:
    segments = unquote_to_bytes(path).replace(b"\\", b"/").split(b"/")
    return path.startswith(b"/") and b"." not in segments and b".." not in segments


def _refused(status: int) -> Reply:
    refusal = Verdict(status, "permission_denied", "The request is not permitted.")
    return told(refusal, "authorization cannot be asked for")


def _too_large() -> Reply:
    return told(_TOO_LARGE, "a body over the limit of external authorization")
