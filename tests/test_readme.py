"""The README does what it says: its code runs, its curl gets its answer."""

import http.client
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from starlette.testclient import TestClient

from gateway_filters.upstream import default
from run.gateway_run import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]


def run(block: str) -> dict[str, Any]:
    """Execute a block of the README; gives what it defines."""
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples' key, and the folder that their paths start from; requests pass where respx catches them."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-of-the-readme")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(default, "transport_to", default.through_httpx)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.splitlines()[0])
def test_examples_run(block: str) -> None:
    """Every Python block runs as it stands, its assertions included."""
    run(block)


@respx.mock(assert_all_called=True)
def test_fastapi_example_reaches_the_provider(respx_mock: respx.MockRouter) -> None:
    """The FastAPI example sends requests under /v1 to the provider with its key, and keeps the rest."""
    route = respx_mock.post("https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions")
    route.respond(json={"object": "chat.completion"})
    app = run(next(block for block in PYTHON if "FastAPI(" in block))["app"]
    with TestClient(app) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/v1beta").status_code == 404
        assert client.request("GET", "http://testserver/v1/%2e%2e/%2e%2e/api/v1/keys").status_code == 404
        assert client.post("/v1/chat/completions", json={}).json() == {"object": "chat.completion"}
    assert route.call_count == 1
    sent: httpx.Request = route.calls.last.request
    assert sent.headers["authorization"] == "Bearer sk-of-the-readme"
    assert sent.headers["host"] == "dashscope.aliyuncs.com"


@respx.mock(assert_all_called=True)
def test_by_hand_example_reaches_the_provider(respx_mock: respx.MockRouter) -> None:
    """The gateway by hand does the same."""
    route = respx_mock.get("https://dashscope.aliyuncs.com/compatible-mode/v1/models")
    route.respond(json={"object": "list"})
    app = run(next(block for block in PYTHON if "app = Gateway([route])" in block))["app"]
    with TestClient(app) as client:
        assert client.get("/v1/models").json() == {"object": "list"}
    assert route.calls.last.request.headers["authorization"] == "Bearer sk-of-the-readme"


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """``scripts/run`` as the README starts it, but on a free port; gives the port."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if name != "DASHSCOPE_API_KEY"}
    command = ["scripts/run", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=kept, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait(port, process)
            yield port
        finally:
            process.terminate()
            output = process.communicate(timeout=50)[1]
    assert "no provider key is configured" in output
    assert output.count("stand-in provider") == 1


def wait(port: int, process: "subprocess.Popen[str]") -> None:
    """Until the port answers; installing may take its time on a fresh machine."""
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline:
        assert process.poll() is None, "scripts/run ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("scripts/run does not answer")


@pytest.mark.skipif(sys.platform == "win32", reason="scripts need a POSIX shell")
def test_the_curl_gets_its_answer(served: int) -> None:
    """The README's curl against ``scripts/run`` gives the README's answer."""
    shown = json.loads(next(text for language, text in BLOCKS if language == "json"))
    command = next(line for _, text in BLOCKS for line in text.splitlines() if line.startswith("$ curl"))
    words = shlex.split(command.removeprefix("$ "))
    assert words[1] == "http://localhost:8080/v1/chat/completions"
    name, _, value = words[words.index("-H") + 1].partition(": ")
    connection = http.client.HTTPConnection("127.0.0.1", served, timeout=50)
    connection.request("POST", "/v1/chat/completions", words[words.index("-d") + 1], {name: value})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 200
    assert response.getheader("server") is None
    assert response.getheader("date") is None
    assert {**answer, "created": 0} == {**shown, "created": 0}
