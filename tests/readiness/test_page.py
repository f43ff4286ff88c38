"""The page that says whether a process is ready: one path, two methods, and nobody who was led here by a name."""

import json
from typing import Any

import pytest

from asgi_driver import Driver, http_scope, websocket_scope
from gateway_filters.readiness import Readiness, ReadinessPage, Trouble

pytestmark = pytest.mark.anyio

ADDRESS = b"10.1.2.3:9090"


async def asked(
    readiness: Readiness, target: str = "/ready", *, method: str = "GET", host: bytes = ADDRESS
) -> tuple[int, dict[bytes, bytes], Any]:
    """Status, headers and what the body holds."""
    scope = http_scope(target, method=method, headers=((b"host", host),))
    async with Driver(ReadinessPage(readiness), scope) as driver:
        start = await driver.next()
        body = await driver.next()
    return start["status"], dict(start["headers"]), json.loads(body["body"])


async def test_what_is_not_ready_is_503_and_what_is_is_200() -> None:
    """With the same keys in either."""
    readiness = Readiness()
    nothing: dict[str, object] = {"ready": False, "reason": "Starting", "degraded": [], "more": 0}
    status, headers, said = await asked(readiness)
    assert (status, said) == (503, nothing)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"cache-control"] == b"no-store"
    readiness.looked([Trouble("SecretStale", "HTTPRoute", "default/a")], serving=True)
    status, _, said = await asked(readiness)
    assert status == 200
    stale = {"reason": "SecretStale", "kind": "HTTPRoute", "name": "default/a"}
    assert said == {"ready": True, "reason": "Ready", "degraded": [stale], "more": 0}


ASKED: dict[str, tuple[dict[str, Any], int]] = {
    "as kubelet does": ({}, 503),
    "the head alone": ({"method": "HEAD"}, 503),
    "with a query": ({"target": "/ready?verbose"}, 503),
    "another page": ({"target": "/metrics"}, 404),
    "below it": ({"target": "/ready/"}, 404),
    "to change something": ({"method": "POST"}, 405),
    "to delete something": ({"method": "DELETE"}, 405),
    "what may be asked": ({"method": "OPTIONS"}, 405),
    "an address of IPv6": ({"host": b"[fd00::1]:9090"}, 503),
    "without a port": ({"host": b"127.0.0.1"}, 503),
    "this machine": ({"host": b"LocalHost:9090"}, 503),
    "a name that was led here": ({"host": b"attacker.example:9090"}, 421),
    "a name that looks like an address": ({"host": b"127.0.0.1.attacker.example"}, 421),
    "a name below this machine's": ({"host": b"localhost.attacker.example"}, 421),
    "a name that ends like this machine's": ({"host": b"attacker.localhost"}, 421),
    "no host": ({"host": b""}, 421),
    "nothing that is a host": ({"host": b"127.0.0.1@attacker.example"}, 421),
}


@pytest.mark.parametrize(("how", "status"), ASKED.values(), ids=ASKED)
async def test_who_is_answered(how: dict[str, Any], status: int) -> None:
    """Where the Host is none, not even the path is looked at."""
    found, headers, _ = await asked(Readiness(), **how)
    assert found == status
    assert (headers.get(b"allow") == b"GET, HEAD") == (status == 405)
    assert not any(name.startswith(b"access-control") for name in headers)


async def test_a_websocket_is_turned_away() -> None:
    """There is nothing to talk about."""
    async with Driver(ReadinessPage(Readiness()), websocket_scope("/ready")) as driver:
        assert await driver.next() == {"type": "websocket.close"}
