"""A provider's 401: the source of the credential hears which version was refused, and the request is not sent again."""

import asyncio
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from asgi_driver import exchange, http_scope
from gateway_filters.asgi import FilteredApp
from gateway_filters.asgi.retry import Retrying
from gateway_filters.filters import CredentialInjection
from gateway_filters.message.secret import Secret
from gateway_filters.secrets import CachedSecret, DirectorySecret, MemorySecret, VerifiedSecret


class _Provider:
    """Answers 401 to all keys but those it takes, and notes what came."""

    def __init__(self, *taken: bytes) -> None:
        self.taken = set(taken)
        self.came: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        (value,) = (value for name, value in scope["headers"] if name == b"authorization")
        self.came.append(value)
        await send({"type": "http.response.start", "status": 200 if value in self.taken else 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class _Vault:
    """Gives its key, and counts how often it was asked."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.asked = 0

    async def fetch(self) -> Secret:
        self.asked += 1
        return Secret(self.key)


async def _status(app: FilteredApp | Retrying, *headers: tuple[bytes, bytes]) -> int:
    answer = await exchange(app, http_scope(headers=headers))
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert answer.status is not None
    return answer.status


async def test_a_refused_secret_is_fetched_again_once() -> None:
    """The client gets its 401, the next request the new key; a key that stays refused is not asked for again."""
    vault, provider = _Vault("old"), _Provider(b"new")
    app = FilteredApp(provider, (CredentialInjection(CachedSecret(vault.fetch, ttl=3600), overwrite=True),))
    assert await _status(app) == 401
    assert vault.asked == 2
    assert [await _status(app) for _ in range(5)] == [401] * 5
    assert vault.asked == 2
    late = CachedSecret(vault.fetch, ttl=3600)
    rotating = FilteredApp(provider, (CredentialInjection(late, overwrite=True),))
    await late.prepare()
    vault.key = "new"
    assert [await _status(rotating) for _ in range(3)] == [401, 200, 200]
    assert provider.came == [b"old"] * 7 + [b"new"] * 2


async def test_a_late_refusal_of_an_old_secret_changes_nothing() -> None:
    """By then the source has another one."""
    vault = _Vault("new")
    source = CachedSecret(vault.fetch, ttl=3600)
    await source.prepare()
    source.refused(Secret("old"))
    await asyncio.sleep(0.01)
    assert vault.asked == 1


async def test_what_the_client_sent_itself_is_not_the_sources_business() -> None:
    """With ``overwrite`` false a client's own bad key says nothing of ours."""
    vault = _Vault("ours")
    app = FilteredApp(_Provider(b"ours"), (CredentialInjection(CachedSecret(vault.fetch)),))
    assert await _status(app) == 200
    assert await _status(app, (b"authorization", b"theirs")) == 401
    assert vault.asked == 1


async def test_a_verified_secret_rolls_back() -> None:
    """A rotation that the probe took and the provider does not costs one answer."""
    inner, provider = _Vault("old"), _Provider(b"old")

    async def takes_all(_: Secret) -> bool:
        return True

    source = VerifiedSecret(CachedSecret(inner.fetch, ttl=0), takes_all)
    app = FilteredApp(provider, (CredentialInjection(source, overwrite=True),))
    assert await _status(app) == 200
    inner.key = "bad"
    answers = [await _status(app) for _ in range(6)]
    assert answers.count(401) == 1
    assert answers[-2:] == [200, 200]


async def test_a_refused_request_is_not_sent_again() -> None:
    """Also where others are: the codes of a route's retry are the route's, and 401 is not among them."""
    vault, provider = _Vault("old"), _Provider(b"new")
    injected = FilteredApp(provider, (CredentialInjection(CachedSecret(vault.fetch), overwrite=True),))
    assert await _status(Retrying(injected, attempts=3, codes=frozenset((503,)), backoff=0.001)) == 401
    assert provider.came == [b"old"]


@pytest.mark.parametrize("source", [MemorySecret("a"), DirectorySecret(Path("/run/none"))])
def test_sources_that_can_do_nothing_about_it_cost_nothing(source: MemorySecret | DirectorySecret) -> None:
    """A file is looked at for each request anyway."""
    assert not CredentialInjection(source).hears_refusals
