"""A client that leaves frees the upstream at once: an abandoned completion is paid for by the token."""

import time
from collections.abc import Callable

import pytest
from answers import begin_and_stall, chunk, event, sink, stall, stream_head
from gateway_process import GatewayProcess
from provider import Provider, Script, wait_until
from raw_client import chat, dial, read_until

TRIES = 3
LIMIT = 0.1

_EVENT = event({"number": 0})
_LARGE = 64 * 1024 * 1024


def _waits(sent: bytes, until: bytes | None) -> Callable[[int, Provider], float]:
    """Sends, waits for a piece of the answer if there will be one, leaves; gives the moment of leaving."""

    def leave(port: int, provider: Provider) -> float:
        with dial(port, sent) as connection:
            wait_until(lambda: bool(provider.exchanges))
            if until:
                read_until(connection, until)
            time.sleep(0.05)
            return time.monotonic()

    return leave


MOMENTS = [
    pytest.param(stall, _waits(chat(), None), id="before the first byte"),
    pytest.param(begin_and_stall(stream_head()), _waits(chat(), b"\r\n\r\n"), id="after the head"),
    pytest.param(
        begin_and_stall(stream_head() + chunk(_EVENT)), _waits(chat(), _EVENT), id="in the middle of a stream"
    ),
    pytest.param(
        begin_and_stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        _waits(chat(), b"half"),
        id="in the middle of a body with a length",
    ),
    pytest.param(sink, _waits(chat(length=_LARGE, body=bytes(300_000)), None), id="in the middle of its upload"),
    pytest.param(sink, _waits(chat(length=_LARGE, body=b""), None), id="before the first byte of its upload"),
]


@pytest.mark.parametrize(("script", "leave"), MOMENTS)
def test_a_client_that_leaves_frees_the_upstream(
    gateway: GatewayProcess, provider: Provider, script: Script, leave: Callable[[int, Provider], float]
) -> None:
    """The provider sees its connection end within 100 ms of the client's; the best of three tries counts."""
    delays: list[float] = []
    for _ in range(TRIES):
        provider.start_over(script)
        left = leave(gateway.port, provider)
        wire = provider.only_exchange().wire
        wait_until(lambda wire=wire: wire.gone_at is not None)
        assert wire.gone_at is not None
        delays.append(wire.gone_at - left)
    print(f"freed after {min(delays) * 1000:.1f} ms")  # noqa: T201 - a figure for who asks with -s
    assert 0 <= min(delays) < LIMIT
