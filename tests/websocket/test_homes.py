"""WebSockets through the gateway, wherever it lives, with the ``websockets`` library at both ends."""

import contextlib
import json
import socket
import struct
import threading
import time
from typing import Any, cast

import pytest
from websocket_homes import KEY, Home
from websocket_provider import REFUSAL, Provider
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

MIB = 1024 * 1024


def dial(home: Home, path: str, **options: Any) -> ClientConnection:
    """A WebSocket through the gateway."""
    opened = connect(home.url(path), proxy=None, open_timeout=30, close_timeout=2, **options)  # pyright: ignore[reportUnknownVariableType]
    return cast("ClientConnection", opened)


def closing(connection: ClientConnection) -> tuple[int, str]:
    """How the gateway closes a WebSocket on which no message comes."""
    with pytest.raises(ConnectionClosed):
        connection.recv(timeout=30)
    assert connection.close_code is not None
    return connection.close_code, connection.close_reason or ""


def test_messages_go_both_ways(home: Home) -> None:
    """Texts and bytes, exactly as they are, empty ones too."""
    with dial(home, "/v1/ws/echo") as connection:
        for message in ("text", b"bytes", "", b"", "é\U0001f600\0", bytes(range(256))):
            connection.send(message)
            assert connection.recv(timeout=30) == message


def test_many_messages_keep_their_order(home: Home) -> None:
    """A thousand each way, while others are still under way."""
    with dial(home, "/v1/ws/echo") as connection:
        sending = threading.Thread(target=lambda: [connection.send(str(number)) for number in range(1000)])
        sending.start()
        assert [connection.recv(timeout=30) for _ in range(1000)] == [str(number) for number in range(1000)]
        sending.join()


def test_large_messages(home: Home) -> None:
    """Ten MiB in one piece there and back, and a message that comes in fragments of one MiB."""
    large = bytes(range(256)) * (10 * MIB // 256)
    with dial(home, "/v1/ws/echo", max_size=None) as connection:
        connection.send(large)
        assert connection.recv(timeout=30) == large
        connection.send(iter([b"a" * MIB, b"b" * MIB, b"c"]))
        assert connection.recv(timeout=30) == b"a" * MIB + b"b" * MIB + b"c"
    with dial(home, f"/v1/ws/fragments?number=15&size={MIB}", max_size=None) as connection:
        assert connection.recv(timeout=30) == b"".join(bytes([each]) * MIB for each in range(15))


def test_the_handshake_is_rewritten_like_any_request(home: Home, provider: Provider) -> None:
    """Path, Host and credential are the route's; what the client says arrives; what concerns its hop does not."""
    headers = {"Authorization": "Bearer the-clients", "Cookie": "a=1", "X-Mine": "yes", "Sec-WebSocket-Key-2": "x"}
    with dial(home, "/v1/ws/seen?model=m%2F1", additional_headers=headers, origin="https://page.example") as connection:  # pyright: ignore[reportArgumentType]
        seen: dict[str, Any] = json.loads(connection.recv(timeout=30))
        assert connection.response is not None
        assert connection.response.headers.get_all("x-gateway") == ["passed"]
    assert seen["path"] == "/compatible/v1/ws/seen?model=m%2F1"
    got: dict[str, list[str]] = seen["headers"]
    assert got["host"] == ["provider.example"]
    assert got["authorization"] == [f"Bearer {KEY}"]
    assert (got["x-mine"], got["origin"]) == (["yes"], ["https://page.example"])
    assert "cookie" not in got, "the client's own credentials go where the gateway's come"
    assert got["sec-websocket-version"] == ["13"]
    assert "sec-websocket-extensions" not in got
    assert len(got["sec-websocket-key"]) == len(got["connection"]) == len(got["upgrade"]) == 1
    assert seen["chosen"] is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        pytest.param(["no", "yes-1", "yes-2"], "yes-1", id="the provider chooses"),
        pytest.param(["no"], None, id="the provider chooses none"),
    ],
)
def test_subprotocols(home: Home, provider: Provider, offered: list[Any], chosen: str | None) -> None:
    """The provider sees what is offered, in order, and its choice is the client's."""
    with dial(home, "/v1/ws/seen", subprotocols=offered) as connection:
        seen: dict[str, Any] = json.loads(connection.recv(timeout=30))
        assert connection.subprotocol == seen["chosen"] == chosen
    assert seen["headers"]["sec-websocket-protocol"] == [", ".join(offered)]


KEY_IN_A_BROWSER = "openai-insecure-api-key.sk-of-the-client"


@pytest.mark.parametrize(
    ("path", "offered", "heard", "chosen"),
    [
        pytest.param("/v1", ["yes-1", KEY_IN_A_BROWSER], ["yes-1"], "yes-1", id="not beside our key"),
        pytest.param("/v1", ["OpenAI-Insecure-API-Key.x", "a", "b"], ["a, b"], None, id="in any case"),
        pytest.param("/v1", ["base64url.bearer.authorization.k8s.io.eA"], None, None, id="nothing else is offered"),
        pytest.param("/bare", ["no", KEY_IN_A_BROWSER], [f"no, {KEY_IN_A_BROWSER}"], None, id="where none is injected"),
    ],
)
def test_the_clients_key_in_a_subprotocol(
    home: Home, provider: Provider, path: str, offered: list[Any], heard: list[str] | None, chosen: str | None
) -> None:
    """It stays here where ours goes, and is never what is agreed on."""
    with dial(home, f"{path}/ws/seen", subprotocols=offered) as connection:
        seen: dict[str, Any] = json.loads(connection.recv(timeout=30))
        assert connection.subprotocol == seen["chosen"] == chosen
    assert seen["headers"].get("sec-websocket-protocol") == heard


FROM_PROVIDER = [
    pytest.param("1000", (1000, ""), id="normal"),
    pytest.param("1001/away", (1001, "away"), id="going away"),
    pytest.param("1008/policy", (1008, "policy"), id="policy"),
    pytest.param("1011/broken", (1011, "broken"), id="the provider's own failure"),
    pytest.param("1012/restart", (1012, "restart"), id="restart"),
    pytest.param("1013", (1013, ""), id="try again later"),
    pytest.param("3000/registered", (3000, "registered"), id="a registered code"),
    pytest.param("4999/" + "r" * 123, (4999, "r" * 123), id="a private code with the longest reason"),
]


@pytest.mark.parametrize(("said", "heard"), FROM_PROVIDER)
def test_the_provider_closes(home: Home, provider: Provider, said: str, heard: tuple[int, str]) -> None:
    """Code and reason are the client's."""
    with dial(home, f"/v1/ws/close/{said}") as connection:
        assert closing(connection) == heard


@pytest.mark.parametrize("code", [1000, 1001, 3001, 4999])
def test_the_client_closes(home: Home, provider: Provider, code: int) -> None:
    """Code and reason are the provider's, at once."""
    with dial(home, "/v1/ws/hear") as connection:
        connection.close(code, "because")
    left = provider.left()
    assert (left.code, left.reason) == (code, "because")


def test_a_lost_provider_is_no_tidy_end(home: Home, provider: Provider) -> None:
    """The client hears that the server's side failed."""
    with dial(home, "/v1/ws/lose") as connection:
        assert closing(connection) == (1011, "the upstream's connection broke off")


def test_a_lost_client_leaves_no_one_behind(home: Home, provider: Provider) -> None:
    """The provider hears that it has gone away, within a second."""
    connection = dial(home, "/v1/ws/hear")
    provider.visit()
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    began = time.monotonic()
    connection.socket.close()
    assert provider.left().code == 1001
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 426, 429, 500, 503, 200, 302])
def test_the_provider_refuses(home: Home, provider: Provider, status: int) -> None:
    """Its status, headers and body are the client's, filtered like any answer."""
    with pytest.raises(InvalidStatus) as refused:
        dial(home, f"/v1/ws/refuse/{status}")
    response = refused.value.response
    assert (response.status_code, response.body) == (status, REFUSAL)
    assert response.headers.get_all("retry-after") == ["7"]
    assert response.headers.get_all("content-type") == ["application/json"]
    assert response.headers.get_all("x-gateway") == ["passed"]
    assert len(provider.visits) == 1


REFUSED = [
    pytest.param("/injected/ws/echo", 403, "permission_denied", id="a credential for a backend that names no ws"),
    pytest.param("/nowhere/ws/echo", 500, "gateway_error", id="a backend that does not exist"),
    pytest.param("/refused/ws/echo", 503, "upstream_unreachable", id="a provider that is not there"),
    pytest.param("/secretless/ws/echo", 503, "credential_unavailable", id="a credential that is not there"),
]


@pytest.mark.parametrize(("path", "status", "kind"), REFUSED)
def test_the_gateway_refuses(home: Home, provider: Provider, path: str, status: int, kind: str) -> None:
    """As it refuses any request: status, words, and nothing for the provider."""
    with pytest.raises(InvalidStatus) as refused:
        dial(home, path)
    response = refused.value.response
    assert response.status_code == status
    assert response.body is not None
    assert json.loads(response.body)["error"]["type"] == kind
    assert provider.visits == []


def test_a_redirect(home: Home, provider: Provider) -> None:
    """A filter's own answer is delivered, too."""
    with socket.create_connection(("127.0.0.1", home.port), timeout=30) as raw:
        raw.sendall(
            b"GET /moved/x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 302 ")
    assert b"location: http://other.example:%d/moved/x\r\n" % home.port in answer.lower()


def test_what_no_route_takes(home: Home, provider: Provider) -> None:
    """404 from the gateway; in an app, the app's own answer (Starlette's for a path that it does not know)."""
    with pytest.raises(InvalidStatus) as refused:
        dial(home, "/elsewhere")
    assert refused.value.response.status_code == (404 if home.kind in ("run", "plain") else 403)


def test_routes_match_the_upgrade(home: Home, provider: Provider) -> None:
    """A route may ask for ``Upgrade: websocket``."""
    with dial(home, "/upgrade/ws/echo") as connection:
        connection.send("taken")
        assert connection.recv(timeout=30) == "taken"


def test_a_rule_without_credentials_needs_no_name_for_its_backend(home: Home, provider: Provider) -> None:
    """The client's own credential passes."""
    with dial(home, "/bare/ws/seen", additional_headers={"Authorization": "Bearer mine"}) as connection:
        seen: dict[str, Any] = json.loads(connection.recv(timeout=30))
    assert seen["headers"]["authorization"] == ["Bearer mine"]


def test_a_message_over_the_limit_of_16_mib(home: Home, provider: Provider) -> None:
    """The client's is refused with 1009; the provider's ends in a failure of the server's side."""
    with dial(home, "/v1/ws/hear") as connection:
        # The head of the frame says enough.
        connection.socket.sendall(struct.pack("!BBQI", 0x82, 0xFF, 16 * MIB + 1, 0))
        assert closing(connection)[0] == 1009
    assert provider.left().received == 0
    with dial(home, f"/v1/ws/fragments?number=17&size={MIB}", max_size=None) as connection:
        assert closing(connection)[0] == 1011


def test_pings_are_answered_by_the_gateway(home: Home, provider: Provider) -> None:
    """Also while the provider reads nothing."""
    with dial(home, "/v1/ws/mute") as connection:
        assert connection.ping().wait(30)
        provider.release()


def test_a_slow_client_holds_the_provider_up(home: Home, provider: Provider) -> None:
    """256 MiB for a client that reads nothing: the provider stands still, and the gateway keeps little of it."""
    before = home.memory()
    burst = f"/v1/ws/burst?number=2048&size={MIB // 8}"
    with dial(home, burst, max_queue=1, max_size=None, compression=None) as connection:
        visit, sent = provider.visit(), -1
        while sent != visit.received:
            sent = visit.received
            time.sleep(0.2)
        assert 0 < sent < 512
        assert home.memory() - before < 16 * MIB
        for _ in range(2048):
            assert len(connection.recv(timeout=30)) == MIB // 8
    assert provider.left().received == 2048


def test_a_slow_provider_holds_the_client_up(home: Home, provider: Provider) -> None:
    """A provider that reads nothing: the client's sending waits, and the gateway keeps little of it."""
    before, sent = home.memory(), 0
    with dial(home, "/v1/ws/mute", ping_interval=None, compression=None) as connection:
        connection.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent < 256 * MIB:
                connection.socket.sendall(struct.pack("!BBQI", 0x82, 0xFF, MIB // 8, 0) + bytes(MIB // 8))
                sent += MIB // 8
        assert sent < 64 * MIB
        assert home.memory() - before < 16 * MIB
        provider.release()
        connection.socket.close()


def test_the_apps_own_websockets_stay_its_own(home: Home, provider: Provider) -> None:
    """What no route takes reaches the app unchanged."""
    if home.kind in ("run", "plain"):
        pytest.skip("there is no app")
    with dial(home, "/own") as connection:
        connection.send("word")
        assert connection.recv(timeout=30) == "own word"
        assert closing(connection) == (4001, "done")
    assert provider.visits == []


def test_queries_stay_out_of_the_log(home: Home, provider: Provider) -> None:
    """``run`` writes none; uvicorn on its own logs them as it does for any request."""
    with dial(home, "/v1/ws/echo?token=private-to-the-client"):
        pass
    if home.kind == "run":
        assert "private-to-the-client" not in home.log
