"""upstream/app: an answer that carries the credential that was sent never reaches a client (CWE-200)."""

import asyncio

import httpx
import pytest
from scripted import Peer, Script, upstream

from asgi_driver import Answer, exchange, http_scope, json_error
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
        pytest.param({KEY: "1"}, id="as a name"),
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


def _in_chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


QUOTING = b'{"error": {"message": "Incorrect API key provided: ' + KEY.encode() + b'"}}'


@pytest.mark.parametrize("cut", [0, 60])
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
async def test_a_refusal_that_carries_it_is_stopped_however_it_is_cut(cut: int, *, chunked: bool) -> None:
    """Providers quote the key that they refuse: its 401 is 502 here, also when its body comes in pieces."""
    pieces = [piece for piece in (QUOTING[:cut], QUOTING[cut:]) if piece]
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(QUOTING)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 401 Unauthorized\r\n" + framing + b"\r\n\r\n")
        for piece in pieces:
            await asyncio.sleep(0.01)
            await peer.send(_in_chunks(piece) if chunked else piece)
        await peer.send(b"0\r\n\r\n" if chunked else b"")

    answer = await _asked(script)
    assert answer.status == 502
    assert KEY.encode() not in answer.body


async def test_a_long_refusal_goes_on_as_it_comes() -> None:
    """Nothing is held for ever, and nothing is lost: over 16 KiB what was held goes first."""
    sent = [b"a" * 10_000, b"b" * 10_000, b"c" * 10_000]

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in sent:
            await asyncio.sleep(0.01)
            await peer.send(_in_chunks(piece))
        await peer.send(b"0\r\n\r\n")

    answer = await _asked(script)
    assert (answer.status, answer.body) == (400, b"".join(sent))


async def _asked(script: Script) -> Answer:
    async with upstream(script) as scripted:
        provider = Upstream(f"http://127.0.0.1:{scripted.port}")
        app = chain(provider, CredentialInjection(MemorySecret(KEY, scheme="Bearer"), overwrite=True))
        try:
            return await exchange(app, http_scope())
        finally:
            await provider.aclose()
