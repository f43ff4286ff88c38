"""Streams of events that break off say so first, where a route asks for it: ``text/event-stream`` (WHATWG HTML, 9.2).

Facts
- An event that is not whole when the stream ends is dropped by whoever reads it. One more line would make it whole, so
  nothing is said while an event is under way.
- The error has OpenAI's shape, as errors before an answer have: its clients raise it.
- It does not make the answer whole: the connection or stream is cut all the same.
"""

from collections.abc import Awaitable

from starlette.types import Message, Receive, Scope, Send

from gateway_filters.asgi.failures import reply_to
from gateway_filters.asgi.shell import Shell
from gateway_filters.errors import UpstreamError
from gateway_filters.message.head import RequestHead

_BETWEEN = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LONGEST = 4


class EventErrors(Shell):
    """``app``, whose streams of events tell of the error in a last event when they break off between two."""

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; what it raises is raised on in any case."""
        stream = _Stream(send)
        try:
            await self._serve(head, scope, receive, stream.pass_on)
        except UpstreamError as error:
            if stream.between:
                event = b"data: " + reply_to(error).body + b"\n\n"
                await send({"type": "http.response.body", "body": event, "more_body": True})
            raise


class _Stream:
    """What has gone to the client."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_one = False
        self._last = b""

    @property
    def between(self) -> bool:
        """Whether it is a stream of events that stands before its first one, or between two."""
        return self._is_one and (not self._last or self._last.endswith(_BETWEEN))

    def pass_on(self, message: Message) -> Awaitable[None]:
        """Look at a message and send it."""
        if message["type"] == "http.response.start":
            self._is_one = _is_stream(message)
        elif self._is_one and message["type"] == "http.response.body":
            self._last = (self._last + message.get("body", b"")[-_LONGEST:])[-_LONGEST:]
            self._is_one = message.get("more_body", False)
        return self._send(message)


def _is_stream(start: Message) -> bool:
    """Whether an answer is one, in a form to which an event can be added: nobody has packed or counted its bytes."""
    fields = dict(start.get("headers", ()))
    media = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media == b"text/event-stream" and not fields.keys() & {b"content-encoding", b"content-length"}
