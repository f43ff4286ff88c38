"""APIKeyAuth: who shows a key of the roll comes in, and the key stays here."""

import copy
import logging
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.credentials.roll import Roll
from gateway_filters.errors import ConfigurationError, KeysUnavailable, Unauthenticated, verdict
from gateway_filters.filters import APIKeyAuth, InCookie, InHeader, InQuery
from gateway_filters.filters.places import Place
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers
from gateway_filters.message.secret import Secret
from tracebacks import told_by

KEY = "sk-alice-0123456789"
CLIENTS = {"alice": KEY, "bob": Secret("sk-bob"), "carol": b"sk-carol"}
PLACES: tuple[Place, ...] = (InHeader("X-Api-Key"), InHeader("Authorization"), InQuery("key"), InCookie("key"))
DOOR = APIKeyAuth(CLIENTS, PLACES, "X-Client-Id")


def _head(headers: Iterable[tuple[str, str | bytes]] = (), query: str = "") -> RequestHead:
    pairs = tuple((name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers)
    return RequestHead(b"POST", b"/v1", authority=b"h", query=query.encode(), headers=pairs)


def _named(head: RequestHead) -> str | None:
    client = head.client
    return None if client is None else client.name


# Each row was sent to Envoy 1.40 with the same keys and places as well.
KNOWN = [
    pytest.param([("x-api-key", KEY)], "", "alice", id="in a header"),
    pytest.param([("x-api-key", "sk-bob")], "", "bob", id="another client"),
    pytest.param([("x-api-key", f"Bearer {KEY}")], "", "alice", id="Bearer before a key is no part of it"),
    pytest.param([("authorization", f"Bearer {KEY}")], "", "alice", id="as a bearer token"),
    pytest.param([("authorization", KEY)], "", "alice", id="alone in Authorization"),
    pytest.param([], f"key={KEY}", "alice", id="in the query"),
    pytest.param([], f"a=1&key={KEY}&b=2", "alice", id="in the query among others"),
    pytest.param([], "key=sk%2Dbob", "bob", id="percent-encoded in the query"),
    pytest.param([], "%6bey=sk-bob", "bob", id="a percent-encoded parameter name"),
    pytest.param([("cookie", f"a=b; key={KEY}; c=d")], "", "alice", id="in a cookie"),
    pytest.param([("cookie", f'key="{KEY}"')], "", "alice", id="in a quoted cookie"),
    pytest.param([("cookie", "a=b"), ("cookie", f"key={KEY}")], "", "alice", id="in the second Cookie line"),
    pytest.param([("x-api-key", KEY), ("x-api-key", KEY)], "", "alice", id="in two lines alike"),
    pytest.param([("x-api-key", KEY), ("x-api-key", "bad")], "", "alice", id="in the first of two lines"),
    pytest.param([("x-api-key", "")], f"key={KEY}", "alice", id="in the query where the header is empty"),
    pytest.param([("x-api-key", KEY)], "key=bad", "alice", id="in the header, whatever the query says"),
    pytest.param([("x-api-key", KEY)], "key=sk-bob", "alice", id="the first place decides between two clients"),
]


@pytest.mark.parametrize(("headers", "query", "name"), KNOWN)
def test_a_client_comes_in_and_its_key_goes(headers: list[tuple[str, str]], query: str, name: str) -> None:
    """The head knows the client by its name, and has the key in no place any more."""
    after = DOOR.on_request(_head(headers, query))
    assert _named(after) == name and after.values(b"x-client-id") == (name.encode(),)
    assert all(place.find(after) is None for place in PLACES)
    assert b"sk-" not in b"".join(value for _, value in after.headers) + after.query


UNKNOWN = [
    pytest.param([], "", id="nothing"),
    pytest.param([("x-api-key", "sk-alice")], "", id="a part of a key"),
    pytest.param([("x-api-key", KEY.upper())], "", id="a key in another case"),
    pytest.param([("x-api-key", "")], "", id="an empty header"),
    pytest.param([("x-api-key", " ")], "", id="a blank header"),
    pytest.param([("x-api-key", "Bearer")], "", id="a scheme and nothing"),
    pytest.param([("x-api-key", "Bearer ")], "", id="a scheme and a blank"),
    pytest.param([("x-api-key", "bad"), ("x-api-key", KEY)], "", id="in the second of two lines"),
    pytest.param([("x-api-key", ""), ("x-api-key", KEY)], "", id="behind an empty line"),
    pytest.param([("x-api-key", "bad")], f"key={KEY}", id="a wrong key is not made up for elsewhere"),
    pytest.param([("authorization", f"bearer {KEY}")], "", id="bearer in lower case, as Envoy has it"),
    pytest.param([("authorization", f"Bearer  {KEY}")], "", id="two blanks behind Bearer"),
    pytest.param([("authorization", f"Basic {KEY}")], "", id="another scheme"),
    pytest.param([], f"Key={KEY}", id="a parameter in another case"),
    pytest.param([], f"key=&key={KEY}", id="behind an empty parameter"),
    pytest.param([], f"key=bad&key={KEY}", id="behind another parameter"),
    pytest.param([("cookie", f"key=bad; key={KEY}")], "", id="behind another cookie"),
    pytest.param([("cookie", f"Key={KEY}")], "", id="a cookie in another case"),
    pytest.param([("x-api-key", "a" * 60_000)], "", id="a very long key"),
    pytest.param([("x-api-key", b"\xff\xfe\x80")], "", id="bytes that are no UTF-8"),
    pytest.param([("x-api-key", f"{KEY},{KEY}")], "", id="two keys in one line"),
    pytest.param([("x-client-id", "alice")], "", id="a name and no key"),
]


@pytest.mark.parametrize(("headers", "query"), UNKNOWN)
def test_nobody_else_comes_in(headers: list[tuple[str, str | bytes]], query: str) -> None:
    """401, with a challenge, and nothing of what was shown in any text of the error."""
    with pytest.raises(Unauthenticated) as caught:
        DOOR.on_request(_head(headers, query))
    assert verdict(caught.value).status == 401 and caught.value.challenge == "Bearer"
    told = told_by(caught.value)
    for _, value in headers:
        shown = value.decode("latin-1") if isinstance(value, bytes) else value
        # What fits into eight characters is in the text of the program itself.
        assert len(shown) < 9 or shown not in told
    assert KEY not in told


def test_without_sanitize_the_key_goes_on() -> None:
    """What Envoy Gateway does by default must be asked for here."""
    head = _head([("x-api-key", KEY)])
    after = APIKeyAuth(CLIENTS, PLACES, sanitize=False).on_request(head)
    assert after.headers == head.headers and _named(after) == "alice"


def test_all_else_stays_byte_for_byte() -> None:
    """Sanitizing takes the key and nothing else."""
    after = DOOR.on_request(
        _head([("cookie", "a=b; key=x;c=d"), ("x-api-key", KEY), ("accept", "*/*")], "a=%7e+&key=1&b")
    )
    assert after.query == b"a=%7e+&b"
    assert after.headers == ((b"cookie", b"a=b; c=d"), (b"accept", b"*/*"), (b"x-client-id", b"alice"))


def test_a_client_cannot_name_itself() -> None:
    """The header that tells the client's name holds only what the gateway knows."""
    after = DOOR.on_request(_head([("x-client-id", "root"), ("x-api-key", KEY), ("x-client-id", "admin")]))
    assert after.values(b"x-client-id") == (b"alice",)


@pytest.mark.parametrize(
    ("places", "challenge"),
    [
        pytest.param((InHeader("authorization"),), "Bearer", id="Authorization has a scheme"),
        pytest.param((InHeader("x-api-key"), InQuery("key")), "ApiKey", id="other places have none of their own"),
    ],
)
def test_the_challenge_names_a_scheme(places: tuple[Place, ...], challenge: str) -> None:
    """RFC 9110 15.5.2: a 401 has a challenge."""
    with pytest.raises(Unauthenticated) as caught:
        APIKeyAuth(CLIENTS, places).on_request(_head())
    assert caught.value.challenge == challenge


class _Later:
    """A source that has nothing at first."""

    def __init__(self) -> None:
        self.roll: Roll | None = None

    def current(self) -> Roll:
        if self.roll is None:
            raise KeysUnavailable("not read yet")
        return self.roll


def test_the_roll_is_asked_for_at_each_request() -> None:
    """A source may have nothing (503), then clients, then others."""
    source = _Later()
    door, head = APIKeyAuth(source), _head([("authorization", "Bearer k")])
    with pytest.raises(KeysUnavailable) as caught:
        door.on_request(head)
    assert verdict(caught.value).status == 503
    source.roll = Roll.of_keys([("one", b"k")])
    assert _named(door.on_request(head)) == "one"
    source.roll = Roll.of_keys([("two", b"k")])
    assert _named(door.on_request(head)) == "two"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: APIKeyAuth({"a": "k\nl"}), "line end", id="a key that no header carries"),
        pytest.param(lambda: APIKeyAuth({"a": ""}), "empty", id="an empty key"),
        pytest.param(lambda: APIKeyAuth({"a": "k", "b": "k"}), "same key", id="one key of two clients"),
        pytest.param(lambda: APIKeyAuth({"a": "k"}, ()), "place", id="no place"),
        pytest.param(lambda: APIKeyAuth({"a": "k"}, (InHeader("Host"),)), "cannot carry", id="a key in Host"),
        pytest.param(lambda: APIKeyAuth({"a": "k"}, (InHeader("Cookie"),)), "cannot carry", id="a key in Cookie"),
        pytest.param(lambda: APIKeyAuth({"a": "k"}, (InHeader("a b"),)), "token", id="a header that is none"),
        pytest.param(lambda: APIKeyAuth({"a": "k"}, (InCookie("a;b"),)), "token", id="a cookie that is none"),
        pytest.param(
            lambda: APIKeyAuth({"a": "k"}, forward_client_id_header="Transfer-Encoding"), "tell", id="a name as framing"
        ),
    ],
)
def test_what_cannot_work_is_refused_at_construction(make: Callable[[], APIKeyAuth], words: str) -> None:
    """Nothing bad waits for a request."""
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_no_text_of_the_filter_has_a_key(caplog: pytest.LogCaptureFixture) -> None:
    """Names only, in repr and in logs; the filter holds digests."""
    logging.getLogger("gateway_filters").warning("%s %r", DOOR, DOOR)
    told = caplog.text + repr(DOOR) + repr(DOOR.clients)
    assert "alice" in told and "sk-" not in told
    assert APIKeyAuth(dict(CLIENTS), PLACES, "X-Client-Id") == DOOR
    assert APIKeyAuth({**CLIENTS, "alice": "other"}, PLACES, "X-Client-Id") != DOOR
    with pytest.raises(TypeError):
        copy.deepcopy(DOOR)


_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@settings(derandomize=True, max_examples=200)
@given(shown=_TEXT, others=st.lists(st.tuples(st.sampled_from(["a", "cookie", "x-b"]), _TEXT), max_size=4))
def test_only_the_key_opens(shown: str, others: list[tuple[str, str]]) -> None:
    """Whatever is shown, only a client's key lets in, and then nothing of it goes on."""
    headers: Headers = tuple((name.encode(), value.encode()) for name, value in [*others, ("x-api-key", shown)])
    door = APIKeyAuth({"alice": KEY}, (InHeader("x-api-key"),))
    assert isinstance(door.clients, Roll) and door.clients.of_key(shown.encode()) is None
    with pytest.raises(Unauthenticated):
        door.on_request(RequestHead(b"GET", b"/", headers=headers))
    right = (*headers[:-1], (b"x-api-key", KEY.encode()))
    assert door.on_request(RequestHead(b"GET", b"/", headers=right)).headers == headers[:-1]
