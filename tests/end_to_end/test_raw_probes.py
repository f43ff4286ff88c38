"""Raw bytes at the reference gateway, under ``run`` and under uvicorn: what clients and providers may try, row by row.

Behind each row another client asks for something of its own, and gets that and nothing else: whatever was sent before
has left nothing on any connection.
"""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from provider import Exchange, Provider, Script
from raw_client import dial, read_to_end
from raw_rows import (
    ANSWERS,
    BODIES,
    ECHOES,
    FIELDS,
    HOSTS,
    LEADING_NOWHERE,
    MISFRAMED,
    REFUSED,
    REFUSED_BY_RUN,
    TARGETS,
    TARGETS_OF_RUN,
    Answered,
    Refused,
    requesting,
)
from server_processes import MANIFESTS, serving

from canary import KEY

CREDENTIAL = b"Bearer " + KEY.encode()
_QUIET = ["--no-server-header", "--no-date-header", "--no-access-log"]


@dataclass(frozen=True)
class Door:
    """A gateway: its server's name, where it listens, and the provider behind it."""

    server: str
    port: int
    provider: Provider


@dataclass(frozen=True)
class Got:
    """What a client got; ``whole``: the answer ended as its head says, ``ended``: so did the connection."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool
    ended: bool


@pytest.fixture(scope="module", params=["run", "uvicorn"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The gateway under either server, one process for all rows."""
    folder = tmp_path_factory.mktemp("raw")

    def run(port: int) -> list[str]:
        written = folder / "manifests"
        written.mkdir()
        text = (folder / "gateway.yaml").read_text()
        (written / "gateway.yaml").write_text(text.replace("port: 80}", f"port: {port}}}"))
        return ["-m", "gateway_filters", "run", "--pre-drain", "0", str(written)]

    def uvicorn(port: int) -> list[str]:
        return ["-m", "uvicorn", "--port", str(port), *_QUIET, "reference_app:app"]

    with Provider(None, plainly) as provider:
        (folder / "gateway.yaml").write_text(MANIFESTS.format(port=provider.port, key=KEY))
        with serving(run if request.param == "run" else uvicorn, folder) as port:
            yield Door(request.param, port, provider)
        assert provider.failures == []


@pytest.fixture
def door(opened: Door) -> Iterator[Door]:
    """The gateway; after the test, the next client is served as if nothing had been."""
    opened.provider.start_over(plainly)
    yield opened
    opened.provider.start_over(plainly)
    for number in range(2):
        got = asked(opened.port, requesting(b"X-Next: %d" % number, line=b"GET /v1/next HTTP/1.1"))
        assert (got.status, got.body) == (200, b"next")
    heads = [each.request.raw for each in opened.provider.exchanges if each.request.target.endswith(b"/next")]
    assert heads == [head(b"GET", b"/next", [b"x-next: %d" % number]) for number in range(2)]


async def plainly(exchange: Exchange) -> None:
    """Read the request, and answer with the last name of its path."""
    await exchange.read_body()
    body = exchange.request.target.rpartition(b"/")[2][:4]
    length = b"content-length: %d\r\n\r\n" % len(body)
    await exchange.send(b"HTTP/1.1 200 OK\r\n" + length + (b"" if exchange.request.method == b"HEAD" else body))


def saying(answer: bytes, *, leaves: bool = False) -> Script:
    """A script that answers with these bytes, and leaves or stays."""

    async def script(exchange: Exchange) -> None:
        if exchange.request.target.endswith(b"/next"):
            return await plainly(exchange)
        await exchange.read_body()
        await exchange.send(answer)
        if leaves:
            exchange.wire.close()
        return None

    return script


def head(method: bytes, path: bytes, fields: list[bytes]) -> bytes:
    """The head that the provider is to get, byte for byte."""
    lines = [method + b" /compatible-mode/v1" + path + b" HTTP/1.1", b"host: provider.test", *fields]
    return b"\r\n".join([*lines, b"authorization: " + CREDENTIAL, b"", b""])


def asked(port: int, sent: bytes, *, until_its_end: bool = False) -> Got:
    """Send the bytes on a connection of their own and read one answer; ``until_its_end``: wait for that as well."""
    with dial(port, b"") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection, method=sent.partition(b" ")[0].decode("latin-1"))
        answer.begin()
        try:
            body, whole = answer.read(), True
        except (http.client.IncompleteRead, ConnectionResetError) as error:
            body, whole = error.partial if isinstance(error, http.client.IncompleteRead) else b"", False
        return Got(answer.status, tuple(answer.getheaders()), body, whole, until_its_end and _has_ended(connection))


def _has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def refused_by(door: Door, row: Refused) -> None:
    """One of the row's statuses in constant words, and nothing of it, or behind it, has reached the provider."""
    got = asked(door.port, row.sent, until_its_end=row.ends)
    assert got.status in row.statuses
    assert got.ended == row.ends
    if door.server == "run" or got.body != b"Invalid HTTP request received.":
        assert set(json.loads(got.body)["error"]) == {"message", "type", "param", "code", "request_id"}
    whole = [each.request.raw for each in door.provider.exchanges if each.read_to_end or door.server == "run"]
    assert whole == []


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_is_asked_for(target: tuple[bytes, bytes], door: Door) -> None:
    """The canonical path below the replacement, and the query as it was."""
    sent, received = target
    assert asked(door.port, requesting(line=b"GET " + sent + b" HTTP/1.1")).status == 200
    assert door.provider.only_exchange().request.raw == head(b"GET", received, [])


@pytest.mark.parametrize("cut", [1000, 20], ids=["at once", "in pieces"])
@pytest.mark.parametrize("target", TARGETS_OF_RUN.values(), ids=TARGETS_OF_RUN)
@pytest.mark.parametrize("opened", ["run"], indirect=True)
def test_what_run_is_asked_for(target: tuple[bytes, bytes], cut: int, door: Door) -> None:
    """As ``run`` alone can tell it."""
    sent, received = target
    data = requesting(b"Connection: close", line=b"GET " + sent + b" HTTP/1.1")
    with dial(door.port, data[:cut]) as connection:
        connection.sendall(data[cut:])
        read_to_end(connection)
    assert door.provider.only_exchange().request.raw == head(b"GET", received, [])


@pytest.mark.parametrize("host", HOSTS)
def test_hosts(host: bytes, door: Door) -> None:
    """Whatever the client calls the gateway, the provider is called by its own name."""
    assert asked(door.port, requesting(host=b"Host:" + host)).status == 200
    assert door.provider.only_exchange().request.raw == head(b"GET", b"/x", [])


@pytest.mark.parametrize("path", LEADING_NOWHERE)
def test_paths_that_lead_nowhere(path: bytes, door: Door) -> None:
    """No route takes them."""
    refused_by(door, Refused(requesting(line=b"GET " + path + b" HTTP/1.1"), (404,)))


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_fields(fields: tuple[list[bytes], list[bytes]], door: Door) -> None:
    """What is end to end goes on byte for byte, with one Host and one credential, and nothing else."""
    sent, received = fields
    assert asked(door.port, requesting(*sent)).status == 200
    assert door.provider.only_exchange().request.raw == head(b"GET", b"/x", received)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
def test_methods_without_a_body(method: bytes, door: Door) -> None:
    """None gets a length or a coding that it did not have."""
    assert asked(door.port, requesting(line=method + b" /v1/x HTTP/1.1")).status == 200
    assert door.provider.only_exchange().request.raw == head(method, b"/x", [])


@pytest.mark.parametrize("cut", [100_000, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies(body: tuple[list[bytes], bytes, bytes], cut: int, door: Door) -> None:
    """A body arrives as it was, however it was framed and cut; what follows it is the next request."""
    fields, sent, received = body
    data = requesting(*fields, line=b"POST /v1/x HTTP/1.1", body=sent)
    with dial(door.port, b"") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), cut if len(data) < 1000 else len(data)):
            connection.sendall(data[start : start + cut] if len(data) < 1000 else data)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.read()) == (200, b"x")
    exchange = door.provider.only_exchange()
    assert (bytes(exchange.body), exchange.read_to_end) == (received, True)
    assert exchange.request.values(b"authorization") == [CREDENTIAL]


@pytest.mark.parametrize("row", MISFRAMED.values(), ids=MISFRAMED)
def test_requests_whose_end_is_a_guess(row: Refused, door: Door) -> None:
    """They are refused, and their connection ends."""
    refused_by(door, row)


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_requests_that_are_refused(row: Refused, door: Door) -> None:
    """Under either server."""
    refused_by(door, row)


@pytest.mark.parametrize("row", REFUSED_BY_RUN.values(), ids=REFUSED_BY_RUN)
@pytest.mark.parametrize("opened", ["run"], indirect=True)
def test_requests_that_run_refuses(row: Refused, door: Door) -> None:
    """Because its parser looks, and has limits."""
    refused_by(door, row)


@pytest.mark.parametrize("row", ANSWERS.values(), ids=ANSWERS)
def test_answers(row: Answered, door: Door) -> None:
    """An answer reaches the client as it is, or is 502, or can be seen to be cut; it is never another one's."""
    door.provider.start_over(saying(row.said, leaves=row.leaves))
    got = asked(door.port, requesting())
    if row.outcome == "as it is":
        assert (got.status, got.body, got.whole) == (row.status, row.body, True)
    elif row.outcome == "withheld" or got.status == 502:
        assert (got.status, got.whole) == (502, True)
        assert len(json.loads(got.body)["error"]["request_id"]) == 16
    else:
        assert (got.status, got.whole, got.body[:5]) == (200, False, b"hello")


@pytest.mark.parametrize("shown", [CREDENTIAL, KEY.encode()], ids=["as it was sent", "without its scheme"])
@pytest.mark.parametrize("answer", ECHOES.values(), ids=ECHOES)
def test_the_credential_does_not_come_back(answer: bytes, shown: bytes, door: Door) -> None:
    """Not in any part of an answer."""
    length = len(answer.replace(b"KEY", shown).partition(b"\r\n\r\n")[2])
    said = answer.replace(b"Content-Length: %d" % len(answer.partition(b"\r\n\r\n")[2]), b"Content-Length: %d" % length)
    door.provider.start_over(saying(said.replace(b"KEY", shown)))
    with dial(door.port, requesting(b"Connection: close")) as connection:
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    assert got.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 200 OK\r\n"))
    assert KEY.encode() not in got
