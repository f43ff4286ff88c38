"""DirectResponse and Refusal: answers given by the gateway itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError, RouteRefused
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.header_modifier import Fields, HeaderChange
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.message.headers import Headers, first
from gateway_filters.message.text import field_value, settle, utf8


@dataclass(frozen=True, slots=True)
class DirectResponse(Filter):
    """Answers every request itself (Envoy Gateway, HTTPDirectResponseFilter).

    ``status`` is 200 to 599, ``body`` text sent as UTF-8, ``content_type`` the header's value or None.
    ``headers``, a mapping or pairs of text, go out as they are listed, one line each, which is what setting and
    adding come to in an answer of our own; a Content-Type among them wins. Raises ``ConfigurationError`` for
    another status and for what ``ResponseHeaderModifier`` would not add.
    """

    status: int = 200
    body: str = ""
    content_type: str | None = None
    headers: Fields = field(default=(), kw_only=True)
    _reply: Reply = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ConfigurationError(f"status {self.status} is not a final HTTP status")
        settle(self, headers=tuple(self.headers.items() if isinstance(self.headers, Mapping) else self.headers))
        settle(self, _reply=Reply(self.status, self._fields(), utf8(self.body, "body")))

    def on_request(self, head: RequestHead) -> Reply:
        """The configured answer."""
        del head
        return self._reply

    def _fields(self) -> Headers:
        own = HeaderChange((), self.headers, ()).apply(())
        kind = field_value(self.content_type or "", "content type")
        return own if not kind or first(own, b"content-type") is not None else ((b"content-type", kind), *own)


@dataclass(frozen=True, slots=True)
class Refusal(Filter):
    """Refuses every request (500): stands where a route names something that cannot be had.

    ``reason`` is a sentence for the log; the client does not see it.
    """

    reason: str

    def on_request(self, head: RequestHead) -> RequestHead:
        """Raises ``RouteRefused`` with the reason."""
        del head
        raise RouteRefused(self.reason)
