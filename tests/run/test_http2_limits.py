"""``gateway-filters run --http2 LIMIT=NUMBER``: limits of bodies, met by a client on the h2 library."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from h2.exceptions import StreamClosedError

from run.gateway_run import NamedServer, backend, documents, free_port, gateway, route, running
from run.h2_client import speaking

SMALL = ("body_bytes=100", "body_seconds=0.4", "body_rate=1000")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, one: NamedServer) -> Iterator[int]:
    """A gateway with limits that are easily met."""
    folder, port = tmp_path_factory.mktemp("limited2"), free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, *(part for limit in SMALL for part in ("--http2", limit))):
        yield port


LENGTH = b"content-length"
ROWS = [
    pytest.param([b"x" * 101], {}, 413, id="a long body: body_bytes"),
    pytest.param([b"x" * 10] * 11, {}, 413, id="a long body in pieces: body_bytes"),
    pytest.param([], {LENGTH: b"101"}, 413, id="a long body by its length: body_bytes"),
    pytest.param([b"x"], {LENGTH: b"9"}, 408, id="a body that stops: body_seconds"),
]


@pytest.mark.parametrize(("pieces", "fields", "status"), ROWS)
def test_a_limit_is_met(port: int, pieces: list[bytes], fields: dict[bytes, bytes], status: int) -> None:
    """The answer says what it was, the rest of the body is not wanted, and the connection goes on."""
    with speaking(port) as client:
        stream = client.ask("/slow", body=True, more=tuple(fields.items()))
        for piece in pieces:
            client.connection.send_data(stream, piece)
        client.flush()
        answer = client.answer(stream)
        assert (answer.status, answer.ended) == (status, True)
        assert client.get().body == b"one"


def test_a_body_below_the_least_rate(port: int) -> None:
    """It never stands still."""
    with speaking(port) as client:
        stream = client.ask("/slow", body=True)
        while not client.answers[stream].ended:
            with suppress(StreamClosedError):
                client.connection.send_data(stream, b"x")
            client.flush()
            client.read_for(0.05)
        assert client.answers[stream].status == 408
