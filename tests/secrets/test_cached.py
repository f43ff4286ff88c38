"""Remote secrets: fetched once for everybody who waits, kept for a while."""

import asyncio
import itertools
import time
import traceback
from collections.abc import Sequence

import pytest

from gateway_filters.errors import SecretRevoked, SecretUnavailable
from gateway_filters.message.secret import Secret
from gateway_filters.secrets import CachedSecret

URL = "https://vault.example/v1?token=sk-live-not-a-real-key"


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Remote:
    """A remote place: gives secrets or failures in turn, each once ``open`` is set."""

    def __init__(self, *answers: str | BaseException) -> None:
        self.answers: Sequence[str | BaseException] = answers
        self.calls = 0
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> Secret:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        await self.open.wait()
        if isinstance(answer, BaseException):
            raise answer
        return Secret(answer)


async def test_nothing_is_fetched_before_a_request() -> None:
    """A source that was never prepared has nothing and has called nobody."""
    remote = _Remote("one")
    with pytest.raises(SecretUnavailable):
        CachedSecret(remote.fetch).current()
    assert remote.calls == 0


async def test_a_secret_is_fetched_once_for_all_who_wait() -> None:
    """A hundred requests at once make one call, and all have its secret."""
    remote = _Remote("one")
    remote.open.clear()
    source = CachedSecret(remote.fetch)

    async def request() -> bytes:
        await source.prepare()
        return source.current().reveal()

    requests = [asyncio.create_task(request()) for _ in range(100)]
    await asyncio.sleep(0)
    remote.open.set()
    assert await asyncio.gather(*requests) == [b"one"] * 100
    assert remote.calls == 1


@pytest.mark.parametrize(
    ("later", "calls"),
    [
        pytest.param(0.0, 1, id="at once it is kept"),
        pytest.param(29.9, 1, id="just before its time it is kept"),
        pytest.param(30.0, 2, id="at its time it is fetched again"),
        pytest.param(1000.0, 2, id="long after its time it is fetched again"),
    ],
)
async def test_a_secret_is_kept_for_its_time(later: float, calls: int) -> None:
    """A secret is fetched again when it is as old as ttl, and not before."""
    remote, clock = _Remote("one", "two"), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    await source.prepare()
    clock.now += later
    await source.prepare()
    assert remote.calls == calls
    assert source.current().reveal() == [b"one", b"two"][calls - 1]


async def test_its_time_runs_from_the_end_of_the_fetch() -> None:
    """A slow fetch does not use up the time of what it brings."""
    remote, clock = _Remote("one"), _Clock()
    remote.open.clear()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    waiting = asyncio.create_task(source.prepare())
    await asyncio.sleep(0)
    clock.now += 100
    remote.open.set()
    await waiting
    clock.now += 29
    await source.prepare()
    assert remote.calls == 1


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        pytest.param(RuntimeError(URL), "RuntimeError", id="an error of foreign code"),
        pytest.param(OSError(5, URL), "OSError", id="a failing connection"),
        pytest.param(TimeoutError(URL), "TimeoutError", id="a clock that ran out"),
        pytest.param(asyncio.CancelledError(URL), "CancelledError", id="a call that was cancelled far away"),
        pytest.param(SecretUnavailable("vault path secret/x is sealed"), "vault path secret/x is sealed", id="our own"),
    ],
)
async def test_a_failing_fetch_means_no_secret_and_is_tried_again(failure: BaseException, told: str) -> None:
    """Preparing never raises; there is no secret, foreign words are not repeated, and the next request tries again."""
    remote, clock = _Remote(failure, failure, "two"), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    for calls in (1, 2):
        await source.prepare()
        assert remote.calls == calls
        with pytest.raises(SecretUnavailable, match=told) as caught:
            source.current()
        assert "sk-live" not in "".join(traceback.format_exception(caught.value))
        clock.now += 3
    await source.prepare()
    assert source.current().reveal() == b"two"


async def test_an_unreachable_source_keeps_the_last_good_value(caplog: pytest.LogCaptureFixture) -> None:
    """When the renewal fails the old secret is used on, its state and one line of the log say so, and then no more."""
    remote, clock = _Remote("one", RuntimeError(URL), RuntimeError(URL), RuntimeError(URL), "two"), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, max_stale=100, what="the key in the vault", clock=clock)
    await source.prepare()
    assert not source.state().failure
    for later, calls in ((31, 2), (62, 3), (129, 4)):
        clock.now = 1000 + later
        await source.prepare()
        assert (source.current().reveal(), remote.calls) == (b"one", calls)
    state = source.state()
    assert state.failure == "fetching the key in the vault failed with RuntimeError"
    assert state.confirmed == pytest.approx(time.time() - 129, abs=5)
    assert len(caplog.records) == 1 and "sk-live" not in caplog.text
    clock.now = 1000 + 130.1
    with pytest.raises(SecretUnavailable, match="last good value is older than 130 s"):
        source.current()
    assert source.state().fingerprint is None
    clock.now += 60
    await source.prepare()
    assert source.current().reveal() == b"two" and not source.state().failure


async def test_a_bad_new_value_keeps_the_last_good_one() -> None:
    """A source that gives what no header can carry says nothing about the secret that it gave before."""
    remote, clock = _Remote("one", "sk-live\nx"), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    await source.prepare()
    clock.now += 30
    await source.prepare()
    assert (source.current().reveal(), remote.calls) == (b"one", 2)
    assert "holds a line end" in source.state().failure


async def test_a_revoked_secret_is_not_used_any_more() -> None:
    """When the source says gone or forbidden there is no secret from then on, until it gives one again."""
    remote, clock = _Remote("one", SecretRevoked("the vault has no secret/x"), "two"), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    await source.prepare()
    clock.now += 30
    await source.prepare()
    with pytest.raises(SecretUnavailable, match="the vault has no secret/x"):
        source.current()
    clock.now += 2
    await source.prepare()
    assert source.current().reveal() == b"two"


async def test_a_source_that_is_down_is_asked_less_and_less() -> None:
    """However many requests come, a source that fails is asked once a second at most, and less often as time goes."""
    remote, clock = _Remote(RuntimeError(URL)), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    asked: list[float] = []
    for _ in range(3000):
        before = remote.calls
        await source.prepare()
        if remote.calls > before:
            asked.append(clock.now)
        clock.now += 0.1
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    least = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert len(pauses) >= 6
    assert all(low - 0.05 <= pause <= low * 1.5 + 0.2 for low, pause in zip(least, pauses, strict=False))


async def test_a_source_that_hangs_delays_requests_for_a_second_at_most() -> None:
    """While there is a value to use, requests wait a moment for a newer one and then go with the old one."""
    remote, clock = _Remote("one", "two"), _Clock()
    source = CachedSecret(remote.fetch, ttl=30, clock=clock)
    await source.prepare()
    clock.now += 30
    remote.open.clear()
    began = time.monotonic()
    await source.prepare()
    assert 0.9 < time.monotonic() - began < 2
    assert source.current().reveal() == b"one"
    clock.now += 1
    async with asyncio.timeout(0.5):
        await source.prepare()
    assert remote.calls == 2
    remote.open.set()
    await source.prepare()
    await asyncio.sleep(0)
    assert source.current().reveal() == b"two"


async def test_an_unsendable_remote_secret_is_no_secret() -> None:
    """A remote place that gives what no header can carry gives no secret; the value is not shown."""
    source = CachedSecret(_Remote("sk-live\nx").fetch)
    await source.prepare()
    with pytest.raises(SecretUnavailable, match="header cannot carry") as caught:
        source.current()
    assert "sk-live" not in str(caught.value)


@pytest.mark.parametrize("who", [0, 1], ids=["the one who began the fetch", "one who joined it"])
async def test_a_cancelled_request_takes_nothing_from_the_others(who: int) -> None:
    """A waiter that is cancelled stops at once; the fetch goes on and the others have its secret."""
    remote = _Remote("one")
    remote.open.clear()
    source = CachedSecret(remote.fetch)
    waiters = [asyncio.create_task(source.prepare()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[who].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiters[who]
    remote.open.set()
    await asyncio.gather(*(waiter for waiter in waiters if waiter is not waiters[who]))
    assert source.current().reveal() == b"one"
    assert remote.calls == 1


async def test_a_fetch_that_nobody_waits_for_is_still_of_use() -> None:
    """When all waiters are cancelled the fetch goes on, and the next request has its secret."""
    remote = _Remote("one")
    remote.open.clear()
    source = CachedSecret(remote.fetch)
    waiter = asyncio.create_task(source.prepare())
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    remote.open.set()
    await source.prepare()
    assert source.current().reveal() == b"one"
    assert remote.calls == 1


async def test_no_text_of_the_source_shows_the_secret() -> None:
    """The source's repr does not show what it has fetched."""
    source = CachedSecret(_Remote("sk-live-not-a-real-key").fetch)
    await source.prepare()
    assert "sk-live" not in f"{source!r} {source}"
