"""Keys that are fetched: once for all who wait, used on while newer ones come, and never for long."""

import asyncio
import logging
from itertools import pairwise

import pytest

pytest.importorskip("joserfc", reason="the extra gateway-filters[jwt] is not installed")

from credentials.signing import jwks
from gateway_filters.credentials import FetchedKeys, KeySet
from gateway_filters.errors import KeysUnavailable, UpstreamTimeout

SECRET = "sk-in-the-text-of-an-error"


class _Publisher:
    """Answers as it is told, counts, and has its own clock."""

    def __init__(self) -> None:
        self.answers: list[str | Exception] = [jwks("rsa")]
        self.asked = 0
        self.now = 0.0
        self.release = asyncio.Event()
        self.release.set()
        self.keys = FetchedKeys(self._fetch, "the keys of p", ttl=300, retry=1, stale=3600, clock=lambda: self.now)

    async def _fetch(self) -> str:
        self.asked += 1
        await self.release.wait()
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def prepared(self) -> KeySet | None:
        """What a request finds after it has prepared, and after what it has started is over."""
        await self.keys.prepare()
        found = self.found()
        await asyncio.sleep(0.01)
        return found

    def found(self) -> KeySet | None:
        try:
            return self.keys.current()
        except KeysUnavailable:
            return None


RSA, EC = KeySet(jwks("rsa")), KeySet(jwks("ec"))


async def test_the_first_request_waits_for_the_first_keys() -> None:
    """Before it nothing is fetched; while they are young nothing is fetched again."""
    publisher = _Publisher()
    with pytest.raises(KeysUnavailable, match="the keys of p could not be fetched"):
        publisher.keys.current()
    assert await publisher.prepared() == RSA
    publisher.now = 299
    assert await publisher.prepared() == RSA and publisher.asked == 1


async def test_all_who_wait_wait_for_one_fetch() -> None:
    """And one that is cancelled takes nothing from the others."""
    publisher = _Publisher()
    publisher.release.clear()
    waiting = [asyncio.create_task(publisher.keys.prepare()) for _ in range(5)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    publisher.release.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert publisher.asked == 1 and publisher.found() == RSA


async def test_old_keys_are_used_while_newer_ones_are_fetched() -> None:
    """Nobody waits for a publisher that is slow."""
    publisher = _Publisher()
    publisher.answers = [jwks("rsa"), jwks("ec")]
    await publisher.prepared()
    publisher.now = 300
    publisher.release.clear()
    async with asyncio.timeout(1):
        assert await publisher.prepared() == RSA
    publisher.release.set()
    await asyncio.sleep(0.01)
    assert await publisher.prepared() == EC and publisher.asked == 2


async def test_a_publisher_that_is_down_is_asked_less_and_less(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the traffic: after about 1, 2, 4 … 60 seconds; its error is logged without what it may hold."""
    publisher = _Publisher()
    publisher.answers = [RuntimeError(SECRET)]
    times: list[float] = []
    with caplog.at_level(logging.WARNING):
        for second in range(600):
            publisher.now = float(second)
            before = publisher.asked
            assert await publisher.prepared() is None if second < 3 else True
            await publisher.keys.prepare()
            times.extend([publisher.now] * (publisher.asked - before))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 0 and len(times) < 20
    assert max(gaps) <= 76 and gaps[-1] >= 45
    assert "the keys of p could not be fetched: RuntimeError; tried again in about 1 s" in caplog.text
    assert SECRET not in caplog.text


async def test_the_last_keys_are_used_while_fetching_fails_and_then_no_more() -> None:
    """Fail closed after a limit: here an hour after they were to be replaced."""
    publisher = _Publisher()
    publisher.answers = [jwks("rsa"), UpstreamTimeout("no answer")]
    await publisher.prepared()
    publisher.now = 3899
    assert await publisher.prepared() == RSA
    publisher.now = 3901
    assert await publisher.prepared() is None and publisher.asked > 1


async def test_keys_come_back() -> None:
    """After a failure the next success counts, and the pauses begin anew."""
    publisher = _Publisher()
    publisher.answers = [RuntimeError("x"), RuntimeError("x"), jwks("rsa")]
    for now in (0.0, 2.0, 6.0):
        publisher.now = now
        await publisher.keys.prepare()
    assert publisher.found() == RSA and publisher.asked == 3


@pytest.mark.parametrize("answer", ["", "{}", "<html>", '{"keys": []}', "x" * 2_000_000])
async def test_what_is_no_set_is_no_new_keys(answer: str) -> None:
    """The last good ones stay in use."""
    publisher = _Publisher()
    publisher.answers = [jwks("rsa"), answer]
    await publisher.prepared()
    publisher.now = 300
    await publisher.prepared()
    assert await publisher.prepared() == RSA and publisher.asked == 2


async def test_an_unknown_key_has_newer_ones_looked_for() -> None:
    """Rotation is seen by the first token of the new key, and such tokens cannot make anybody ask often."""
    publisher = _Publisher()
    publisher.answers = [jwks("rsa"), jwks("ec")]
    await publisher.prepared()
    publisher.now = 9
    await publisher.keys.renew()
    assert publisher.found() == RSA and publisher.asked == 1
    publisher.now = 11
    await publisher.keys.renew()
    assert publisher.found() == EC and publisher.asked == 2
    for now in range(12, 21):
        publisher.now = float(now)
        await publisher.keys.renew()
    assert publisher.asked == 2


async def test_a_fetch_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is bounded."""
    monkeypatch.setattr("gateway_filters.credentials.fetched_keys._PATIENCE", 0.05)
    publisher = _Publisher()
    publisher.release.clear()
    async with asyncio.timeout(2):
        assert await publisher.prepared() is None


async def test_closing_gives_up_the_fetch() -> None:
    """No task is left behind; closing twice, or before anything was fetched, is nothing."""
    publisher, before = _Publisher(), asyncio.all_tasks()
    await publisher.keys.aclose()
    publisher.release.clear()
    waiting = asyncio.create_task(publisher.keys.prepare())
    await asyncio.sleep(0.01)
    await publisher.keys.aclose()
    await publisher.keys.aclose()
    await asyncio.gather(waiting, return_exceptions=True)
    assert asyncio.all_tasks() == before
