"""How ``gateway-filters run`` begins and ends: exit codes, and what becomes of requests under way."""

import http.client
import signal
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from run.gateway_run import (
    PATIENCE,
    NamedServer,
    RunningGateway,
    backend,
    documents,
    eventually,
    free_port,
    gateway,
    get,
    refused,
    route,
    running,
    upstream,
)
from run.h2_client import speaking

Answers = list[tuple[int, str] | None]


@contextmanager
def asked(port: int, path: str) -> Generator[http.client.HTTPResponse]:
    """The answer to a request, whose body has yet to come."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            yield answer


@contextmanager
def under_way(folder: Path, *arguments: str) -> Generator[tuple[RunningGateway, NamedServer, Answers]]:
    """A gateway with a request that is waiting for its answer, which goes to a list: None where there was none."""
    port, answers = free_port(), Answers()

    def ask() -> None:
        try:
            answers.append(get(port, "/slow"))
        except (OSError, http.client.HTTPException):
            answers.append(None)

    with upstream("slow") as server:
        (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", server)))
        with running(folder, *arguments) as process:
            client = threading.Thread(target=ask)
            client.start()
            assert server.waiting.wait(PATIENCE)
            yield process, server, answers
            client.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_answer_under_way_is_finished(folder: Path, number: signal.Signals) -> None:
    """Either signal lets a request that has begun have its answer, and no other one in; a person's need not wait."""
    with under_way(folder, "--pre-drain", "60" if number == signal.SIGINT else "0") as (process, server, answers):
        process.process.send_signal(number)
        process.wait_for("a second signal ends it at once")
        eventually(lambda: refused(int(process.ready.rpartition(":")[2])), 5)
        server.release.set()
        assert process.ended()[0] == 0
    assert answers == [(200, "slow")]


def test_an_answer_that_takes_too_long_is_cut(folder: Path) -> None:
    """``--drain`` is how long they have, also a stream without end, and the cut is seen; the exit code is 1 then."""
    with under_way(folder, "--drain", "1") as (process, _, answers):
        port = int(process.ready.rpartition(":")[2])
        with asked(port, "/endless") as endless, speaking(port) as other:
            stream = other.ask("/endless")
            while not other.answers[stream].body:
                other.read()
            begun = time.monotonic()
            process.process.send_signal(signal.SIGTERM)
            with pytest.raises(http.client.IncompleteRead):
                endless.read()
            answer = other.answer(stream)
            assert (answer.ended, answer.reset) == (False, ErrorCodes.INTERNAL_ERROR)
            assert 1 <= time.monotonic() - begun < 2
        code, log = process.ended()
    assert code == 1
    assert log.count("a request was cut: its time was over") == 2
    assert "Traceback" not in log
    assert [answer and answer[0] for answer in answers] == [500]


@pytest.mark.parametrize("serving_on", ["0", "60"])
def test_a_second_signal_ends_it_at_once(folder: Path, serving_on: str) -> None:
    """As if nobody had asked for the first one, also while all is served on."""
    with under_way(folder, "--pre-drain", serving_on) as (process, _, answers):
        process.process.send_signal(signal.SIGTERM)
        process.wait_for("a second signal ends it at once")
        code, _ = process.stop(signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert answers == [None]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_idle(folder: Path, one: NamedServer, number: signal.Signals) -> None:
    """Either signal ends it."""
    (folder / "all.yaml").write_text(documents(gateway(free_port()), route("r", "/", "b"), backend("b", one)))
    with running(folder) as process:
        begun = time.monotonic()
        assert process.stop(number)[0] == 0
    assert time.monotonic() - begun < 5


def test_manifests_that_cannot_be_read_end_it_with_2(folder: Path) -> None:
    """One sentence, no traceback, nothing served."""
    (folder / "all.yaml").write_text(gateway(free_port()).replace("listeners", "listenerz"))
    with running(folder) as process:
        code, log = process.ended()
    assert process.ready == ""
    assert code == 2
    assert log.count("\n") == 1
    assert "spec.listenerz" in log


def test_readiness_is_not_told_where_clients_come_in(folder: Path, one: NamedServer) -> None:
    """A listener that wants the same port ends it: neither answers in the other's place."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder, "--ready", str(port)) as process:
        code, log = process.ended()
    assert (process.ready, code) == ("", 2)
    assert f"cannot listen at 127.0.0.1 port {port}" in log


def test_a_port_that_is_taken_ends_it_with_2(folder: Path, one: NamedServer) -> None:
    """A socket that cannot be opened at start is named."""
    port = one.server_address[1]
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder) as process:
        code, log = process.ended()
    assert code == 2
    assert f"cannot listen at 127.0.0.1 port {port}" in log
