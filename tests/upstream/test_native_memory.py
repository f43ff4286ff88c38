"""upstream/native: nothing that it makes waits for the garbage collector."""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator

import pytest
from scripted import OK, Peer, Script, ask, client, get, pieces, post, serving, upstream

from gateway_filters import Clocks
from gateway_filters.errors import GatewayFiltersError
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.transport import OutgoingRequest

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ours_among_garbage() -> dict[str, int]:
    """What the collector finds of ours now, by type."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    return {kind: count for kind, count in kinds.items() if "gateway_filters" in kind or "httptools" in kind}


async def fails(transport: NativeTransport, request: OutgoingRequest, clocks: Clocks | None = None) -> None:
    """Send what will fail."""
    try:
        await ask(transport, request, clocks)
    except GatewayFiltersError:
        return
    raise AssertionError("it did not fail")


async def test_a_thousand_requests_leave_nothing() -> None:
    """With the collector off, all that they used is gone when they are."""
    async with upstream(serving(OK)) as scripted, client(scripted.port) as transport:
        for _ in range(10):
            await ask(transport, get())
        gc.collect()
        for _ in range(1_000):
            await ask(transport, get())
        assert ours_among_garbage() == {}
        # Threads of other tests' servers may leave a thing or two meanwhile, of any kind.
        assert gc.collect() < 100


def broken(begin: bytes) -> Script:
    """Begins and breaks off."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(begin)
        peer.end()

    return script


BREAKS = [
    pytest.param(b"", id="lost before the answer"),
    pytest.param(b"rubbish\r\n\r\n", id="no HTTP"),
    pytest.param(HEAD + b"content-length: 9\r\n\r\nhalf", id="broken off"),
    pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\nX", id="bad chunks"),
]


@pytest.mark.parametrize("begin", BREAKS)
async def test_failures_leave_nothing(begin: bytes) -> None:
    """Errors, their frames and the connections they were about."""
    async with upstream(broken(begin)) as scripted, client(scripted.port) as transport:
        for _ in range(20):
            await fails(transport, get())
        await asyncio.sleep(0.01)
        assert ours_among_garbage() == {}


async def test_refusals_leave_nothing() -> None:
    """The same when no connection is made."""
    async with client(1) as transport:
        for _ in range(20):
            await fails(transport, get())
        await asyncio.sleep(0.01)
        assert ours_among_garbage() == {}


async def test_clocks_and_uploads_leave_nothing() -> None:
    """The same for time-outs, uploads with tasks of their own, bodies that raise, and cancellations."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.until_gone()

    async with upstream(script) as scripted, client(scripted.port) as transport:
        await fails(transport, get(), Clocks(first_byte=0.01))
        await fails(transport, post(pieces(b"1")), Clocks(first_byte=0.01))
        await fails(transport, post(pieces(b"12"), length=1))
        asking = asyncio.create_task(ask(transport, post(pieces(b"1", then=asyncio.Event()))))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])
        del asking
        await asyncio.sleep(0.01)
        assert ours_among_garbage() == {}
