"""A remote place over real sockets: unreachable in many ways keeps the last good value, gone and forbidden do not."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from gateway_filters.errors import SecretRevoked, SecretUnavailable
from gateway_filters.message.secret import Secret
from gateway_filters.secrets import CachedSecret


class _Vault(ThreadingHTTPServer):
    """Answers each request for the secret as it is told to, and counts them."""

    daemon_threads = True
    answer: tuple[int, str] = (200, "sk-one")
    hangs = False
    asked = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.go_on = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        vault = self.server
        assert isinstance(vault, _Vault)
        vault.asked += 1
        if vault.hangs:
            vault.go_on.wait(5)
        status, body = vault.answer
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """Nothing to be told."""


@pytest.fixture
def vault() -> Iterator[_Vault]:
    """A vault that holds ``sk-one``."""
    with _Vault() as vault:
        thread = threading.Thread(target=vault.serve_forever, args=(0.01,))
        thread.start()
        yield vault
        vault.go_on.set()
        vault.shutdown()
        thread.join()


@dataclass
class Clock:
    """Time that passes when it is told to, whatever the machine is busy with."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def reading(vault: _Vault, clock: Clock, ttl: float, max_stale: float = 3600) -> CachedSecret:
    """A source over the vault, as somebody would write it for one of theirs."""

    async def fetch() -> Secret:
        async with httpx.AsyncClient(trust_env=False, timeout=0.3 if vault.hangs else 30.0) as client:
            answer = await client.get(f"http://127.0.0.1:{vault.server_port}/v1/secret")
        if answer.status_code in (403, 404):
            raise SecretRevoked(f"the vault answered {answer.status_code}")
        return Secret(answer.raise_for_status().text, what="the vault's secret")

    return CachedSecret(fetch, what="the vault's secret", ttl=ttl, max_stale=max_stale, clock=clock)


async def _value(source: CachedSecret) -> bytes | None:
    await source.prepare()
    try:
        return source.current().reveal()
    except SecretUnavailable:
        return None


def _fails(vault: _Vault, status: int) -> None:
    vault.answer = (status, "sealed")


def _hangs(vault: _Vault) -> None:
    vault.hangs = True


def _bad(vault: _Vault) -> None:
    vault.answer = (200, "sk-\r\nx: y")


TROUBLES: dict[str, Callable[[_Vault], None]] = {
    "an error of its own": partial(_fails, status=500),
    "sealed": partial(_fails, status=503),
    "too many requests": partial(_fails, status=429),
    "no answer": _hangs,
    "an answer that no header can carry": _bad,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_trouble_keeps_the_last_good_value(vault: _Vault, trouble: Callable[[_Vault], None]) -> None:
    """Requests go on with the secret until it is too old, and the source is asked once a second at most."""
    clock = Clock()
    source = reading(vault, clock, ttl=0.05, max_stale=1.2)
    assert await _value(source) == b"sk-one"
    trouble(vault)
    clock.now = 0.1
    began, asked = clock.now, vault.asked
    while clock.now - began < 0.9:
        assert set(await asyncio.gather(*(_value(source) for _ in range(50)))) == {b"sk-one"}
        clock.now += 0.01
    assert vault.asked - asked == 1
    assert source.state().failure
    while await _value(source) is not None:
        assert clock.now - began < 1.3
        clock.now += 0.05
    vault.answer, vault.hangs = (200, "sk-two"), False
    vault.go_on.set()
    while await _value(source) != b"sk-two":
        assert clock.now - began < 12
        clock.now += 0.05


@pytest.mark.parametrize("status", [403, 404])
async def test_gone_or_forbidden_counts_within_a_second(vault: _Vault, status: int) -> None:
    """What the vault takes back is not used a second later, where it is asked that often, and comes back by itself."""
    clock = Clock()
    source = reading(vault, clock, ttl=0.5)
    assert await _value(source) == b"sk-one"
    vault.answer = (status, "")
    while await _value(source) is not None:
        assert clock.now < 1
        clock.now += 0.01
    vault.answer = (200, "sk-two")
    while await _value(source) is None:
        assert clock.now < 5
        clock.now += 0.05
    assert await _value(source) == b"sk-two"


async def test_a_place_that_is_not_there_is_no_secret() -> None:
    """Nobody listens: no secret, told by the kind of failure, and nothing waits."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))

        async def fetch() -> Secret:
            await asyncio.open_connection(*nobody.getsockname())
            return Secret("sk-never")

        source = CachedSecret(fetch)
        assert await _value(source) is None
        assert source.state().failure == "fetching the secret failed with ConnectionRefusedError"
