"""Ten thousand routes under ``gateway-filters run``: loaded in ten seconds, a change live in one, and nobody waits."""

import http.client
import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from run.gateway_run import NamedServer, RunningGateway, backend, eventually, free_port, gateway, running

# Reading them takes seconds, and many of them beside other tests.
pytestmark = pytest.mark.timeout(180)

FILES, EACH = 100, 100
# The promises are for a machine that does nothing else. Here the processor's seconds count, with slack for slow ones,
# and by the clock no more is asked than that nobody waits for a whole load.
LOADED, LIVE, SLACK = 10.0, 1.0, 2.0
BY_THE_CLOCK = 50.0
ANSWERED = 2.0


def processor_seconds(process: RunningGateway) -> float:
    """What the processor has spent on a process so far; its neighbours do not count."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many(number: int, name: str) -> str:
    """A file of routes, each for a path of its own and one of a hundred hosts."""
    return "".join(route(number * EACH + index, name) for index in range(EACH))


def route(number: int, name: str) -> str:
    """A route as people write them."""
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r{number}}}
spec:
  parentRefs: [{{name: g}}]
  hostnames: [tenant-{number % 100}.example.com]
  rules:
  - matches:
    - path: {{type: PathPrefix, value: /v1/{number}}}
    - path: {{type: Exact, value: /v1/{number}/exact}}
      method: POST
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{set: [{{name: route, value: {name}}}]}}
    backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: b}}]
"""


@dataclass
class Client:
    """Asks for one route again and again over one connection, and notes how long each answer took."""

    port: int
    number: int
    answers: list[str] = field(default_factory=list[str])
    waits: list[float] = field(default_factory=list[float])
    done: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Until it is done; the connection must hold."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=50)
        headers = {"Host": f"tenant-{self.number % 100}.example.com"}
        while not self.done.wait(0.005):
            begun = time.monotonic()
            connection.request("GET", f"/v1/{self.number}/x", headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
            self.waits.append(time.monotonic() - begun)
            self.answers.append(f"{answer.status} {answer.getheader('route')} {body}")
        connection.close()


@dataclass
class Many:
    """The running gateway with its files, and the processor's seconds until it was ready."""

    folder: Path
    port: int
    process: RunningGateway
    seconds: float


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, one: NamedServer) -> Iterator[Many]:
    """Started once for all tests."""
    folder, port = tmp_path_factory.mktemp("many"), free_port()
    (folder / "gateway.yaml").write_text(gateway(port))
    (folder / "backend.yaml").write_text(backend("b", one))
    for number in range(FILES):
        (folder / f"routes-{number:02}.yaml").write_text(many(number, "first"))
    with running(folder) as process:
        yield Many(folder, port, process, processor_seconds(process))


def test_they_are_ready_in_time(served: Many) -> None:
    """Ten thousand routes load in under ten seconds."""
    assert served.process.ready == f"ready http://127.0.0.1:{served.port}"
    assert served.seconds < LOADED * SLACK


def test_a_change_is_live_in_time_and_no_request_waits(served: Many) -> None:
    """While a change of one route is read, requests are answered as before."""
    file = served.folder / "routes-42.yaml"
    with asking(served, 4242) as client:
        spent = processor_seconds(served.process)
        file.write_text(file.read_text().replace(route(4242, "first"), route(4242, "second")))
        eventually(lambda: client.answers[-1] == "200 second one", BY_THE_CLOCK)
        spent = processor_seconds(served.process) - spent
    assert spent < LIVE * SLACK
    assert set(client.answers) == {"200 first one", "200 second one"}
    assert max(client.waits) < ANSWERED


def test_no_request_waits_for_what_changes_all_of_them(served: Many, two: NamedServer) -> None:
    """The backend of all routes, and the listener that all are attached to."""
    with asking(served, 4343) as client:
        (served.folder / "backend.yaml").write_text(backend("b", two))
        eventually(lambda: client.answers[-1] == "200 first two", 3 * BY_THE_CLOCK)
        (served.folder / "gateway.yaml").write_text(gateway(served.port).replace("port:", "hostname: '*.com', port:"))
        served.process.wait_for("reloaded", 3 * BY_THE_CLOCK)
    assert set(client.answers) == {"200 first one", "200 first two"}
    assert max(client.waits) < ANSWERED


@contextmanager
def asking(served: Many, number: int) -> Generator[Client]:
    """A client that has had some answers and goes on asking."""
    client = Client(served.port, number)
    thread = threading.Thread(target=client.ask)
    thread.start()
    try:
        eventually(lambda: len(client.answers) > 20, BY_THE_CLOCK)
        yield client
    finally:
        client.done.set()
        thread.join()
