"""Secrets whose changes are tried before they count."""

import asyncio

import pytest

from gateway_filters.errors import SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource
from gateway_filters.secrets import VerifiedSecret


class _Source(SecretSource):
    """A source that is set by hand."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def current(self) -> Secret:
        if self.value is None:
            raise SecretUnavailable("revoked")
        return Secret(self.value)


class _Provider:
    """Takes some keys, once ``open`` is set; may be away."""

    def __init__(self, *taken: str) -> None:
        self.taken = {Secret(each) for each in taken}
        self.asked: list[bytes] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def probe(self, secret: Secret) -> bool:
        self.asked.append(secret.reveal())
        await self.open.wait()
        if self.away:
            raise OSError("away")
        return secret in self.taken


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def _sent(source: VerifiedSecret) -> bytes:
    """What a request sends that comes now, and then time for a probe."""
    await source.prepare()
    value = source.current().reveal()
    await asyncio.sleep(0.01)
    return value


async def test_a_new_secret_counts_when_it_was_tried() -> None:
    """The old one is used while the new one is tried, once for everybody, and the new one from then on."""
    source, provider = _Source("old"), _Provider("new")
    verified = VerifiedSecret(source, provider.probe)
    assert await _sent(verified) == b"old"
    assert provider.asked == []
    source.value = "new"
    provider.open.clear()
    assert await asyncio.gather(*(_sent(verified) for _ in range(20))) == [b"old"] * 20
    provider.open.set()
    await asyncio.sleep(0.01)
    assert await _sent(verified) == b"new"
    assert provider.asked == [b"new"]


@pytest.mark.parametrize("away", [False, True], ids=["refused", "a provider that is away"])
async def test_a_secret_that_was_not_taken_is_not_used(away: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The old one stays, is tried again every five seconds, and its state says why; taken later it counts."""
    source, provider, clock = _Source("old"), _Provider(), _Clock()
    provider.away = away
    verified = VerifiedSecret(source, provider.probe, clock=clock)
    await _sent(verified)
    source.value = "sk-live-new"
    for _ in range(5):
        assert await _sent(verified) == b"old"
    assert len(provider.asked) == 1
    assert verified.state().failure and verified.state().fingerprint == Secret("old").fingerprint
    assert len(caplog.records) == 1 and "sk-live" not in caplog.text
    provider.away, provider.taken = False, {Secret("sk-live-new")}
    clock.now += 5
    await _sent(verified)
    assert await _sent(verified) == b"sk-live-new"
    assert not verified.state().failure


async def test_a_rollout_that_is_taken_back_changes_nothing() -> None:
    """When the source returns to the old secret after a refused one, there is no failure left."""
    source, provider = _Source("old"), _Provider()
    verified = VerifiedSecret(source, provider.probe)
    await _sent(verified)
    source.value = "new"
    await _sent(verified)
    assert verified.state().failure
    source.value = "old"
    assert await _sent(verified) == b"old"
    assert not verified.state().failure


async def test_the_old_secret_is_not_used_for_ever() -> None:
    """A secret that its source has replaced is used for max_stale seconds, and then none."""
    source, provider, clock = _Source("old"), _Provider(), _Clock()
    verified = VerifiedSecret(source, provider.probe, max_stale=60, clock=clock)
    await _sent(verified)
    source.value = "new"
    await _sent(verified)
    clock.now += 61
    await verified.prepare()
    with pytest.raises(SecretUnavailable, match="refuses the new secret"):
        verified.current()


async def test_what_the_source_takes_back_is_not_used() -> None:
    """A revoked secret is gone at once, also while another is tried, and one that was tried does not come instead."""
    source, provider = _Source("old"), _Provider("new")
    verified = VerifiedSecret(source, provider.probe)
    await _sent(verified)
    source.value = "new"
    provider.open.clear()
    await _sent(verified)
    source.value = None
    await verified.prepare()
    with pytest.raises(SecretUnavailable, match="revoked"):
        verified.current()
    provider.open.set()
    await asyncio.sleep(0.01)
    with pytest.raises(SecretUnavailable, match="revoked"):
        verified.current()


async def _rotated(source: _Source, provider: _Provider, clock: _Clock, **more: float) -> VerifiedSecret:
    """From ``old`` to ``new``, which the probe takes."""
    verified = VerifiedSecret(source, provider.probe, clock=clock, **more)
    await _sent(verified)
    source.value = "new"
    await _sent(verified)
    assert await _sent(verified) == b"new"
    return verified


async def test_a_new_secret_that_the_upstream_refuses_makes_way(caplog: pytest.LogCaptureFixture) -> None:
    """The one before is used again at once, and the new one is tried again after a minute."""
    source, provider, clock = _Source("old"), _Provider("new"), _Clock()
    verified = await _rotated(source, provider, clock)
    verified.refused(Secret("new"))
    assert await _sent(verified) == b"old"
    assert verified.state().failure == "the upstream refuses the new secret"
    assert Secret("new").fingerprint in caplog.text
    clock.now += 59
    assert await _sent(verified) == b"old"
    clock.now += 2
    await _sent(verified)
    assert await _sent(verified) == b"new"
    assert not verified.state().failure


async def test_only_the_secret_in_use_makes_way() -> None:
    """A late answer about the old one, a second refusal, and one after the overlap change nothing."""
    source, provider, clock = _Source("old"), _Provider("new"), _Clock()
    verified = await _rotated(source, provider, clock, overlap=100)
    verified.refused(Secret("old"))
    assert await _sent(verified) == b"new"
    clock.now += 101
    verified.refused(Secret("new"))
    assert await _sent(verified) == b"new"
    again = await _rotated(_Source("old"), _Provider("new"), clock)
    again.refused(Secret("new"))
    again.refused(Secret("new"))
    again.refused(Secret("old"))
    assert await _sent(again) == b"old"


async def test_what_the_source_has_taken_back_does_not_come_again() -> None:
    """A refusal cannot bring back a secret from before a revocation."""
    source, provider, clock = _Source("old"), _Provider("new"), _Clock()
    verified = await _rotated(source, provider, clock)
    source.value = None
    with pytest.raises(SecretUnavailable):
        verified.current()
    source.value = "new"
    assert await _sent(verified) == b"new"
    verified.refused(Secret("new"))
    assert await _sent(verified) == b"new"
