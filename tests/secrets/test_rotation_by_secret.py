"""A secret that changes while requests are on their way: each request that leaves carries one version, whole."""

import threading
import time
from pathlib import Path

from starlette.types import Receive, Scope, Send

from asgi_driver import exchange, http_scope
from gateway_filters.asgi import FilteredApp
from gateway_filters.asgi.retry import Retrying
from gateway_filters.filters import CredentialInjection
from gateway_filters.secrets import DirectorySecret


class _Upstream:
    """Notes the credentials that come, and rotates or withdraws the secret before it refuses the first of them."""

    def __init__(self, file: Path, then: str | None) -> None:
        self.seen: list[list[bytes]] = []
        self._file = file
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        self.seen.append([value for name, value in scope["headers"] if name == b"authorization"])
        if len(self.seen) == 1:
            replace(self._file, self._then)
        await send({"type": "http.response.start", "status": 503 if len(self.seen) == 1 else 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def replace(file: Path, content: str | None) -> None:
    """Another file in its place, or none."""
    if content is None:
        file.unlink()
        return
    other = file.with_name("other")
    other.write_text(content)
    other.replace(file)


def retried(upstream: _Upstream, file: Path) -> Retrying:
    """The order of assembly: retries round the injection."""
    injecting = CredentialInjection(DirectorySecret(file.parent, file.name), overwrite=True)
    return Retrying(FilteredApp(upstream, (injecting,)), attempts=1, codes=frozenset((503,)), backoff=0.001)


async def test_each_attempt_carries_the_version_of_its_time(tmp_path: Path) -> None:
    """An attempt is a request of its own: the one after a rotation has the new key, since the old may be gone."""
    file = tmp_path / "credential"
    file.write_text("Bearer old")
    upstream = _Upstream(file, "Bearer new")
    answer = await exchange(retried(upstream, file), http_scope())
    assert answer.status == 200
    assert upstream.seen == [[b"Bearer old"], [b"Bearer new"]]


async def test_no_attempt_carries_a_secret_that_was_withdrawn(tmp_path: Path) -> None:
    """A key that is revoked between two attempts does not leave again."""
    file = tmp_path / "credential"
    file.write_text("Bearer old")
    upstream = _Upstream(file, None)
    answer = await exchange(retried(upstream, file), http_scope())
    assert answer.status == 503
    assert upstream.seen == [[b"Bearer old"]]


def test_a_hundred_rotations_under_load_show_old_or_new_and_nothing_else(tmp_path: Path) -> None:
    """Swapped, written in place, and truncated then written in pieces: never empty, never a part, never an error."""
    keys = [f"sk-{number:03}-" + "k" * (number % 50) + "-end" for number in range(100)]
    file = tmp_path / "credential"
    file.write_text(keys[0])
    source = DirectorySecret(tmp_path)
    done = threading.Event()

    def rotate() -> None:
        for number, key in enumerate(keys[1:]):
            if number % 3 == 0:
                replace(file, key)
            elif number % 3 == 1:
                file.write_text(key)
            else:
                with file.open("w") as slow:
                    for at in range(0, len(key), 4):
                        slow.write(key[at : at + 4])
                        slow.flush()
            time.sleep(0.005)
        done.set()

    seen: set[str] = set()
    rotating = threading.Thread(target=rotate)
    rotating.start()
    while not done.is_set():
        seen.add(source.current().reveal().decode())
    rotating.join()
    assert seen <= set(keys)
    assert len(seen) > 10
    deadline = time.monotonic() + 1
    while source.current().reveal().decode() != keys[-1] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.current().reveal().decode() == keys[-1]
