"""A path that is too long for the patterns that would have to be asked: refused, told, and nobody's by mistake."""

from importlib.util import find_spec

import pytest
from starlette.types import Receive, Scope, Send

from asgi_driver import exchange, http_scope, json_error
from gateway_filters import Gateway, GatewayMiddleware, Match, RegexMatch, Route
from gateway_filters.explanation import asked, explain
from gateway_filters.filters import DirectResponse
from gateway_filters.matching import PrefixMatch
from gateway_filters.routing import Listener

pytestmark = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")

LONG = "/open/" + "x" * 9000
PATTERNS = tuple(Route(str(number), Match(RegexMatch(f"/closed{number}/.*"))) for number in range(200))
OPEN = Route("open", Match(PrefixMatch("/open")), filters=(DirectResponse(200),))


async def test_it_is_414() -> None:
    """Also where a prefix would have taken it, had no pattern done so before."""
    gateway = Gateway([*PATTERNS, OPEN])
    assert (await exchange(gateway, http_scope("/open/x"))).status == 200
    answer = await exchange(gateway, http_scope(LONG))
    assert (answer.status, json_error(answer.body)["type"]) == (414, "invalid_request_error")
    assert (await exchange(Gateway([*PATTERNS[:60], OPEN]), http_scope(LONG))).status == 200


async def test_in_front_of_an_app_it_is_the_apps() -> None:
    """As is all that the gateway would refuse before it has a route."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body"})

    front = GatewayMiddleware(app, gateway=Gateway([*PATTERNS, OPEN]))
    assert (await exchange(front, http_scope(LONG))).status == 418


def test_it_is_explained() -> None:
    """With the status that a client would get."""
    told = explain([Listener("l", 80, routes=(*PATTERNS, OPEN))], asked("GET", f"http://localhost{LONG}"))
    assert told.answer is not None
    assert told.answer.status == 414
