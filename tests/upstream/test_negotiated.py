"""upstream/negotiated: which protocol carries a request, apart from any network."""

from collections.abc import AsyncIterator

import pytest

from gateway_filters import Clocks
from gateway_filters.errors import NotConnected, UpstreamUnreachable
from gateway_filters.upstream import negotiated
from gateway_filters.upstream.dial import Disagreement
from gateway_filters.upstream.negotiated import Negotiated
from gateway_filters.upstream.transport import IncomingResponse, OutgoingRequest, Transport


class Carrier(Transport):
    """Keeps what it is to carry, and fails as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.requests: list[OutgoingRequest] = []
        self.closed = False
        self._errors = list(errors)

    @property
    def upgrades(self) -> bool:
        """Yes."""
        return True

    async def send(self, request: OutgoingRequest, clocks: Clocks) -> IncomingResponse:
        """Keep it."""
        self.requests.append(request)
        if self._errors:
            raise self._errors.pop(0)
        return Nothing()

    async def aclose(self) -> None:
        """Remember."""
        self.closed = True


class Nothing(IncomingResponse):
    """An answer."""

    status = 200
    headers = ()

    def chunks(self) -> AsyncIterator[bytes]:
        """Nobody asks."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to close."""


def a_request(*headers: tuple[bytes, bytes]) -> OutgoingRequest:
    """A request with a body."""
    return OutgoingRequest("POST", b"/", ((b"host", b"a"), *headers), b"body")


async def sent(transport: Negotiated, *headers: tuple[bytes, bytes]) -> None:
    """Send one."""
    await transport.send(a_request(*headers), Clocks())


async def test_http_2_is_asked_for_first() -> None:
    """And carries everything where it is agreed to."""
    http2, http1 = Carrier(), Carrier()
    for _ in range(2):
        await sent(Negotiated(http2, http1), (b"te", b"trailers"))
    assert (len(http2.requests), len(http1.requests)) == (2, 0)
    assert (b"te", b"trailers") in http2.requests[0].headers


async def test_the_other_one_where_it_is_not() -> None:
    """At once and from then on; the same request, but for what concerns one connection of HTTP/1.1."""
    http2, http1 = Carrier(Disagreement("no")), Carrier()
    transport = Negotiated(http2, http1)
    for _ in range(3):
        await sent(transport, (b"te", b"trailers"), (b"x", b"1"))
    assert (len(http2.requests), len(http1.requests)) == (1, 3)
    assert http1.requests[0].headers == ((b"host", b"a"), (b"x", b"1"))
    assert http1.requests[0].body == b"body"


async def test_it_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time later, for an origin may learn it."""
    http2, http1 = Carrier(Disagreement("no")), Carrier()
    transport = Negotiated(http2, http1)
    await sent(transport)
    monkeypatch.setattr(negotiated, "_ASK_AGAIN", 0.0)
    await sent(transport)
    assert (len(http2.requests), len(http1.requests)) == (2, 1)


async def test_a_websocket_is_for_http_1() -> None:
    """Whatever is spoken otherwise."""
    http2, http1 = Carrier(), Carrier()
    transport = Negotiated(http2, http1)
    assert transport.upgrades
    await sent(transport, (b"connection", b"upgrade"), (b"upgrade", b"websocket"))
    assert (len(http2.requests), len(http1.requests)) == (0, 1)


@pytest.mark.parametrize("error", [NotConnected("no connection"), UpstreamUnreachable("lost")])
async def test_other_failures_are_failures(error: Exception) -> None:
    """An origin that is not there does not speak HTTP/1.1 either."""
    http2, http1 = Carrier(error), Carrier()
    with pytest.raises(type(error)):
        await sent(Negotiated(http2, http1))
    assert not http1.requests


async def test_both_are_closed() -> None:
    """At the end."""
    http2, http1 = Carrier(), Carrier()
    await Negotiated(http2, http1).aclose()
    assert http2.closed and http1.closed
