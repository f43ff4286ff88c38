"""An upstream that cannot prove who it is gets nothing: not the key, not a byte of the request."""

from collections.abc import Iterator
from pathlib import Path

import answers
import pytest
from certificates import HOST, Certificates
from gateway_process import GatewayProcess
from provider import Provider, wait_until
from raw_client import CHAT, Answer, ask

UNREACHABLE = {
    "message": "The upstream could not be reached.",
    "type": "upstream_unreachable",
    "param": None,
    "code": None,
}
_HANDSHAKE, _CHANGE_CIPHER, _ALERT, _ENCRYPTED = 22, 20, 21, 23
_OF_A_REQUEST = (b"sk-not", b"Bearer", b"uthorization", b"POST", b"HTTP/1", b"compatible-mode", b"qwen3", CHAT[:9])


def test_the_right_certificate_passes(gateway: GatewayProcess, provider: Provider) -> None:
    """The control: a certificate of the right CA for the right name is spoken to, in TLS only."""
    assert ask(gateway.port).status == 200
    wire = provider.only_exchange().wire
    assert (wire.sni, wire.handshake_error) == (HOST, None)
    assert [mark for mark in _OF_A_REQUEST if mark in wire.raw] == []


CERTIFICATES = [
    pytest.param("untrusted", id="a certificate of another CA"),
    pytest.param("other_name", id="a certificate for another name"),
    pytest.param("expired", id="a certificate that has expired"),
]


@pytest.fixture
def impostor(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Provider]:
    """A provider with the certificate that the row names."""
    certificate: Path = getattr(certificates, request.param)
    with Provider(certificate, answers.openai) as impostor:
        yield impostor


@pytest.mark.parametrize("impostor", CERTIFICATES, indirect=True)
def test_a_wrong_certificate_gets_a_handshake_and_nothing_more(gateway: GatewayProcess, impostor: Provider) -> None:
    """The client is told 503 in constant words; a ClientHello and an alert are all that left."""
    gateway.send_to(impostor.port)
    _assert_unreachable(ask(gateway.port))
    wait_until(lambda: len(impostor.wires) == 1 and impostor.wires[0].handshake_error is not None)
    wire = impostor.wires[0]
    assert (impostor.exchanges, wire.plain_size) == ([], 0)
    (kind, hello), *rest = _records(bytes(wire.raw))
    assert (kind, hello[:1]) == (_HANDSHAKE, b"\x01")
    # In TLS 1.3 the alert is encrypted: two bytes, their type and a tag of 16. No request fits in there.
    assert {kind for kind, _ in rest} <= {_CHANGE_CIPHER, _ALERT, _ENCRYPTED}
    assert sum(len(content) for _, content in rest) <= 20
    assert [mark for mark in _OF_A_REQUEST if mark in wire.raw] == []


def test_a_plain_server_behind_https_gets_a_hello_and_nothing_more(gateway: GatewayProcess) -> None:
    """Without TLS there is no request: one ClientHello is everything that a plain server ever saw."""
    with Provider(None, answers.openai) as plain:
        gateway.send_to(plain.port)
        _assert_unreachable(ask(gateway.port))
        wait_until(lambda: len(plain.wires) == 1 and plain.wires[0].gone_at is not None)
        (kind, hello), *rest = _records(bytes(plain.wires[0].raw))
        assert (kind, hello[:1], rest) == (_HANDSHAKE, b"\x01", [])
        assert [mark for mark in _OF_A_REQUEST if mark in plain.wires[0].raw] == []
        assert plain.exchanges == []


def test_the_plain_server_does_answer_plain_requests(certificates: Certificates) -> None:
    """The control for the last test: the same server serves whoever does send it a request."""
    with Provider(None, answers.openai) as plain:
        assert ask(plain.port).status == 200
        assert b"POST" in plain.only_exchange().wire.raw


def _assert_unreachable(came: Answer) -> None:
    assert (came.status, came.error()) == (503, UNREACHABLE)
    assert came.values("content-type") == ["application/json"]


def _records(raw: bytes) -> list[tuple[int, bytes]]:
    """The TLS records in ``raw`` (RFC 8446 5.1): type and content; fails for bytes that are none."""
    records: list[tuple[int, bytes]] = []
    while raw:
        assert raw[1] == 3, "not a TLS record"
        length = int.from_bytes(raw[3:5], "big")
        assert len(raw) >= 5 + length, "half a TLS record"
        records.append((raw[0], raw[5 : 5 + length]))
        raw = raw[5 + length :]
    return records
