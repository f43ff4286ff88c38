"""The real ``openai`` client's realtime connection through the seed's gateway, over TLS to a stand-in provider.

The seed is unmodified but for one line: its Backend says that it speaks ``wss``.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from answers import answer
from certificates import HOST, Certificates
from gateway_process import CREDENTIAL, SEED, GatewayProcess
from provider import Exchange, Provider, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

WORDS = ("A ", "gateway ", "is ", "a ", "door.")


@pytest.fixture(scope="module")
def running(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """The seed's gateway, whose Backend names ``wss``."""
    manifests = tmp_path_factory.mktemp("manifests")
    for each in SEED.glob("*.yaml"):
        named = each.read_text().replace(
            "spec:\n  endpoints:\n", "spec:\n  appProtocols: [gateway.envoyproxy.io/wss]\n  endpoints:\n"
        )
        (manifests / each.name).write_text(named)
    folder = tmp_path_factory.mktemp("realtime")
    with GatewayProcess(
        folder, certificates.system_cas, manifests=Path(manifests), environment={"E2E_LOG_EVERYTHING": "yes"}
    ) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: GatewayProcess, provider: Provider) -> GatewayProcess:
    """That gateway, leading to the provider."""
    running.send_to(provider.port)
    return running


def client(gateway: GatewayProcess) -> openai.AsyncOpenAI:
    """The client, with a key that means nothing."""
    place = f"127.0.0.1:{gateway.port}/v1"
    return openai.AsyncOpenAI(base_url=f"http://{place}", websocket_base_url=f"ws://{place}", api_key="unused")


class Realtime:
    """The provider's side: a session, and for each ``response.create`` an answer in five words."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._protocol = ServerProtocol(max_size=None)

    async def __call__(self, exchange: Exchange) -> None:
        """Serve one WebSocket until the client leaves."""
        self._protocol = protocol = ServerProtocol(max_size=None)
        protocol.receive_data(exchange.request.raw)
        (request,) = protocol.events_received()
        assert isinstance(request, Request)
        protocol.send_response(protocol.accept(request))
        self._say({"type": "session.created", "event_id": "e0", "session": {"type": "realtime", "model": "m"}})
        while not exchange.wire.closed:
            for piece in protocol.data_to_send():
                await exchange.send(piece) if piece else exchange.wire.close()
            data = await exchange.wire.read()
            if not data:
                return
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._hear(json.loads(bytes(event.data)))

    def _hear(self, event: dict[str, Any]) -> None:
        self.asked.append(event)
        if event["type"] == "response.create":
            common = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
            for number, word in enumerate(WORDS):
                delta = {"type": "response.output_text.delta", "event_id": f"e{number}", "delta": word}
                self._say({**common, **delta})
            self._say({"type": "response.done", "event_id": "e9", "response": {"id": "r", "status": "completed"}})

    def _say(self, event: dict[str, Any]) -> None:
        self._protocol.send_text(json.dumps(event).encode())


async def test_a_conversation(gateway: GatewayProcess, provider: Provider) -> None:
    """Events both ways; the provider sees the rewritten path, its own name in TLS and Host, and the credential."""
    realtime = Realtime()
    provider.script = realtime
    said: list[str] = []
    async with client(gateway) as http, http.realtime.connect(model="gpt-realtime") as connection:
        async for event in connection:
            if event.type == "session.created":
                await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
                await connection.response.create()
            elif event.type == "response.output_text.delta":
                said.append(event.delta)
            elif event.type == "response.done":
                break
    assert tuple(said) == WORDS
    assert [each["type"] for each in realtime.asked] == ["session.update", "response.create"]
    arrived = provider.only_exchange()
    assert arrived.request.target == b"/compatible-mode/v1/realtime?model=gpt-realtime"
    assert arrived.request.values(b"host") == [HOST.encode()]
    assert arrived.request.values(b"authorization") == [CREDENTIAL]
    assert arrived.wire.sni == HOST


async def test_audio_of_ten_mebibytes(gateway: GatewayProcess, provider: Provider) -> None:
    """One long event passes whole."""
    realtime = Realtime()
    provider.script = realtime
    async with client(gateway) as http, http.realtime.connect(model="m") as connection:
        await connection.input_audio_buffer.append(audio="A" * (10 * 1024 * 1024))
        await asyncio.to_thread(wait_until, lambda: bool(realtime.asked), 20)
    assert len(realtime.asked[0]["audio"]) == 10 * 1024 * 1024


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refusal_of_the_provider(gateway: GatewayProcess, provider: Provider, status: int) -> None:
    """The client has the provider's status and words."""
    words = b'{"error": {"message": "not today", "type": "limit"}}'
    provider.script = answer(status, words, ("content-type", "application/json"), ("retry-after", "7"))
    async with client(gateway) as http:
        with pytest.raises(InvalidStatus) as refused:
            async with http.realtime.connect(model="m", max_retries=0):
                pass
    response = refused.value.response
    assert (response.status_code, response.body, response.headers["retry-after"]) == (status, words, "7")


async def test_a_provider_that_is_lost(gateway: GatewayProcess, provider: Provider) -> None:
    """The client hears that the server's side failed; nothing looks like the end of a conversation."""

    class Lost(Realtime):
        def _hear(self, event: dict[str, Any]) -> None:
            raise ConnectionResetError

    provider.script = Lost()
    async with client(gateway) as http, http.realtime.connect(model="m", max_retries=0) as connection:
        await connection.response.create()
        assert (await connection.recv()).type == "session.created"
        with pytest.raises(ConnectionClosed) as lost:
            await connection.recv()
    assert lost.value.rcvd is not None
    assert lost.value.rcvd.code == 1011
