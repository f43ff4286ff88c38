"""One address that takes all that it can get leaves the others what they need (F13, F19)."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

from run.gateway_run import backend, documents, free_port, gateway, get, route, running, upstream

GREEDY = ("127.0.0.2", 0)
SLOW = b"GET /slow HTTP/1.1\r\nHost: gateway\r\n\r\n"


def test_a_flood_of_one_address_leaves_others_alone(folder: Path) -> None:
    """Four hundred connections, of which twenty may stay, with a request each: ten others are answered at once."""
    with upstream("one") as one, ExitStack() as stack:
        port = free_port()
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
        with running(folder, "--http1", "connections_of_peer=20") as process:
            flood = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, GREEDY)) for _ in range(400)]
            for each in flood[:20]:
                each.sendall(SLOW)
            assert one.waiting.wait(50)
            begun = time.monotonic()
            assert [get(port, "/") for _ in range(10)] == [(200, "one")] * 10
            assert time.monotonic() - begun < 5
            assert all(each.recv(4096).startswith(b"HTTP/1.1 503 ") for each in flood[20:])
            one.release.set()
            assert all(each.recv(4096).startswith(b"HTTP/1.1 200 ") for each in flood[:20])
            stack.close()
            assert process.stop()[0] == 0
