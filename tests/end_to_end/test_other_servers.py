"""What holds under any ASGI server: docs/hardening.md says "yes" for these, so each is asked over a socket.

The reference gateway runs as its users start it, under uvicorn, granian and hypercorn, from manifests in a folder.
"""

import time
from collections.abc import Iterator

import pytest
from answers import begin_and_stall, chunk, event, stream_head
from provider import Exchange, Provider, wait_until
from raw_client import dial, read_to_end, read_until
from server_processes import MANIFESTS, SERVERS, serving

from canary import KEY

_EVENT = event({"number": 0})


@pytest.fixture(scope="module")
def plain_provider() -> Iterator[Provider]:
    """A provider that speaks plain HTTP."""
    with Provider(None, two_bytes) as provider:
        yield provider


@pytest.fixture(scope="module", params=SERVERS)
def port(
    request: pytest.FixtureRequest, plain_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """Where the reference gateway listens, under each server."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "gateway.yaml").write_text(MANIFESTS.format(port=plain_provider.port, key=KEY))
    with serving(SERVERS[request.param], folder) as port:
        yield port


@pytest.fixture
def upstream(plain_provider: Provider) -> Provider:
    """The provider with nothing recorded."""
    plain_provider.start_over(two_bytes)
    return plain_provider


async def two_bytes(exchange: Exchange) -> None:
    """Read the request, answer in one write."""
    await exchange.read_body()
    await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


async def breaks_off(exchange: Exchange) -> None:
    """Say that more will come, and leave."""
    await exchange.send(stream_head() + chunk(_EVENT))
    exchange.wire.close()


def status_of(port: int, request: bytes) -> int:
    """The status of the answer to a request, after which the connection ends."""
    with dial(port, request) as connection:
        return int(read_to_end(connection).split(b" ", 2)[1])


def get(target: bytes, *fields: bytes, host: bytes = b"gateway") -> bytes:
    """A request whose connection ends with it."""
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: " + host, b"Connection: close", *fields, b"", b""])


def test_one_credential_leaves(port: int, upstream: Provider) -> None:
    """Rewritten, with the gateway's credential and Host, and with nothing that speaks for the client."""
    mine = (b"Authorization: Bearer mine", b"Cookie: a=b", b"X-Api-Key: mine", b"X-Forwarded-For: 192.0.2.1")
    assert status_of(port, get(b"/v1/models?a=%20", b"X-A: 1", b"X-A: 2", *mine)) == 200
    request = upstream.only_exchange().request
    assert (request.method, request.target) == (b"GET", b"/compatible-mode/v1/models?a=%20")
    assert request.headers == (
        (b"host", b"provider.test"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"authorization", b"Bearer " + KEY.encode()),
    )


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(get(b"/v1/a%2Fb"), 400, id="an escaped slash"),
        pytest.param(get(b"/v1/%00"), 400, id="an escaped NUL"),
        pytest.param(get(b"/v1/../admin"), 404, id="a path that leaves the prefix"),
        pytest.param(get(b"/v1").replace(b"GET", b"TRACE"), 405, id="TRACE"),
        pytest.param(get(b"/v1", host=b"a b"), 400, id="a Host that is none"),
        pytest.param(get(b"/v1", b"Host: other"), 400, id="two Hosts"),
        pytest.param(get(b"/v1", b"X_Forwarded_For: 1"), 400, id="a name with an underscore"),
        pytest.param(b"GET /v1 HTTP/1.0\r\nHost: gateway\r\n\r\n", 426, id="HTTP/1.0"),
    ],
)
def test_refused(port: int, upstream: Provider, request_bytes: bytes, status: int) -> None:
    """By the gateway itself, or by a server that was there first; nothing goes to the provider."""
    assert status_of(port, request_bytes) == status
    assert upstream.exchanges == []


def test_two_lengths(port: int, upstream: Provider) -> None:
    """Refused by all of the three."""
    twice = get(b"/v1", b"Content-Length: 1", b"Content-Length: 2").replace(b"GET", b"POST") + b"ab"
    assert status_of(port, twice) == 400
    assert upstream.exchanges == []


def test_an_event_comes_before_the_next_is_made(port: int, upstream: Provider) -> None:
    """Nothing waits for the end of a stream."""
    upstream.start_over(begin_and_stall(stream_head() + chunk(_EVENT)))
    with dial(port, get(b"/v1/events")) as connection:
        assert read_until(connection, _EVENT).startswith(b"HTTP/1.1 200")


def test_a_client_that_leaves_frees_the_upstream(port: int, upstream: Provider) -> None:
    """The provider hears of it, without a word from it."""
    upstream.start_over(begin_and_stall(stream_head() + chunk(_EVENT)))
    with dial(port, get(b"/v1/events")) as connection:
        read_until(connection, _EVENT)
        time.sleep(0.05)
    wire = upstream.only_exchange().wire
    wait_until(lambda: wire.gone_at is not None)


def test_an_answer_that_breaks_off_is_seen_to(port: int, upstream: Provider) -> None:
    """The client's connection ends without the last chunk."""
    upstream.start_over(breaks_off)
    with dial(port, get(b"/v1/events")) as connection:
        received = read_to_end(connection)
    assert _EVENT in received
    assert not received.endswith(b"0\r\n\r\n")
