"""SIGTERM under load: whoever sends clients here is told at once, and nobody who comes meanwhile loses anything."""

import asyncio
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from run.gateway_run import RunningGateway, documents, free_port, gateway, refused, route, running
from run.h2_client import Answer, speaking
from soak.caller import Caller, Heard, request
from soak.origin import Asked, Origin, Visit, closing
from soak.subject import until

pytestmark = pytest.mark.anyio

SERVED_ON = 2.0
STREAMS = 200
CLIENTS = 20
PAUSE = CLIENTS / 200
EVENT = b"7\r\ndata: e\r\n"


@pytest.fixture
def anyio_backend() -> str:
    """The callers are on asyncio."""
    return "asyncio"


@dataclass
class Provider:
    """An upstream whose streams go on, event by event, until they are told to finish."""

    streaming: list[Visit] = field(default_factory=list[Visit])
    finished: bool = False

    def answer(self, visit: Visit, asked: Asked) -> None:
        """A stream, or a few bytes."""
        if asked.target != b"/stream":
            visit.answer(b"served")
            return
        self.streaming.append(visit)
        visit.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        self._go_on(visit)

    def _go_on(self, visit: Visit) -> None:
        visit.write(EVENT)
        if self.finished:
            visit.write(b"4\r\nlast\r\n0\r\n\r\n")
        else:
            asyncio.get_running_loop().call_later(0.2, self._go_on, visit)


@dataclass
class Load:
    """Clients that keep their connections for as long as they may, until somebody has taken this gateway off a list."""

    port: int
    heard: list[Heard] = field(default_factory=list[Heard])
    listed: bool = True

    async def client(self, number: int) -> None:
        """One of them."""
        await asyncio.sleep(number * PAUSE / CLIENTS)
        caller = await Caller.to(self.port)
        while self.listed:
            heard = await caller.ask(request("GET", "/"))
            self.heard.append(heard)
            if caller.lost or heard.fields.get(b"connection") == b"close":
                caller.leave()
                caller = await Caller.to(self.port)
            await asyncio.sleep(PAUSE)
        caller.leave()


async def readiness(port: int) -> int:
    """The status that a kubelet would see."""
    caller = await Caller.to(port)
    heard = await caller.ask(b"GET /ready HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n\r\n" % port)
    caller.leave()
    assert json.loads(heard.body)["ready"] == (heard.status == 200)
    return heard.status


async def seen(port: int, status: int, seconds: float) -> bool:
    """Whether a kubelet sees that status within so many seconds."""
    end = asyncio.get_running_loop().time() + seconds
    while await readiness(port) != status:
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(0.02)
    return True


def manifests(port: int, provider: int) -> str:
    """Everything goes to the provider."""
    backend = f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: b}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {provider}}}}}]}}
"""
    return documents(gateway(port), route("r", "/", "b"), backend)


async def test_sigterm_under_load_loses_nothing(folder: Path) -> None:
    """200 streams and 200 requests a second: not ready at once, served on, every stream whole, exit code 0."""
    provider, port, told = Provider(), free_port(), free_port()
    origin = Origin(provider.answer)
    await origin.open()
    (folder / "all.yaml").write_text(manifests(port, origin.port))
    arguments = (folder, "--ready", str(told), "--pre-drain", str(SERVED_ON))
    with closing(origin), running(*arguments) as process:
        streams = [await Caller.to(port) for _ in range(STREAMS)]
        answers = [each.begin(request("GET", "/stream")) for each in streams]
        await asyncio.gather(*(each.body_begun.wait() for each in streams))
        assert await seen(told, 200, 20)
        load = Load(port)
        clients = [asyncio.create_task(load.client(number)) for number in range(CLIENTS)]
        assert await until(lambda: len(load.heard) >= 2 * CLIENTS, 20)
        begun, before = await ended_under_load(process, load, told)
        assert not any(each.done() for each in answers)
        await asyncio.gather(*clients)
        assert await until(lambda: refused(port), 20)
        assert asyncio.get_running_loop().time() - begun >= SERVED_ON
        assert await readiness(told) == 503
        provider.finished = True
        whole = await asyncio.gather(*answers)
        code, log = await asyncio.to_thread(process.ended)
    assert code == 0
    assert "was cut" not in log
    assert {(each.status, each.whole, each.body[-4:]) for each in whole} == {(200, True, b"last")}
    assert {(each.status, each.whole, each.body) for each in load.heard} == {(200, True, b"served")}
    assert not any(b"connection" in each.fields for each in load.heard[:before])
    # Those that were under way when the signal came may not have been told; nobody was told nothing twice.
    assert sum(b"connection" not in each.fields for each in load.heard[before:]) <= CLIENTS
    assert len(load.heard) - before > CLIENTS


async def ended_under_load(process: RunningGateway, load: Load, told: int) -> tuple[float, int]:
    """Ask for the end, see that it is told, and go on until shortly before it; when that was, and after how many."""
    loop = asyncio.get_running_loop()
    before, begun = len(load.heard), loop.time()
    process.process.send_signal(signal.SIGTERM)
    assert await seen(told, 503, 1)
    await asyncio.sleep(begun + 0.5 * SERVED_ON - loop.time())
    load.listed = False
    return begun, before


def test_clients_of_http2_are_told_last(folder: Path) -> None:
    """Meanwhile their connection takes more requests; then they hear that it ends, and lose no stream."""
    asyncio.run(_clients_of_http2(folder))


async def _clients_of_http2(folder: Path) -> None:
    provider, port = Provider(), free_port()
    origin = Origin(provider.answer)
    await origin.open()
    (folder / "all.yaml").write_text(manifests(port, origin.port))
    with closing(origin), running(folder, "--pre-drain", "1") as process:
        stream, other, goaways = await asyncio.to_thread(_ask_meanwhile, process, port, provider)
        assert (await asyncio.to_thread(process.ended))[0] == 0
    assert (stream.status, stream.ended, stream.body[-4:]) == (200, True, b"last")
    assert (other.status, other.body) == (200, b"served")
    assert goaways[0] == 2**31 - 1


def _ask_meanwhile(process: RunningGateway, port: int, provider: Provider) -> tuple[Answer, Answer, list[int]]:
    with speaking(port) as client:
        stream = client.ask("/stream")
        while not client.answers[stream].body:
            client.read()
        process.process.send_signal(signal.SIGTERM)
        process.wait_for("served on for 1 s")
        other = client.get("/")
        assert client.goaways == []
        while not client.goaways:
            client.read()
        provider.finished = True
        answer = client.answer(stream)
        while client.read():
            pass
        return answer, other, client.goaways
