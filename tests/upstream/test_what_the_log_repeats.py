"""What an upstream sends is not in the log: neither as it is nor in the words of who could not read it (T11, T15)."""

import logging
import traceback

import httpx
import pytest
from http2_peer import client2, ok, serving, upstream2
from scripted import Peer, ask, upstream

from asgi_driver import exchange, http_scope
from gateway_filters import CredentialInjection, GatewayFiltersError, MemorySecret, Upstream, chain
from gateway_filters.upstream.transport import OutgoingRequest

KEY = "Bearer sk-forged-0123456789"
HEAD = b"HTTP/1.1 200 OK\r\n"
ESCAPE = b"\x1b[31m"
SEPARATOR = "\u2028".encode()

ANSWERS = {
    "a line that is no status": b"FORGED/1.1 %b\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 %b OK\r\n\r\n",
    "a field without a colon": HEAD + b"%b\r\n\r\n",
    "a field's name": HEAD + b"a %b: 1\r\n\r\n",
    "a length": HEAD + b"content-length: %b\r\n\r\nok",
    "a coding": HEAD + b"transfer-encoding: %b\r\n\r\nok",
    "a switch": b"HTTP/1.1 101 %b\r\nupgrade: %b\r\nconnection: upgrade\r\n\r\n",
    "the size of a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n%b\r\n",
    "the size of the first chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n%b\r\n",
    "what is behind a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok%b\r\n",
    "trailers": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n%b\r\n\r\n",
    "a body that is too short": HEAD + b"content-length: 1000\r\n\r\n%b",
    "what is behind an answer": HEAD + b"content-length: 2\r\n\r\nok%b",
    "no HTTP at all": b"%b\r\n\r\n",
}
WORDS = {
    "a sequence that terminals obey": ESCAPE + b"forged",
    "a separator of lines": SEPARATOR + b"forged",
    "the credential": KEY.encode(),
}


@pytest.mark.parametrize("through", ["our own transport", "httpx"])
@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_upstream_writes_into_the_log(
    answer: str, word: str, through: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong is told in our words; so is what a server would print of the error that broke off an answer."""

    async def script(peer: Peer) -> None:
        await peer.head()
        sent = ANSWERS[answer]
        await peer.send(sent.replace(b"%b", WORDS[word]))
        peer.end()

    caplog.set_level(logging.INFO)
    printed = ""
    async with upstream(script) as scripted:
        transport = httpx.AsyncHTTPTransport() if through == "httpx" else None
        origin = Upstream(f"http://127.0.0.1:{scripted.port}", transport=transport)
        app = chain(origin, CredentialInjection(MemorySecret(KEY), overwrite=True))
        try:
            await exchange(app, http_scope("/"))
        except GatewayFiltersError as error:
            printed = "".join(traceback.format_exception(error))
        await origin.aclose()
        if transport is not None:
            await transport.aclose()
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("gateway_filters")]
    assert all(each.isprintable() for each in ours)
    assert "forged" not in f"{ours}{printed}".lower()


async def test_who_compresses_a_head_does_not_tell_what_is_in_it(caplog: pytest.LogCaptureFixture) -> None:
    """The library that does it for HTTP/2 logs every field, where everything is logged; here it does not."""
    request = OutgoingRequest("GET", b"/", ((b"host", b"a"), (b"authorization", KEY.encode())), None)
    with caplog.at_level(logging.DEBUG):
        async with upstream2(serving(ok)) as scripted, client2(scripted.port) as transport:
            assert (await ask(transport, request)).status == 200
    assert [each.value(b"authorization") for each in scripted.requests] == [KEY.encode()]
    assert "forged" not in caplog.text
