"""Session persistence as manifests ask for it: two forms of writing it, and what a client notices of either."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from starlette.types import ASGIApp

from asgi_driver import Answer, Inner, exchange, http_scope
from gateway_filters import Backend, Gateway
from gateway_filters.gateway_api.resources import HTTPRouteRule

Json = dict[str, Any]


def session(written: Json) -> object:
    """The session that a rule's sessionPersistence is read as."""
    return HTTPRouteRule.model_validate({"sessionPersistence": written}).session_persistence


FORMS: dict[str, tuple[Json, Json]] = {
    "a name is the cookie's": ({"sessionName": "s"}, {"cookie": {"name": "s"}}),
    "a type of Cookie may be written": ({"type": "Cookie", "sessionName": "s"}, {"cookie": {"name": "s"}}),
    "a name with type Header is the header's": (
        {"type": "Header", "sessionName": "X-S"},
        {"type": "Header", "header": {"name": "X-S"}},
    ),
    "a cookie needs no name": ({"cookieConfig": {}}, {"cookie": {}}),
    "a cookie may be permanent": (
        {"sessionName": "s", "cookieConfig": {"lifetimeType": "Permanent"}, "absoluteTimeout": "1h"},
        {"cookie": {"name": "s", "lifetimeType": "Permanent"}, "absoluteTimeout": "1h"},
    ),
    "a session by header may end": (
        {"type": "Header", "sessionName": "s", "absoluteTimeout": "1m30s"},
        {"type": "Header", "header": {"name": "s"}, "absoluteTimeout": "1m30s"},
    ),
    "a null is absent": ({"sessionName": None, "cookie": {}}, {"cookie": {}}),
    "a name of 128 characters is the longest": ({"sessionName": "s" * 128}, {"cookie": {"name": "s" * 128}}),
}
"""The form of v1.6.1, and today's that means the same."""


@pytest.mark.parametrize("sentence", FORMS)
def test_the_released_form_means_the_same_as_todays(sentence: str) -> None:
    """Section 10: a reader recognises both."""
    released, today = FORMS[sentence]
    assert session(released) == session(today)


REFUSED: dict[str, tuple[Json, str]] = {
    "the two forms may not be mixed": ({"sessionName": "s", "cookie": {}}, "cookie"),
    "the two forms may not be mixed in a session by header": (
        {"type": "Header", "sessionName": "s", "header": {"name": "s"}},
        "header",
    ),
    "a permanent cookie must end": ({"cookieConfig": {"lifetimeType": "Permanent"}}, "absoluteTimeout"),
    "cookieConfig belongs to a cookie": ({"type": "Header", "sessionName": "s", "cookieConfig": {}}, "cookieConfig"),
    "a lifetime is one of two": ({"cookieConfig": {"lifetimeType": "Long"}}, "cookieConfig.lifetimeType"),
    "a name must be one for a cookie or header": ({"sessionName": "a b"}, "sessionName"),
    "a name of 129 characters is too long": ({"sessionName": "s" * 129}, "sessionName"),
    "no other field is known": ({"sessionName": "s", "idleTime": "1h"}, "idleTime"),
    "without either name it is of today's form": ({"type": "Cookie"}, "cookie"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_no_form_allows_is_refused_where_it_stands(sentence: str) -> None:
    """A refusal names the field as it was written, never as it would be written today."""
    written, place = REFUSED[sentence]
    with pytest.raises(ValidationError) as caught:
        session(written)
    places = [".".join(map(str, each["loc"])) for each in caught.value.errors()]
    assert places == [f"sessionPersistence.{place}"]


SERVICES = "ab"
ADDRESSES = {"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.3"]}
COOKIES: dict[str, Json] = {"today's": {"cookie": {"name": "s"}}, "the released": {"sessionName": "s"}}
HEADERS: dict[str, Json] = {
    "today's": {"type": "Header", "header": {"name": "X-S"}},
    "the released": {"type": "Header", "sessionName": "X-S"},
}


@pytest.fixture(name="served")
def _served(tmp_path: Path) -> Callable[..., Gateway]:
    """Makes a gateway of a rule ``/one``, and the same as ``/two``, whose Services' endpoints say who they are."""

    def gateway(
        written: Json, weights: tuple[int, int] = (1, 1), addresses: dict[str, list[str]] = ADDRESSES
    ) -> Gateway:
        file = tmp_path / "all.yaml"
        file.write_text(yaml.safe_dump_all(_manifests(written, weights, addresses)))
        return Gateway.from_manifests(file, upstreams=_saying_who_it_is)

    return gateway


def _saying_who_it_is(backend: Backend) -> ASGIApp:
    return Inner([(b"x-endpoint", " ".join(each.host for each in backend.endpoints).encode())])


def _manifests(written: Json, weights: tuple[int, int], addresses: dict[str, list[str]]) -> list[Json]:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in zip(SERVICES, weights, strict=True)]
    rules = [
        {"matches": [{"path": {"value": path}}], "sessionPersistence": written, "backendRefs": refs}
        for path in ("/one", "/two")
    ]
    api = "gateway.networking.k8s.io/v1"
    return [
        _object(api, "Gateway", "g", spec={"gatewayClassName": "any", "listeners": [listener]}),
        _object(api, "HTTPRoute", "r", spec={"parentRefs": [{"name": "g"}], "rules": rules}),
        *(_object("v1", "Service", name, spec={"ports": [{"port": 80}]}) for name in SERVICES),
        *(_slice(name, given) for name, given in addresses.items()),
    ]


def _object(api_version: str, kind: str, name: str, **body: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **body}


def _slice(name: str, addresses: list[str]) -> Json:
    metadata = {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}}
    endpoints = [{"addresses": [each]} for each in addresses]
    body = {"addressType": "IPv4", "ports": [{"port": 3000}], "endpoints": endpoints}
    return {**_object("discovery.k8s.io/v1", "EndpointSlice", name, **body), "metadata": metadata}


async def asked(gateway: Gateway, path: str = "/one", **headers: bytes) -> Answer:
    """The answer to a request with these headers."""
    pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return await exchange(gateway, http_scope(path, headers=[(b"host", b"h"), *pairs]))


def endpoint(answer: Answer) -> bytes:
    """Who has answered."""
    (name,) = answer.values(b"x-endpoint")
    return name


def cookie(answer: Answer) -> bytes:
    """The one cookie that an answer sets, without its attributes."""
    (line,) = answer.values(b"set-cookie")
    return line.partition(b";")[0]


@pytest.mark.parametrize("form", COOKIES)
async def test_a_cookie_keeps_a_client_at_the_endpoint_of_its_first_answer(
    form: str, served: Callable[..., Gateway]
) -> None:
    """Of three endpoints of two Services the one that has answered first answers always, and sets no new cookie."""
    gateway = served(COOKIES[form])
    first = await asked(gateway)
    later = [await asked(gateway, cookie=cookie(first)) for _ in range(10)]
    assert {endpoint(each) for each in later} == {endpoint(first)}
    assert [each.values(b"set-cookie") for each in later] == [[]] * 10
    assert first.values(b"set-cookie")[0].endswith(b"; Path=/; HttpOnly; SameSite=Strict")


@pytest.mark.parametrize("form", HEADERS)
async def test_a_header_keeps_a_client_at_the_endpoint_of_its_first_answer(
    form: str, served: Callable[..., Gateway]
) -> None:
    """The token is in the answer's header of that name, and works when the client sends it back."""
    gateway = served(HEADERS[form])
    first = await asked(gateway)
    (token,) = first.values(b"x-s")
    later = [await asked(gateway, x_s=token) for _ in range(10)]
    assert {endpoint(each) for each in later} == {endpoint(first)}
    assert [each.values(b"set-cookie") for each in (first, *later)] == [[]] * 11


@pytest.mark.parametrize("weights", [(0, 1), (0, 0)], ids=["another has all of it", "none has any"])
async def test_a_session_lasts_when_its_backend_has_no_weight_any_more(
    weights: tuple[int, int], served: Callable[..., Gateway]
) -> None:
    """A client with a session stays; one without never comes there."""
    first = await asked(served(COOKIES["today's"], (1, 0)))
    gateway = served(COOKIES["today's"], weights)
    assert endpoint(await asked(gateway, cookie=cookie(first))) == endpoint(first)
    new = await asked(gateway)
    assert new.status == 500 if weights == (0, 0) else endpoint(new) == b"10.0.0.3"


async def test_a_session_whose_endpoint_is_gone_starts_anew(served: Callable[..., Gateway]) -> None:
    """The client goes to an endpoint that is left, and its next cookie names that one."""
    first = await asked(served(COOKIES["today's"], (1, 0), {"a": ["10.0.0.1"], "b": []}))
    gateway = served(COOKIES["today's"], (1, 0), {"a": ["10.0.0.8", "10.0.0.9"], "b": []})
    again = await asked(gateway, cookie=cookie(first))
    assert endpoint(again) in (b"10.0.0.8", b"10.0.0.9")
    assert endpoint(await asked(gateway, cookie=cookie(again))) == endpoint(again)


async def test_a_session_ends_after_its_absolute_timeout(served: Callable[..., Gateway]) -> None:
    """The limit is in the token: a client that keeps its cookie has no session any more."""
    gateway = served({**COOKIES["the released"], "absoluteTimeout": "1ms"})
    first = await asked(gateway)
    await asyncio.sleep(0.005)
    assert cookie(await asked(gateway, cookie=cookie(first))) != cookie(first)


async def test_a_permanent_cookie_tells_the_browser_when_it_ends(served: Callable[..., Gateway]) -> None:
    """Max-Age is the absoluteTimeout in seconds; without lifetimeType Permanent there is none."""
    ends = {**COOKIES["the released"], "absoluteTimeout": "1h"}
    permanent = await asked(served({**ends, "cookieConfig": {"lifetimeType": "Permanent"}}))
    assert b"; Max-Age=3600;" in permanent.values(b"set-cookie")[0]
    assert b"Max-Age" not in (await asked(served(ends))).values(b"set-cookie")[0]


async def test_rules_share_no_session(served: Callable[..., Gateway]) -> None:
    """A cookie of one rule means nothing to another one of the same cookie name."""
    gateway = served(COOKIES["today's"])
    first = await asked(gateway)
    assert cookie(await asked(gateway, "/two", cookie=cookie(first))) != cookie(first)
