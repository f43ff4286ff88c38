"""upstream/http2: requests as they arrive."""

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack.struct import NeverIndexedHeaderTuple
from http2_peer import Peer, client2, ok, serving, upstream2
from scripted import Pairs, ask, get, pieces, post, soon

from gateway_filters.errors import BadRequest
from gateway_filters.upstream.http2.request_fields import body_length, request_fields
from gateway_filters.upstream.transport import Framing, OutgoingRequest

HOST = (b"host", b"provider.test:8080")

FIELDS = [
    pytest.param((HOST,), (), id="Host is the authority and no field"),
    pytest.param((), (), id="without a Host there is no authority"),
    pytest.param(
        (HOST, (b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")),
        ((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")),
        id="fields keep their order and their duplicates",
    ),
    pytest.param((HOST, (b"X-Case", b"Value")), ((b"x-case", b"Value"),), id="names in lower case, values as given"),
    pytest.param((HOST, (b"x-a", b" \t1 ")), ((b"x-a", b"1"),), id="blanks round a value are no part of it"),
    pytest.param((HOST, (b"x-a", b"\xc3\xa4 \xff")), ((b"x-a", b"\xc3\xa4 \xff"),), id="a value is bytes"),
    pytest.param((HOST, (b"x-a", b"")), ((b"x-a", b""),), id="a value may be empty"),
    pytest.param(
        (
            HOST,
            (b"connection", b"close"),
            (b"keep-alive", b"timeout=5"),
            (b"proxy-connection", b"close"),
            (b"transfer-encoding", b"chunked"),
            (b"upgrade", b"h2c"),
            (b"http2-settings", b"AAMAAABkAAQAAP__"),
            (b"trailer", b"x"),
        ),
        (),
        id="fields of the connection have no place",
    ),
    pytest.param((HOST, (b"te", b"gzip;q=0.5, Trailers")), ((b"te", b"trailers"),), id="of TE only trailers"),
    pytest.param((HOST, (b"te", b"gzip")), (), id="no TE without trailers"),
    pytest.param(
        (HOST, (b"cookie", b"a=b"), (b"cookie", b"c=d")),
        ((b"cookie", b"a=b"), (b"cookie", b"c=d")),
        id="cookies stay apart",
    ),
    pytest.param((HOST, (b"content-length", b"0")), ((b"content-length", b"0"),), id="a length is passed on"),
]


@pytest.mark.parametrize(("headers", "fields"), FIELDS)
def test_fields(headers: Pairs, fields: Pairs) -> None:
    """What becomes of a request's header pairs."""
    found = request_fields(get(b"/a?b", headers), b"http")
    authority = ((b":authority", headers[0][1]),) if headers else ()
    assert tuple(found) == ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a?b"), *authority, *fields)


REFUSED = [
    pytest.param(get(headers=((b"x", b"a\r\nb: c"),)), id="a line end in a value"),
    pytest.param(get(headers=((b"x", b"a\nb"),)), id="a line feed in a value"),
    pytest.param(get(headers=((b"x", b"a\0b"),)), id="NUL in a value"),
    pytest.param(get(headers=((b"host", b"a\r\nb"),)), id="a line end in the Host"),
    pytest.param(get(headers=((b"", b"a"),)), id="a field without a name"),
    pytest.param(get(headers=((b":path", b"/admin"),)), id="a second pseudo-header field"),
    pytest.param(get(headers=((b"x y", b"a"),)), id="a blank in a name"),
    pytest.param(get(headers=((b"x\xe4", b"a"),)), id="a name that is not ASCII"),
    pytest.param(get(b"/ b"), id="a blank in the target"),
    pytest.param(get(b"/\xc3\xa4"), id="a target that is not ASCII"),
    pytest.param(get(b""), id="no target"),
    pytest.param(get(method="CONNECT"), id="CONNECT"),
    pytest.param(get(method="GE T"), id="a method that is no token"),
]


@pytest.mark.parametrize("request_", REFUSED)
def test_what_cannot_be_sent_as_it_is(request_: OutgoingRequest) -> None:
    """It is refused, and the message holds no value."""
    with pytest.raises(BadRequest) as caught:
        request_fields(request_, b"http")
    assert "admin" not in str(caught.value)


LENGTHS: list[object] = [
    pytest.param(5, (), 5, id="the framing says it"),
    pytest.param("chunked", ((b"content-length", b"3"),), None, id="chunked has none"),
    pytest.param(None, ((b"Content-Length", b"3"),), 3, id="the head says it"),
    pytest.param(None, (), None, id="nobody says it"),
]


@pytest.mark.parametrize(("framing", "headers", "length"), LENGTHS)
def test_the_length_of_a_body(framing: Framing, headers: Pairs, length: int | None) -> None:
    """Where it comes from."""
    assert body_length(OutgoingRequest("POST", b"/", headers, b"", framing=framing)) == length


async def test_a_request_as_it_arrives() -> None:
    """Exact bytes; and what may be a credential is marked, so that nobody on the way remembers it."""
    target = b"/a/..%2Fb//c;d?e=%20&e=&f"
    headers = ((b"host", b"h.test"), (b"authorization", b"Bearer k"), (b"x-my-key", b"secret"), (b"accept", b"*/*"))
    async with upstream2(serving(ok)) as upstream, client2(upstream.port) as transport:
        for _ in range(3):
            assert (await ask(transport, get(target, headers))).body == b"ok"
        requests = upstream.requests
        assert len(upstream.peers) == 1
        assert [request.stream for request in requests] == [1, 3, 5]
        for request in requests:
            assert request.fields == (
                (b":method", b"GET"),
                (b":scheme", b"http"),
                (b":path", target),
                (b":authority", b"h.test"),
                (b"authorization", b"Bearer k"),
                (b"x-my-key", b"secret"),
                (b"accept", b"*/*"),
            )
            assert not request.body
        table = upstream.peers[0].h2.decoder.header_table.dynamic_entries
        assert {name for name, _ in table} <= {b":authority", b"accept"}


async def test_never_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The marks arrive."""
    marked: list[bytes] = []

    async def script(peer: Peer) -> None:
        decode = peer.h2.decoder.decode

        def watched(data: bytes, raw: bool = False) -> object:
            fields = list(decode(data, raw))
            marked.extend(bytes(field[0]) for field in fields if isinstance(field, NeverIndexedHeaderTuple))
            return fields

        monkeypatch.setattr(peer.h2.decoder, "decode", watched)
        peer.answer(await peer.whole_request())

    async with upstream2(script) as upstream, client2(upstream.port) as transport:
        await ask(transport, get(b"/a", ((b"host", b"a"), (b"accept", b"*/*"), (b"x-api-key", b"k"))))
        assert marked == [b":path", b"x-api-key"]


async def test_no_memory_is_wasted_on_compression() -> None:
    """A peer that allows a table of 1 GiB finds no more than 4 KiB of it used, and reads on without a mistake."""

    async def script(peer: Peer) -> None:
        peer.greet({SettingCodes.HEADER_TABLE_SIZE: 2**30})
        peer.h2.decoder.max_allowed_table_size = 2**30
        while True:
            peer.answer(await peer.whole_request())

    async with upstream2(script, greets=False) as upstream, client2(upstream.port) as transport:
        for number in range(200):
            agent = b"agent %d " % number + b"x" * 100
            assert (await ask(transport, get(headers=((b"host", b"a"), (b"user-agent", agent))))).status == 200
        (peer,) = upstream.peers
        assert peer.h2.decoder.header_table.maxsize <= 4096
        assert not peer.broken


BODIES = [
    pytest.param((b"abc",), None, id="whole, without a length"),
    pytest.param((b"abc",), 3, id="whole, with a length"),
    pytest.param((b"",), None, id="whole and empty"),
    pytest.param((b"a", b"", b"bc"), 3, id="in pieces, with a length"),
    pytest.param((b"a", b"", b"bc"), None, id="in pieces, without a length"),
    pytest.param((), None, id="no piece"),
    pytest.param((bytes(range(256)) * 4096,), None, id="a whole MiB"),
    pytest.param((b"x" * 100_000,) * 20, 2_000_000, id="2 MB in pieces"),
]


@pytest.mark.parametrize(("given", "length"), BODIES)
async def test_a_body_arrives(given: tuple[bytes, ...], length: int | None) -> None:
    """Byte by byte, and it ends."""
    content = b"".join(given)
    whole = len(given) == 1
    request = OutgoingRequest("POST", b"/", ((b"host", b"a"),), content, framing=length) if whole else None
    request = request or post(pieces(*given), length=length)
    async with upstream2(serving(ok)) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, request)).body == b"ok"
        (arrived,) = upstream.requests
        assert bytes(arrived.body) == content
        assert arrived.value(b"transfer-encoding") is None
        await soon(lambda: transport.pool.idle == 1)
        assert not upstream.peers[0].resets


WRONG = [
    pytest.param((b"ab",), 3, id="whole and shorter"),
    pytest.param((b"ab",), 0, id="whole and longer"),
    pytest.param((), 3, id="not there at all"),
    pytest.param((b"a", b"b"), 3, id="in pieces and shorter"),
    pytest.param((b"a", b"bcd"), 3, id="in pieces and longer"),
]


@pytest.mark.parametrize(("given", "length"), WRONG)
async def test_a_body_that_is_not_as_long_as_its_head_says(given: tuple[bytes, ...], length: int) -> None:
    """It is refused, and never looks complete to the upstream."""
    body = pieces(*given) if len(given) > 1 else b"".join(given) or None
    request = OutgoingRequest("POST", b"/", ((b"host", b"a"),), body, framing=length)
    async with upstream2(serving(ok)) as upstream, client2(upstream.port) as transport:
        assert (await ask(transport, get())).status == 200
        with pytest.raises(BadRequest, match="than its head says"):
            await ask(transport, request)
        assert (await ask(transport, get())).status == 200
        assert [each.stream for each in upstream.requests if each.ended] == [1, upstream.requests[-1].stream]


async def test_an_error_of_the_body_is_raised() -> None:
    """Whoever brings it may fail; the stream is given up."""
    async with upstream2(serving(ok)) as upstream, client2(upstream.port) as transport:
        with pytest.raises(LookupError, match="nobody"):
            await ask(transport, post(pieces(b"a", LookupError("nobody"))))
        await soon(lambda: upstream.peers[0].resets == [(1, ErrorCodes.CANCEL)])
        assert transport.pool.idle == 1
