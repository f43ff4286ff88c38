"""upstream/app: an answer that carries the credential that was sent never reaches a client (CWE-200)."""

import httpx
import pytest

from asgi_driver import exchange, http_scope, json_error
from gateway_filters import CredentialInjection, MemorySecret, Upstream, chain

KEY = "sk-live-not-a-real-key"


def answering(answer: httpx.Response) -> httpx.MockTransport:
    """A provider that always gives ``answer``."""
    return httpx.MockTransport(lambda request: answer)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-debug": f"authorization: Bearer {KEY}"}, id="as it was sent"),
        pytest.param({"location": f"https://elsewhere.test/?key={KEY}"}, id="without its scheme, in a redirect"),
        pytest.param({"set-cookie": f"session={KEY}; Path=/"}, id="in a cookie"),
    ],
)
async def test_a_head_that_carries_the_credential(headers: dict[str, str]) -> None:
    """It is answered with 502, in constant words."""
    provider = Upstream("http://provider.test", transport=answering(httpx.Response(401, headers=headers)))
    app = chain(provider, CredentialInjection(MemorySecret(KEY, scheme="Bearer"), overwrite=True))
    answer = await exchange(app, http_scope())
    assert answer.status == 502
    assert json_error(answer.body)["type"] == "upstream_error"
    assert KEY.encode() not in b"".join([*(value for _, value in answer.headers), answer.body])


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        pytest.param(KEY, {"x-debug": "Bearer of another key"}, id="another value"),
        pytest.param("a", {"x-debug": "a"}, id="one so short that it may stand there by chance"),
    ],
)
async def test_what_does_not_carry_it_passes(key: str, headers: dict[str, str]) -> None:
    """The scheme alone is no secret, and neither is what is no key."""
    provider = Upstream("http://provider.test", transport=answering(httpx.Response(200, headers=headers)))
    app = chain(provider, CredentialInjection(MemorySecret(key, scheme="Bearer"), overwrite=True))
    assert (await exchange(app, http_scope())).status == 200


async def test_a_route_without_a_credential_looks_for_none() -> None:
    """A client's own credential may come back to it."""
    provider = Upstream("http://provider.test", transport=answering(httpx.Response(200, headers={"x-echo": KEY})))
    headers = [(b"host", b"h"), (b"authorization", KEY.encode())]
    assert (await exchange(provider, http_scope(headers=headers))).status == 200
