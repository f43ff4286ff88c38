"""The one shell that runs filters: an ASGI app wrapping an app.

Which methods the filters override is found out here, at construction; a shell without response filters
hands ``send`` on as it is, so streaming costs nothing.
"""

from collections.abc import Awaitable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.failures import reply_to
from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.scope import peer_of
from gateway_filters.asgi.shell import Shell
from gateway_filters.errors import GatewayFiltersError
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import Reply, RequestHead, ResponseHead

_REFUSED = 401


class FilteredApp(Shell):
    """``app`` behind ``filters``: requests pass them first to last, responses last to first.

    A filter's refusal (a ``GatewayFiltersError``) is answered with the table's status and never reaches
    ``app``. A WebSocket's handshake is filtered like any request, its 101 like any response.
    """

    def __init__(self, app: ASGIApp, filters: Sequence[Filter]) -> None:
        super().__init__(app)
        self.filters = tuple(filters)
        self._sees_client = any(each.sees_client for each in self.filters)
        self._prepare = tuple(each.prepare for each in self.filters if each.waits)
        self._on_request = tuple(each.on_request for each in self.filters if _overrides(each, "on_request"))
        self._on_response = tuple(
            each.on_response for each in reversed(self.filters) if _overrides(each, "on_response")
        )
        self._on_refusal = tuple(each.on_refusal for each in self.filters if each.hears_refusals)

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Filter a request and its response."""
        if self._sees_client and head.client is None:
            head = head.with_client(peer_of(scope))
        if self._on_response:
            send = self._filtering(send, head)
        if self._prepare:
            return self._prepared(head, scope, receive, send)
        return self._served(head, scope, receive, send)

    async def _prepared(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for prepare in self._prepare:
                await prepare(head)
        except GatewayFiltersError as error:
            await send_reply(reply_to(error), send)
        else:
            await self._served(head, scope, receive, send)

    def _served(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            outcome = self._filtered(head)
        except GatewayFiltersError as error:
            outcome = reply_to(error)
        if isinstance(outcome, Reply):
            return send_reply(outcome, send)
        if self._on_refusal:
            send = self._hearing(send, outcome)
        return self._serve(outcome, scope, receive, send)

    def _filtered(self, head: RequestHead) -> RequestHead | Reply:
        for on_request in self._on_request:
            outcome = on_request(head)
            if isinstance(outcome, Reply):
                return outcome
            head = outcome
        return head

    def _filtering(self, send: Send, request: RequestHead) -> Send:
        def filtering(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message = self._filtered_start(message, request)
            return send(message)

        return filtering

    def _hearing(self, send: Send, sent: RequestHead) -> Send:
        def hearing(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and message["status"] == _REFUSED:
                for on_refusal in self._on_refusal:
                    on_refusal(sent)
            return send(message)

        return hearing

    def _filtered_start(self, message: Message, request: RequestHead) -> Message:
        head = ResponseHead(message["status"], tuple((name, value) for name, value in message.get("headers", ())))
        for on_response in self._on_response:
            head = on_response(head, request)
        return {**message, "status": head.status, "headers": list(head.headers)}


def chain(app: ASGIApp, *filters: Filter) -> FilteredApp:
    """``app`` behind ``filters``, in one shell: requests pass them in the order given."""
    return FilteredApp(app, filters)


def _overrides(value: Filter, method: str) -> bool:
    return getattr(type(value), method) is not getattr(Filter, method)


Filter.shell = FilteredApp
