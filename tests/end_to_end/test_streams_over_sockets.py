"""Events arrive one by one, and large bodies pass without being collected, over real sockets."""

import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import MEBIBYTE, after, blocks, digest, download, events, sink
from certificates import Certificates
from gateway_process import GatewayProcess
from provider import Provider
from raw_client import ask, dial, read_until

EVENTS = 1_000
SIZE = 200
PAUSE = 0.5
LIMIT = 20 * MEBIBYTE


def test_a_thousand_events_arrive_one_by_one(gateway: GatewayProcess, provider: Provider) -> None:
    """Each event is at the client before the provider is allowed to send the next."""
    gate = provider.gate()
    provider.script = events(EVENTS, gate)
    with dial(gateway.port) as connection:
        received = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
        for number in range(EVENTS):
            this = b'{"number": %d}' % number
            received = received if this in received else received + read_until(connection, this)
            assert b'{"number": %d}' % (number + 1) not in received
            received = received.partition(this)[2]
            gate.open()
        assert b"[DONE]" in read_until(connection, b"0\r\n\r\n")


@pytest.fixture(scope="module")
def quiet_gateway(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway of which nothing but memory is asked."""
    folder = tmp_path_factory.mktemp("quiet")
    with GatewayProcess(folder, certificates.system_cas, log_level="info") as gateway:
        yield gateway


@pytest.fixture
def weighed_gateway(quiet_gateway: GatewayProcess, provider: Provider) -> Iterator[GatewayProcess]:
    """A warm gateway whose memory must not have grown by more than the limit, not even for a moment."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured with /proc, which is not here")
    quiet_gateway.send_to(provider.port)
    assert ask(quiet_gateway.port).status == 200
    quiet_gateway.forget_peak()
    before = quiet_gateway.memory("VmRSS")
    yield quiet_gateway
    growth = quiet_gateway.memory("VmHWM") - before
    print(f"the process grew by {growth / MEBIBYTE:.1f} MiB")  # noqa: T201 - a figure for who asks with -s
    assert growth < LIMIT


def test_a_large_download_passes_in_little_memory(weighed_gateway: GatewayProcess, provider: Provider) -> None:
    """200 MiB come through whole while the process keeps only a few of them, also when the client pauses."""
    provider.script = download(SIZE)
    connection = http.client.HTTPConnection("127.0.0.1", weighed_gateway.port, timeout=30)
    connection.request("GET", "/v1/files/large")
    answer = connection.getresponse()
    received = hashlib.sha256(answer.read(MEBIBYTE))
    time.sleep(PAUSE)
    while piece := answer.read(MEBIBYTE):
        received.update(piece)
    connection.close()
    assert received.hexdigest() == digest(SIZE)


def test_a_large_upload_passes_in_little_memory(weighed_gateway: GatewayProcess, provider: Provider) -> None:
    """The other direction: 200 MiB with a length, counted and hashed by a provider that pauses first."""
    provider.script = after(PAUSE, sink)
    headers = [("content-length", str(SIZE * MEBIBYTE))]
    came = ask(weighed_gateway.port, "/v1/files", headers=headers, body=blocks(SIZE))
    assert json.loads(came.body) == {"size": SIZE * MEBIBYTE, "sha256": digest(SIZE)}
