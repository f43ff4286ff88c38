"""The contract of a filter: a frozen value with pure functions on heads.

A filter never sees a scope, ``receive``, ``send`` or a body; what needs time or bodies is ordinary ASGI
middleware beside it. The shell that runs filters finds out at construction which methods a class overrides
and calls no other.
"""

from collections.abc import Callable
from typing import ClassVar

from starlette.types import ASGIApp

from gateway_filters.message.head import Reply, RequestHead, ResponseHead


class Filter:
    """Base of all filters: passes requests and responses as they are.

    Called with an ASGI app, a filter gives an ASGI app, so that ``app.add_middleware(a_filter)``,
    ``Middleware(a_filter)`` and ``a_filter(app)`` all work.
    """

    __slots__ = ()

    shell: ClassVar[Callable[[ASGIApp, tuple["Filter", ...]], ASGIApp]]
    """What runs filters round an app; set once by ``asgi.filtered``, since imports only go down."""

    @property
    def waits(self) -> bool:
        """Whether ``prepare`` has anything to wait for; asked once, when a shell is built."""
        return type(self).prepare is not Filter.prepare

    @property
    def sees_client(self) -> bool:
        """Whether ``on_request`` asks for ``head.client``, which costs; asked once, when a shell is built."""
        return False

    @property
    def hears_refusals(self) -> bool:
        """Whether ``on_refusal`` is called, which costs; asked once, when a shell is built."""
        return False

    async def prepare(self, head: RequestHead) -> None:
        """Wait for what ``on_request`` needs for ``head`` (a remote secret); the only method that may wait.

        ``head`` is as the shell received it.
        """

    def on_request(self, head: RequestHead) -> RequestHead | Reply:
        """The head to send on, or an answer instead. May raise a ``GatewayFiltersError`` to refuse."""
        return head

    def on_response(self, head: ResponseHead, request: RequestHead) -> ResponseHead:
        """The response head to pass to the client; ``request`` is the head as the shell received it."""
        del request
        return head

    def on_refusal(self, sent: RequestHead) -> None:
        """The answer to ``sent``, the head that went on, is 401; it goes to the client as it is."""

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """``app`` behind this filter."""
        return Filter.shell(app, (self,))
