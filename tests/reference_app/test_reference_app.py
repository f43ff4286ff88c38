"""The reference gateway: from manifests and by hand it is one and the same."""

import logging
import re
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import respx
from starlette.testclient import TestClient

from gateway_filters import EnvSecret, Gateway, MemorySecret, MemorySecrets, routes_of
from gateway_filters.message.secret import Secret
from gateway_filters.upstream import default
from reference_app import by_hand, from_manifests, key

PROVIDER = "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"
ASKED: dict[str, Any] = {"model": "qwen3-32b", "messages": [{"role": "user", "content": "Hi"}]}

_WITH_ITS_ID = re.compile(rb', "request_id": "[0-9a-f]{16}"')


@pytest.fixture(autouse=True)
def _through_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests pass where respx catches them."""
    monkeypatch.setattr(default, "transport_to", default.through_httpx)


def both(environ: dict[str, str]) -> list[Gateway]:
    """The two gateways for one environment."""
    return [from_manifests.gateway(environ), by_hand.gateway(key.store(environ))]


def test_both_are_equal_as_values() -> None:
    """The manifests mean the very routes that are written by hand, with any credential."""
    source = MemorySecret("Bearer sk-one")
    assert routes_of(from_manifests.MANIFESTS, secrets=MemorySecrets({key.NAME: source})) == by_hand.routes(source)
    assert by_hand.routes(source) != by_hand.routes(MemorySecret("Bearer sk-two"))


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("POST", "/v1/chat/completions?a=b&a=c", {"authorization": "Bearer client"}, id="a request"),
        pytest.param("GET", "/v1", {}, id="the prefix itself"),
        pytest.param("GET", "/v1/models/%E4%BD%A0", {"connection": "authorization"}, id="an escape"),
        pytest.param("GET", "/v1beta", {}, id="another prefix"),
    ],
)
def test_both_are_equal_in_behaviour(
    method: str, path: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both send the same request to the provider and give the same answer, but for the id of a refusal."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-a-real-one")
    seen: list[tuple[Any, ...]] = []
    for gateway in both({"DASHSCOPE_API_KEY": "sk-a-real-one"}):
        with respx.mock(assert_all_called=False) as router, TestClient(gateway) as client:
            route = router.route().respond(201, json={"ok": True})
            answer = client.request(method, path, headers=headers)
            requests = [call.request for call in cast("list[respx.models.Call]", route.calls)]
            sent = [(each.method, each.url.raw_path, each.headers.raw) for each in requests]
            seen.append((answer.status_code, _WITH_ITS_ID.sub(b"", answer.content), sent))
    assert seen[0] == seen[1]


def test_without_a_key_the_stand_in_answers(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing configured: one line says so, and answers are marked and show what arrived."""
    with caplog.at_level(logging.WARNING):
        gateway = from_manifests.gateway({})
    assert [record.name for record in caplog.records] == ["gateway_filters.reference_app"]
    with TestClient(gateway) as client:
        answer = client.post("/v1/chat/completions", json=ASKED)
    assert answer.headers["x-stand-in-provider"] == "gateway-filters"
    assert answer.json()["stand_in"] == {
        "path": "/compatible-mode/v1/chat/completions",
        "host": "dashscope.aliyuncs.com",
        "credential_fingerprint": Secret("Bearer stand-in-key-that-opens-nothing").fingerprint,
    }
    assert answer.json()["choices"][0]["finish_reason"] == "stop"


def test_the_stand_in_streams_and_ends_with_done() -> None:
    """With ``stream`` the answer comes as server-sent events, with usage where it is asked for."""
    asked = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    with TestClient(from_manifests.gateway({})) as client:
        answer = client.post("/v1/chat/completions", json=asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert '"total_tokens"' in events[-3]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1/chat/completions", b"not json", 400, id="a body that is not JSON"),
        pytest.param("/v1/chat/completions", b'{"model": "m"}', 400, id="a body without messages"),
        pytest.param("/v1/nothing", b"{}", 404, id="a path that the provider does not have"),
    ],
)
def test_the_stand_in_refuses_as_a_provider_would(path: str, body: bytes, status: int) -> None:
    """Its errors have the shape that OpenAI clients understand."""
    with TestClient(from_manifests.gateway({})) as client:
        answer = client.post(path, content=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


KEYS = [
    pytest.param("environment", id="DASHSCOPE_API_KEY"),
    pytest.param("directory", id="a mounted directory"),
    pytest.param("manifest", id="a Secret manifest"),
]


@pytest.mark.parametrize("where", KEYS)
def test_with_a_key_it_goes_to_the_provider(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in any of its places is what the provider gets."""
    environ = configured(where, tmp_path, monkeypatch)
    with respx.mock() as router, TestClient(from_manifests.gateway(environ)) as client:
        route = router.post(PROVIDER).respond(json={})
        assert client.post("/v1/chat/completions", json=ASKED).status_code == 200
        sent: httpx.Request = route.calls.last.request
    assert sent.headers["authorization"] == "Bearer sk-configured"


def configured(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a key in that place."""
    if where == "environment":
        monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-configured")
        return {"DASHSCOPE_API_KEY": "sk-configured"}
    if where == "directory":
        (tmp_path / key.NAME).mkdir()
        (tmp_path / key.NAME / "credential").write_text("Bearer sk-configured\n")
        return {"GATEWAY_FILTERS_SECRETS": str(tmp_path)}
    secret = tmp_path / "secret.yaml"
    secret.write_text(
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {key.NAME}}}\n"
        "stringData: {credential: Bearer sk-configured}\n"
    )
    return {"GATEWAY_FILTERS_MANIFESTS": f"{from_manifests.MANIFESTS}:{secret}"}


def test_a_configured_key_that_is_missing_fails_closed(tmp_path: Path) -> None:
    """A mounted directory without the key is no reason for the stand-in: the answer is 503."""
    with TestClient(from_manifests.gateway({"GATEWAY_FILTERS_SECRETS": str(tmp_path)})) as client:
        assert client.post("/v1/chat/completions", json=ASKED).status_code == 503


def test_a_key_with_its_scheme_gets_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """``Bearer`` is put in front of a bare key only."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "Bearer sk-x")
    assert EnvSecret("DASHSCOPE_API_KEY", scheme="Bearer").current() == Secret("Bearer sk-x")
