"""upstream/names: slow names hold up nobody else, and a name is asked for once however many wait (F37)."""

import asyncio
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from scripted import OK, ask, get, serving, upstream

from gateway_filters import Clocks
from gateway_filters.errors import ConnectTimeout, NotConnected
from gateway_filters.upstream.names import Questions, look_up
from gateway_filters.upstream.native import NativeTransport
from gateway_filters.upstream.origin import Origin

Answer = Callable[[str], None]


class System:
    """Stands for the system: names that begin with ``slow`` wait until they are set free, then nobody knows them."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.asked: list[str] = []
        self._sound = socket.getaddrinfo

    def getaddrinfo(self, host: str, *rest: Any, **named: Any) -> Any:
        """As the real one."""
        self.asked.append(host)
        if host.startswith("slow"):
            self.free.wait(20)
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows that name")
        return self._sound("127.0.0.1" if host.endswith(".test") else host, *rest, **named)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """The system's names."""
    stand_in = System()
    monkeypatch.setattr(socket, "getaddrinfo", stand_in.getaddrinfo)
    yield stand_in
    stand_in.free.set()


async def test_many_slow_names_hold_up_no_quick_one(system: System) -> None:
    """Even where the loop has a single thread of its own: thirty names wait, and another one is found and served."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with upstream(serving(OK)) as scripted:
        slow = [NativeTransport(Origin("http", f"slow-{number}.test", 80)) for number in range(30)]
        waiting = [asyncio.create_task(ask(each, get(), Clocks(connect=10))) for each in slow]
        while len(system.asked) < 30:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.005)
        quick = NativeTransport(Origin("http", "quick.test", scripted.port))
        async with asyncio.timeout(2):
            assert (await ask(quick, get())).body == b"ok"
        system.free.set()
        assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {NotConnected}
        for each in (*slow, quick):
            await each.aclose()


async def test_a_name_is_asked_for_once_however_many_wait(system: System) -> None:
    """Each gets an error of its own, since errors note who raises them; who comes later asks again."""
    waiting = [asyncio.create_task(look_up("slow.test", 80)) for _ in range(20)]
    await asyncio.sleep(0.02)
    system.free.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(each) for each in ended} == {"[Errno -2] nobody knows that name"}
    assert len(set(map(id, ended))) == 20
    assert system.asked == ["slow.test"]
    with pytest.raises(socket.gaierror):
        await look_up("slow.test", 80)
    assert system.asked == ["slow.test"] * 2


async def test_who_gives_up_takes_the_answer_from_nobody(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of three leaves, by a cancellation or by its deadline; the others are answered."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))]

    def at_last(*_: Any, **__: Any) -> Any:
        system.free.wait(10)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", at_last)
    first, second, third = (asyncio.create_task(look_up("a.test", 80)) for _ in range(3))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second, 0.01)
    system.free.set()
    assert await third == [(socket.AF_INET, ("192.0.2.7", 80))]
    assert first.cancelled()


async def test_so_many_at_once_and_the_others_in_their_turn(system: System) -> None:
    """The third question waits for one of two threads; a fourth that nobody waits for any more is not asked."""
    questions = Questions(2)
    slow = [asyncio.create_task(questions.ask(f"slow-{number}.test", 80)) for number in range(2)]
    await asyncio.sleep(0.02)
    given_up = asyncio.create_task(questions.ask("given-up.test", 80))
    quick = asyncio.create_task(questions.ask("quick.test", 80))
    await asyncio.sleep(0.02)
    given_up.cancel()
    assert sorted(system.asked) == ["slow-0.test", "slow-1.test"]
    system.free.set()
    assert await quick == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert sorted(system.asked) == ["quick.test", "slow-0.test", "slow-1.test"]
    assert all(isinstance(each, socket.gaierror) for each in await asyncio.gather(*slow, return_exceptions=True))
    assert await questions.ask("given-up.test", 80)


async def test_without_threads_it_is_an_error_and_no_more(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has none left: nothing is connected, and the next one is asked for again."""

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        for _ in range(3):
            with pytest.raises(OSError, match="can't start new thread"):
                await look_up("quick.test", 80)
    assert await look_up("quick.test", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert system.asked == ["quick.test"]


@pytest.mark.parametrize("name", ["a..test", "x" * 64 + ".test", "\ud800.test"])
async def test_what_cannot_be_a_name(name: str) -> None:
    """A client may have named it: it is a host that is not found, and no error of ours."""
    transport = NativeTransport(Origin("http", name, 80))
    with pytest.raises(NotConnected):
        await ask(transport, get())
    await transport.aclose()


async def test_a_name_that_takes_too_long_is_a_timeout(system: System) -> None:
    """Looking up is a part of connecting, which has its clock."""
    transport = NativeTransport(Origin("http", "slow.test", 80))
    with pytest.raises(ConnectTimeout):
        await ask(transport, get(), Clocks(connect=0.1))
    assert transport.pool.active == 0
    await transport.aclose()
    assert system.asked == ["slow.test"]


def test_the_process_does_not_wait_for_a_slow_name_at_its_end() -> None:
    """A thread of the loop's own would keep it until the system has given up."""
    program = """
        import asyncio, socket, time
        from contextlib import suppress
        from gateway_filters.upstream.names import look_up
        socket.getaddrinfo = lambda *_, **__: time.sleep(50)

        async def main():
            with suppress(TimeoutError):
                await asyncio.wait_for(look_up("slow.test", 80), 0.1)

        asyncio.run(main())
        print("done")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=20, check=True
    )
    assert (ended.stdout, ended.stderr) == ("done\n", "")
