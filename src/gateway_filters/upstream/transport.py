"""The contract between the upstream app and what carries a request: plain values, no library's types."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway_filters.message.headers import Headers
from gateway_filters.upstream.tunnel import Tunnel

Resolver = Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]]
"""Name resolution: host name and port to the (address, port) pairs to try, in order."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """How long to wait, in seconds: to connect (TLS included), for the answer to begin, between its pieces.

    There is no total: answers of models stream for as long as they do.
    """

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 300.0


Peer = tuple[str, int]
"""Address and port."""

Take = Callable[[bytes], Awaitable[None]]
"""Takes a piece of a body. What it gives is ``SENT`` where nothing is left to await; then it may be called anywhere."""

Framing = int | Literal["chunked"] | None
"""How a body is framed: by its length, in chunks, or not at all when there is none."""


class OutgoingRequest:
    """A request as it leaves: text method, exact target, header pairs with Host and framing, body or None.

    A body that is all there is bytes; another one comes in pieces. ``framing`` says what the headers say of it,
    ``repeat`` whether the request may be sent again over another connection where that is safe. ``client`` is the
    address that it came from: where requests wait for connections, addresses take turns. A plain class: one is built
    for each request.
    """

    __slots__ = ("body", "client", "framing", "headers", "method", "repeat", "target")

    framing: Framing

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | bytes | None,
        framing: Framing = None,
        repeat: bool = True,  # noqa: FBT001, FBT002 - built for each request: a name costs time
        client: Peer | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.framing = framing
        self.repeat = repeat
        self.client = client

    def trailers(self) -> Headers:
        """The fields to send behind the body, once that is complete; none where the client sends none."""
        return ()


class IncomingResponse(Protocol):
    """An answer that has begun; pieces of its body come as they arrive, none is decoded."""

    status: int
    headers: Headers

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes; raises ``UpstreamAborted`` when it breaks off."""
        ...

    async def pour(self, take: Take) -> None:
        """Hand every piece of the body to ``take`` and await what it gives; raises what ``chunks`` raises."""
        async for chunk in self.chunks():
            await take(chunk)

    def at_hand(self) -> bytes | None:
        """The whole body if all of it has come by now, and is taken herewith; None if not.

        After a body nothing is left to close.
        """
        return None

    def upgraded(self) -> Tunnel | None:
        """After a 101 what the connection has become, which is the caller's from now on; None after any other."""
        return None

    def trailers(self) -> Headers:
        """The fields behind the body, once that is complete; none where they are dropped, as in HTTP/1.1."""
        return ()

    async def aclose(self) -> None:
        """Give up what is left of the body, and the connection with it, or release the connection."""
        ...


class Transport(Protocol):
    """What carries requests to one origin; ``upgrades`` says whether it can hand over a connection after a 101."""

    @property
    def upgrades(self) -> bool:
        """Whether a 101 is understood."""
        return False

    @abstractmethod
    def send(self, request: OutgoingRequest, clocks: Clocks) -> Awaitable[IncomingResponse]:
        """Send a request and wait for the head of its answer; raises an ``UpstreamError``."""
        ...

    @abstractmethod
    async def aclose(self) -> None:
        """Close all connections that this transport has made."""
        ...
