"""Thousands of clients that take their time, and somebody beside them who does not, in a process of its own."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from soak import objects
from soak.bystander import Bystander
from soak.caller import Caller, request
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_EACH_SECOND = 200
_LARGE = b"x" * 1_000_000
_HEAD = b"GET /large HTTP/1.1\r\nhost: gateway.example\r\nx-slow: "
_LEAST_P99 = 0.01  # below this a ratio says more of the machine than of the gateway


async def _slow_head(port: int, stop: asyncio.Event) -> bool:
    """A head byte by byte; whether it was ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    let_go = False
    writer.write(_HEAD)
    while not stop.is_set() and not let_go:
        writer.write(b"x")
        try:
            let_go = not await asyncio.wait_for(reader.read(4096), 1)
        except TimeoutError:
            continue
        except OSError:
            let_go = True
    writer.close()
    return let_go


async def _slow_body(port: int, stop: asyncio.Event) -> bool:
    """A body byte by byte."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(OSError):
        writer.write(b"POST /upload HTTP/1.1\r\nhost: gateway.example\r\ncontent-length: 1000000\r\n\r\n")
        while not stop.is_set():
            writer.write(b"x")
            await asyncio.sleep(1)
    writer.close()
    return False


async def _slow_reader(port: int, stop: asyncio.Event) -> bool:
    """An answer byte by byte."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, request("GET", "/large"))
        with suppress(OSError):
            while not stop.is_set():
                await loop.sock_recv(client, 1)
                await asyncio.sleep(1)
    return False


_Behaviour = Callable[[int, asyncio.Event], Awaitable[bool]]
_SLOW: tuple[_Behaviour, ...] = (_slow_head, _slow_body, _slow_reader)


async def _late(seconds: float, behave: _Behaviour, port: int, stop: asyncio.Event) -> bool:
    await asyncio.sleep(seconds)
    return await behave(port, stop)


def _slow_clients(port: int, size: int, seconds: float) -> tuple[int, int]:
    """So many, for so long: how many heads were let go, and how many clients could not connect."""

    async def all_of_them() -> list[bool | BaseException]:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        slow = (_late(number / _EACH_SECOND, _SLOW[number % 3], port, stop) for number in range(size))
        return await asyncio.gather(*slow, return_exceptions=True)

    ended = asyncio.run(all_of_them())
    return sum(each is True for each in ended[::3]), sum(isinstance(each, BaseException) for each in ended)


async def run(size: int, folder: Path) -> Outcome:
    """A third of ``size`` each: heads, bodies and readers of a byte a second, for longer than heads may take."""
    origin = Origin(_answer, eager=True)
    await origin.open()
    manifests = objects.text(objects.entrance(), objects.backend("b", origin.port), objects.route("r", "/", "b"))
    # Short, nobody waits for a head to be let go, and no latency is judged: it would be that of a busy machine.
    long = size >= 500
    seconds = 20.0 if long else 1.0
    loop = asyncio.get_running_loop()
    with closing(origin), ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        async with running(folder, manifests) as subject:
            bystander = Bystander(subject.port, "/small")
            alone = await bystander.p99(seconds)
            both = seconds + size / _EACH_SECOND
            slow = loop.run_in_executor(elsewhere, _slow_clients, subject.port, size, both)
            beside = await bystander.p99(both)
            let_go, refused = await slow
            caller = await Caller.to(subject.port)
            last = await caller.ask(request("GET", "/small"))
            caller.leave()
    most = 3 * max(alone, _LEAST_P99)
    heads = len(range(0, size, 3))
    told = f"; {let_go:,} of {heads:,} slow heads were let go" if long else ""
    return Outcome(
        f"{bystander.failed:,} of {bystander.asked:,} requests beside them failed; p99 {alone * 1000:.1f} ms alone, "
        f"{beside * 1000:.1f} ms beside them{told}",
        faults(
            [
                (not bystander.failed and last.whole, f"{bystander.failed} requests failed"),
                (beside < most or not long, f"the p99 rose to {beside * 1000:.1f} ms"),
                (not refused, f"{refused} slow clients could not connect"),
                (not long or let_go == heads, f"{let_go} slow heads were let go"),
            ]
        ),
    )


def _answer(visit: Visit, asked: Asked) -> None:
    if asked.target == b"/upload":
        return
    visit.answer(_LARGE if asked.target == b"/large" else b"small")


SLOW_CLIENTS = Scenario(
    "slow-clients",
    "bystanders are not touched: no failure, p99 below three times theirs",
    "slow clients",
    2_000,
    60,
    run,
)
