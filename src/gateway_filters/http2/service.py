"""What the connections of one server have in common."""

import asyncio
from collections.abc import Callable, MutableSet
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import ASGIApp

from gateway_filters.http2.limits import Http2Limits


class Watch(Protocol):
    """Counts connections."""

    def admit(self, client: tuple[str, int] | None, connections: int) -> bool:
        """Count one more of a peer, the last of so many connections; whether it may stay."""
        ...

    def forget(self, client: tuple[str, int] | None) -> None:
        """One of a peer is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """``app`` is called for each request; ``words`` gives the body of a refusal, of its status and the reason.

    ``connections`` and ``tasks`` hold what is open and running. A server that ends calls ``shutdown`` on each
    connection and waits for both.
    """

    app: ASGIApp
    limits: Http2Limits
    connections: MutableSet[Any]
    tasks: MutableSet[asyncio.Task[None]]
    watch: Watch
    words: Callable[[int, str], bytes]
