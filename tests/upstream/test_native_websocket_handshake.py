"""upstream/websocket: opening handshakes with raw scripted upstreams, and who gets none."""

import asyncio
import base64
import builtins
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from scripted import Peer, soon, upstream
from websocket_peer import accept_of, answer_to, client, ended, opening

from asgi_driver import Driver, Pairs, json_error, websocket_scope
from gateway_filters import CredentialInjection, MemorySecret, Upstream, chain
from gateway_filters.upstream import Clocks

KEY = "Bearer sk-not-a-real-key"


async def test_the_handshake_on_the_wire() -> None:
    """Host first, the client's headers in order, what concerns this hop made anew and in one piece."""
    async with upstream(opening()) as scripted, client(scripted, subprotocols=["a", "b"]) as driver:
        assert (await driver.next())["type"] == "websocket.accept"
    head = scripted.heads[0]
    lines = head.split(b"\r\n")
    key = next(line for line in lines if line.startswith(b"sec-websocket-key: "))
    assert len(base64.b64decode(key.partition(b": ")[2])) == 16 and b"dGhlIHNhbXBsZSBub25jZQ" not in head
    assert [line for line in lines if line is not key] == [
        b"GET /r?m=1 HTTP/1.1",
        b"host: gateway.test",
        b"sec-websocket-protocol: a, b",
        b"connection: Upgrade",
        b"upgrade: websocket",
        b"sec-websocket-version: 13",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("lines", "subprotocols", "chosen"),
    [
        pytest.param([], ["a", "b"], None, id="none"),
        pytest.param([b"Sec-WebSocket-Protocol: b"], ["a", "b"], "b", id="one of those offered"),
        pytest.param([b"X-Request-Id: 7", b"Set-Cookie: a=1", b"set-cookie: b=2"], [], None, id="other headers"),
    ],
)
async def test_right_answers(lines: Sequence[bytes], subprotocols: Sequence[str], chosen: str | None) -> None:
    """Are accepted, with the headers that are not the handshake's own."""
    async with upstream(opening(*lines)) as scripted, client(scripted, subprotocols=subprotocols) as driver:
        accepted = await driver.next()
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", chosen)
    passed: Pairs = [] if subprotocols else [(b"x-request-id", b"7"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert accepted["headers"] == passed


Answers = dict[str, Callable[[bytes], bytes]]
"""Answers to the head of a handshake."""


def _without(name: bytes) -> Callable[[bytes], bytes]:
    return lambda head: b"\r\n".join(
        line for line in answer_to(head).split(b"\r\n") if not line.lower().startswith(name)
    )


WRONG: Answers = {
    "another key": lambda head: answer_to(head, accept=b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    "no key": _without(b"sec-websocket-accept"),
    "two keys": lambda head: answer_to(head, b"Sec-WebSocket-Accept: " + accept_of(head)),
    "no Upgrade": _without(b"upgrade"),
    "no Connection": _without(b"connection"),
    "another protocol": lambda head: answer_to(head).replace(b"Upgrade: WebSocket", b"Upgrade: h2c"),
    "a subprotocol that nobody offered": lambda head: answer_to(head, b"Sec-WebSocket-Protocol: c"),
    "a subprotocol in another case": lambda head: answer_to(head, b"Sec-WebSocket-Protocol: A"),
    "two subprotocols": lambda head: answer_to(head, b"Sec-WebSocket-Protocol: a, b"),
    "an extension that nobody offered": lambda head: answer_to(head, b"Sec-WebSocket-Extensions: permessage-deflate"),
    "no HTTP": lambda head: b"hello\r\n\r\n",
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_answers(case: str) -> None:
    """502, nothing accepted, and the connection is closed."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(WRONG[case](await peer.head()))
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted, subprotocols=["a", "b"]) as driver:
        await ended(driver)
        async with asyncio.timeout(2):
            await gone.wait()
    assert (driver.sent[0]["type"], driver.sent[0]["status"]) == ("websocket.http.response.start", 502)
    assert json_error(driver.sent[1]["body"])["type"] == "upstream_malformed"


REFUSALS = [
    pytest.param(b"content-length: 2\r\n\r\nno", b"no", id="with a length"),
    pytest.param(b"transfer-encoding: chunked\r\n\r\n1\r\nn\r\n1\r\no\r\n0\r\n\r\n", b"no", id="in chunks"),
    pytest.param(b"content-length: 0\r\n\r\n", b"", id="without words"),
]


@pytest.mark.parametrize("status", [401, 429, 200, 307])
@pytest.mark.parametrize(("rest", "body"), REFUSALS)
async def test_refusals_are_the_clients(status: int, rest: bytes, body: bytes) -> None:
    """Status, headers, body; the connection serves again."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.send(b"HTTP/1.1 %d No\r\nRetry-After: 7\r\nConnection: keep-alive\r\n" % status + rest)

    async with upstream(script) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}")
        for _ in range(2):
            async with Driver(app, websocket_scope()) as driver:
                driver.connect()
                await driver.end()
            start, *rest_of_it = driver.sent
            assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
            assert (b"retry-after", b"7") in start["headers"]
            assert b"connection" not in dict(start["headers"])
            assert b"".join(each["body"] for each in rest_of_it) == body
            assert [each["more_body"] for each in rest_of_it][-1] is False
        assert len(scripted.peers) == 1
        await app.aclose()


async def test_a_refusal_without_end_is_cut_off() -> None:
    """Servers collect it: more than a MiB is none."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    async with upstream(script) as scripted, client(scripted) as driver:
        with pytest.raises(Exception, match="too many words"):
            await driver.end()
    assert sum(len(each.get("body", b"")) for each in driver.sent) <= 1024 * 1024


async def test_a_refusal_that_breaks_off_is_cut_off() -> None:
    """A broken answer looks broken."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 401 No\r\ncontent-length: 10\r\n\r\nno")
        peer.end()

    async with upstream(script) as scripted, client(scripted) as driver:
        with pytest.raises(Exception, match="broke off"):
            await driver.end()


async def test_an_upstream_that_does_not_decide() -> None:
    """504 after the clock of the first byte."""

    async def script(peer: Peer) -> None:
        await peer.head()

    async with upstream(script) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}", clocks=Clocks(first_byte=0.1))
        async with Driver(app, websocket_scope()) as driver:
            driver.connect()
            await driver.end()
        await app.aclose()
    assert driver.sent[0]["status"] == 504


async def test_a_client_that_leaves_while_the_upstream_thinks() -> None:
    """The handshake is given up at once, and nothing is answered."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.until_gone()
        gone.set()

    async with upstream(script) as scripted, client(scripted) as driver:
        await soon(lambda: bool(scripted.heads))
        driver.feed_message({"type": "websocket.disconnect", "code": 1006})
        await driver.end()
        async with asyncio.timeout(1):
            await gone.wait()
    assert driver.sent == []


# Where there is none


async def test_a_transport_of_httpx_takes_no_websocket() -> None:
    """502, and it is not even asked."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(101)

    app = Upstream("http://provider.test", transport=httpx.MockTransport(handle))
    async with Driver(app, websocket_scope()) as driver:
        driver.connect()
        await driver.end()
    assert (driver.sent[0]["status"], asked) == (502, [])


async def test_http2_takes_no_websocket() -> None:
    """502, and nothing is dialled."""
    async with upstream(opening()) as scripted:
        app = Upstream(f"http://127.0.0.1:{scripted.port}", http2=True)
        async with Driver(app, websocket_scope()) as driver:
            driver.connect()
            await driver.end()
        await app.aclose()
        assert (driver.sent[0]["status"], scripted.peers) == (502, [])


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """500 before anything is sent, and the log names the extra."""
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("websockets"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    async with upstream(opening()) as scripted, client(scripted) as driver:
        monkeypatch.setattr(builtins, "__import__", without)
        await driver.end()
        monkeypatch.undo()
        assert (driver.sent[0]["status"], scripted.peers) == (500, [])
    assert "gateway-filters[websocket]" in caplog.text


# Credentials


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("between", [False, True])
async def test_an_injected_credential_is_for_an_upstream_that_is_named(named: bool, between: bool) -> None:
    """Also with somebody else's app between the two."""
    async with upstream(opening()) as scripted:
        origin = Upstream(f"http://127.0.0.1:{scripted.port}", websocket=named)

        async def others(*arguments: Any) -> None:
            await origin(*arguments)

        app = chain(others if between else origin, CredentialInjection(MemorySecret(KEY), overwrite=True))
        async with Driver(app, websocket_scope()) as driver:
            driver.connect()
            first = await driver.next()
        await origin.aclose()
        if named:
            assert first["type"] == "websocket.accept"
            assert b"authorization: " + KEY.encode() in scripted.heads[0]
        else:
            assert (first["status"], scripted.peers) == (403, [])


async def test_the_clients_own_credential_needs_no_name() -> None:
    """Nothing of the gateway's is spent where ``overwrite`` is false and the client has one."""
    async with upstream(opening()) as scripted:
        origin = Upstream(f"http://127.0.0.1:{scripted.port}")
        app = chain(origin, CredentialInjection(MemorySecret(KEY)))
        async with Driver(app, websocket_scope(headers=[(b"authorization", b"mine")])) as driver:
            driver.connect()
            assert (await driver.next())["type"] == "websocket.accept"
        await origin.aclose()


ECHOES: Answers = {
    "in a 101": lambda head: answer_to(head, b"X-Debug: " + KEY.encode()),
    "in a head": lambda _: b"HTTP/1.1 401 No\r\nx-debug: %b\r\ncontent-length: 0\r\n\r\n" % KEY.encode(),
    "in a body": lambda _: b"HTTP/1.1 401 No\r\ncontent-length: 24\r\n\r\n" + KEY.encode(),
}


@pytest.mark.parametrize("place", ECHOES)
async def test_an_answer_that_carries_the_credential_is_withheld(place: str) -> None:
    """As for any request."""

    async def script(peer: Peer) -> None:
        await peer.send(ECHOES[place](await peer.head()))

    async with upstream(script) as scripted:
        origin = Upstream(f"http://127.0.0.1:{scripted.port}", websocket=True)
        app = chain(origin, CredentialInjection(MemorySecret(KEY), overwrite=True))
        async with Driver(app, websocket_scope()) as driver:
            driver.connect()
            await driver.end()
        await origin.aclose()
    assert driver.sent[0]["status"] == 502
    assert KEY.encode() not in repr(driver.sent).encode()
