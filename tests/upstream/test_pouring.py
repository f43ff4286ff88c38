"""upstream/exchange: pieces of an answer that are handed on in the callback that brings them, and when they are not."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from scripted import Peer, Script, client, get, soon, upstream

from gateway_filters import Clocks
from gateway_filters.errors import UpstreamAborted
from gateway_filters.message.sent import SENT

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CLOCKS = Clocks()


def answering(*steps: bytes | asyncio.Event) -> Script:
    """Sends the head and then ``steps``: bytes, or events that it waits for; empty bytes cut the connection."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(CHUNKED)
        for step in steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif step:
                await peer.send(step)
            else:
                peer.writer.transport.abort()

    return script


class Client:
    """Takes pieces, notes in which task, and can be slow: ``slow`` pieces are awaited until ``drained``."""

    def __init__(self, *, slow: frozenset[bytes] = frozenset()) -> None:
        self.taken: list[bytes] = []
        self.in_a_task: list[bool] = []
        self.drained = asyncio.Event()
        self.leave: Callable[[], object] = lambda: None
        self._slow = slow

    def take(self, piece: bytes) -> Awaitable[None]:
        self.in_a_task.append(asyncio.current_task() is not None)
        if piece in self._slow:
            self.leave()
            return self._later(piece)
        self.taken.append(piece)
        return SENT

    async def _later(self, piece: bytes) -> None:
        await self.drained.wait()
        self.taken.append(piece)


async def test_pieces_need_no_task_while_nothing_is_to_be_awaited() -> None:
    """The first is taken by whoever waits, those behind it in the callback of the connection."""
    seen = Client()
    gates = [asyncio.Event() for _ in range(3)]
    script = answering(b"1\r\na\r\n", gates[0], b"1\r\nb\r\n", gates[1], b"1\r\nc\r\n", gates[2], b"0\r\n\r\n")
    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), CLOCKS)
        pouring = asyncio.create_task(response.pour(seen.take))
        for number, gate in enumerate(gates, 1):
            await soon(lambda number=number: len(seen.taken) == number)
            gate.set()
        await pouring
        await soon(lambda: transport.pool.idle == 1)
    assert seen.taken == [b"a", b"b", b"c"]
    assert seen.in_a_task == [True, False, False]


async def test_a_slow_client_is_awaited_and_nothing_overtakes() -> None:
    """What comes meanwhile waits its turn, and once the client has caught up pieces go straight to it again."""
    seen = Client(slow=frozenset((b"b",)))
    gates = [asyncio.Event() for _ in range(3)]
    script = answering(
        b"1\r\na\r\n", gates[0], b"1\r\nb\r\n", gates[1], b"1\r\nc\r\n1\r\nd\r\n", gates[2], b"1\r\ne\r\n0\r\n\r\n"
    )
    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), CLOCKS)
        pouring = asyncio.create_task(response.pour(seen.take))
        await soon(lambda: seen.taken == [b"a"])
        gates[0].set()
        await soon(lambda: len(seen.in_a_task) == 2)
        gates[1].set()
        await asyncio.sleep(0.05)
        assert seen.taken == [b"a"]
        seen.drained.set()
        await soon(lambda: seen.taken == [b"a", b"b", b"cd"])
        gates[2].set()
        await pouring
    assert seen.taken == [b"a", b"b", b"cd", b"e"]
    assert seen.in_a_task == [True, False, True, False]


async def test_what_taking_raises_comes_out_and_ends_the_connection() -> None:
    """An error in the callback is raised where the pieces are awaited, not in the event loop."""
    gate = asyncio.Event()

    def take(piece: bytes) -> Awaitable[None]:
        if piece == b"b":
            raise ZeroDivisionError
        return SENT

    script = answering(b"1\r\na\r\n", gate, b"1\r\nb\r\n", asyncio.Event())
    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), CLOCKS)
        asyncio.get_running_loop().call_later(0.02, gate.set)
        with pytest.raises(ZeroDivisionError):
            await response.pour(take)
        await response.aclose()
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_an_answer_that_breaks_off_behind_pieces() -> None:
    """It is told as anywhere else."""
    gate = asyncio.Event()
    seen = Client()
    async with upstream(answering(b"1\r\na\r\n", gate, b"")) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), CLOCKS)
        asyncio.get_running_loop().call_later(0.02, gate.set)
        with pytest.raises(UpstreamAborted):
            await response.pour(seen.take)
    assert seen.taken == [b"a"]


async def test_an_answer_that_stands_still_behind_pieces() -> None:
    """The idle clock begins anew with each piece that is handed on, and counts."""
    gate = asyncio.Event()
    seen = Client()
    script = answering(b"1\r\na\r\n", gate, b"1\r\nb\r\n", asyncio.Event())
    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), Clocks(idle=0.3))
        asyncio.get_running_loop().call_later(0.2, gate.set)
        with pytest.raises(UpstreamAborted, match="stood still"):
            await response.pour(seen.take)
    assert seen.taken == [b"a", b"b"]


async def test_a_cancellation_while_a_piece_is_to_be_awaited() -> None:
    """The connection goes, and what was to be awaited is let go of without a warning."""
    gate = asyncio.Event()
    seen = Client(slow=frozenset((b"b",)))
    script = answering(b"1\r\na\r\n", gate, b"1\r\nb\r\n", asyncio.Event())
    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), CLOCKS)
        pouring = asyncio.create_task(response.pour(seen.take))
        await soon(lambda: seen.taken == [b"a"])

        seen.leave = pouring.cancel
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await pouring
        assert (transport.pool.active, transport.pool.idle) == (0, 0)


async def test_while_a_piece_is_not_taken_nothing_more_is_read() -> None:
    """It would wait beside it: each client that reads nothing would cost the memory of a read more."""
    go, offered = asyncio.Event(), 0

    async def script(peer: Peer) -> None:
        nonlocal offered
        await peer.head()
        await peer.send(CHUNKED + b"4\r\nslow\r\n")
        await go.wait()
        for _ in range(4):
            await peer.send(b"1000\r\n" + bytes(4096) + b"\r\n")
            await asyncio.sleep(0.01)
        offered = 4 * 4096
        await peer.send(b"0\r\n\r\n")

    async with upstream(script) as scripted, client(scripted.port) as transport:
        response = await transport.send(get(), CLOCKS)
        seen = Client(slow=frozenset((b"slow",)))
        seen.leave = go.set
        pouring = asyncio.create_task(response.pour(seen.take))
        await soon(lambda: offered > 0)
        assert not response._queued  # pyright: ignore[reportPrivateUsage]
        seen.drained.set()
        await pouring
        assert len(b"".join(seen.taken)) == 4 + offered
        assert transport.pool.idle == 1
