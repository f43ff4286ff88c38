"""What asyncio says of callbacks when it debugs, and Python of errors that nobody catches: never the key (T11)."""

import asyncio
import faulthandler
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from asgi_driver import exchange, http_scope
from gateway_filters import CredentialInjection, Filter, MemorySecret, Secret, Upstream, chain
from gateway_filters.message.head import RequestHead

KEY = "sk-0123456789-only-for-debugging"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def _provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER if KEY.encode() in head else b"")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("body", [b"", b"x" * 200_000], ids=["short", "long"])
async def test_asyncio_tells_of_every_callback(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """With what it was called with, where the loop debugs and finds each callback slow."""
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(_provider, "127.0.0.1", 0)
    origin = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    app = chain(origin, CredentialInjection(MemorySecret(f"Bearer {KEY}"), overwrite=True))
    loop.set_debug(True)
    duration, loop.slow_callback_duration = loop.slow_callback_duration, 0.0
    try:
        with caplog.at_level(logging.DEBUG):
            answer = await exchange(app, http_scope("/", method="POST"), body)
            await origin.aclose()
    finally:
        loop.set_debug(False)
        loop.slow_callback_duration = duration
        server.close()
    assert answer.status == 200
    told = [each.getMessage() for each in caplog.records if each.name == "asyncio"]
    assert any("Executing <" in each for each in told)
    assert not [each for each in told if KEY[:8] in each]


class Failing(Filter):
    """A filter behind the credential, which fails with it in hand."""

    __slots__ = ()

    def on_request(self, head: RequestHead) -> RequestHead:
        """Fail."""
        raise RuntimeError(f"{Secret(KEY)} beside {len(head.headers)} fields")


def _in_a_filter() -> None:
    app = chain(chain(Upstream("http://127.0.0.1:9"), Failing()), CredentialInjection(MemorySecret(KEY)))
    try:
        asyncio.run(exchange(app, http_scope("/")))
    except RuntimeError:
        logging.getLogger("server").exception("as servers tell of an app that fails")


def _at_the_end_of_the_process() -> None:
    error = RuntimeError(Secret(KEY))
    sys.__excepthook__(type(error), error, None)


def _in_a_thread() -> None:
    def fail() -> None:
        raise RuntimeError(Secret(KEY))

    thread = threading.Thread(target=fail)
    hook, threading.excepthook = threading.excepthook, threading.__excepthook__
    try:
        thread.start()
        thread.join()
    finally:
        threading.excepthook = hook


def _lost_in_a_task() -> None:
    async def lose() -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": "lost", "exception": RuntimeError(Secret(KEY)), "secret": MemorySecret(KEY)}
        )

    asyncio.run(lose())


WAYS = {
    "in a filter": _in_a_filter,
    "at the end of the process": _at_the_end_of_the_process,
    "in a thread": _in_a_thread,
    "in a task": _lost_in_a_task,
}


@pytest.mark.parametrize("fail", WAYS.values(), ids=WAYS)
def test_errors_that_nobody_catches(
    fail: Callable[[], None], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What Python prints has the error, and stars where the key would be."""
    fail()
    printed = capsys.readouterr()
    told = printed.out + printed.err + caplog.text
    assert "***" in told
    assert KEY[:8] not in told


def test_where_all_threads_stand(tmp_path: Path) -> None:
    """faulthandler names functions and lines, no values."""
    secret = Secret(KEY)
    with (tmp_path / "stacks").open("w+b") as stacks:
        faulthandler.dump_traceback(stacks, all_threads=True)
        stacks.seek(0)
        told = stacks.read().decode()
    assert "test_where_all_threads_stand" in told
    assert KEY[:8] not in told
    assert secret
