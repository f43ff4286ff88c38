"""DirectResponse and Refusal: answers given by the gateway itself."""

from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError, RouteRefused
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.message.text import field_value, settle


@dataclass(frozen=True, slots=True)
class DirectResponse(Filter):
    """Answers every request itself (Envoy Gateway, HTTPDirectResponseFilter).

    ``status`` is 200 to 599, ``body`` text sent as UTF-8, ``content_type`` the header's value or None.
    """

    status: int = 200
    body: str = ""
    content_type: str | None = None
    _reply: Reply = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ConfigurationError(f"status {self.status} is not a final HTTP status")
        kind = ((b"content-type", field_value(self.content_type, "content type")),) if self.content_type else ()
        settle(self, _reply=Reply(self.status, kind, self.body.encode()))

    def on_request(self, head: RequestHead) -> Reply:
        """The configured answer."""
        del head
        return self._reply


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
