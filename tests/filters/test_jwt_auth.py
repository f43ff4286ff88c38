"""JWTAuth: who holds a token of a known issuer comes in; everything that others have tried does not."""

from dataclasses import replace
from typing import Any

import pytest

from tracebacks import told_by

pytest.importorskip("joserfc", reason="the extra gateway-filters[jwt] is not installed")

from credentials.signing import AUDIENCE, ISSUER, NOW, by_hand, claims, jwks, token
from gateway_filters.credentials import Expectations, KeySet
from gateway_filters.errors import ConfigurationError, KeysUnavailable, PermissionDenied, Unauthenticated, verdict
from gateway_filters.filters import InCookie, InHeader, InQuery, JWTAuth, JWTProvider
from gateway_filters.message.head import RequestHead

EXPECTED = Expectations(issuer=ISSUER, audiences=(AUDIENCE,))
PROVIDER = JWTProvider(
    "p", KeySet(jwks("rsa", "ec")), EXPECTED, claim_to_headers=(("sub", "X-Sub"), ("org.unit", "X-Unit"))
)


def _door(*providers: JWTProvider, **more: Any) -> JWTAuth:
    return JWTAuth(providers or (PROVIDER,), clock=lambda: NOW, **more)


def _head(*headers: tuple[str, str], query: str = "") -> RequestHead:
    pairs = tuple((name.encode(), value.encode()) for name, value in headers)
    return RequestHead(b"GET", b"/", query=query.encode(), headers=pairs)


def _bearer(text: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {text}")


def test_a_good_token_lets_in() -> None:
    """Its claims are known by the provider's name, its subject is the client's name, and it goes no further."""
    after = _door().on_request(_head(("a", "b"), _bearer(token())))
    assert after.headers == ((b"a", b"b"), (b"x-sub", b"alice"))
    assert after.client is not None and after.client.name == "alice" and after.client.claims == {"p": claims()}


PLACES = [
    pytest.param(_head(_bearer(token())), id="Authorization"),
    pytest.param(_head(("authorization", f"Bearer   {token()} ")), id="blanks round it"),
    pytest.param(_head(query=f"a=1&access_token={token()}"), id="access_token"),
    pytest.param(_head(_bearer(token()), query=f"access_token={token()}"), id="the same one in both"),
]


@pytest.mark.parametrize("head", PLACES)
def test_a_token_stands_where_rfc_6750_puts_it(head: RequestHead) -> None:
    """By default, as in Envoy Gateway; sanitized from both."""
    after = _door().on_request(head)
    assert after.first(b"authorization") is None and b"access_token" not in after.query


def test_places_of_ones_own_take_the_place_of_these() -> None:
    """A header with or without a prefix, a parameter, a cookie."""
    places = (InHeader("X-Jwt"), InHeader("X-Tok", "Tok "), InQuery("t"), InCookie("c"))
    door = _door(replace(PROVIDER, places=places))
    good = token()
    for head in (
        _head(("x-jwt", good)),
        _head(("x-tok", f"Tok {good}")),
        _head(query=f"t={good}"),
        _head(("cookie", f"a=b; c={good}")),
    ):
        assert door.on_request(head).first(b"x-sub") == b"alice"
    for head in (_head(_bearer(good)), _head(("x-tok", good)), _head(("x-tok", f"tok {good}")), _head(("t", good))):
        with pytest.raises(Unauthenticated, match="there is no token"):
            door.on_request(head)


MISSING = [
    pytest.param(_head(), id="nothing"),
    pytest.param(_head(("authorization", "")), id="an empty header"),
    pytest.param(_head(("authorization", "Bearer")), id="a scheme alone"),
    pytest.param(_head(("authorization", "Bearer ")), id="a scheme and a blank"),
    pytest.param(_head(("authorization", f"bearer {token()}")), id="bearer in lower case, as in Envoy"),
    pytest.param(_head(("authorization", token())), id="no scheme"),
    pytest.param(_head(("authorization", "Basic eDp5")), id="another scheme"),
    pytest.param(_head(query=f"Access_Token={token()}"), id="a parameter in another case"),
]
BAD = [
    pytest.param(_head(_bearer("x")), id="no token"),
    pytest.param(_head(_bearer(token()), _bearer("x.y.z")), id="two lines, the first good"),
    pytest.param(_head(_bearer("x.y.z"), _bearer(token())), id="two lines, the second good"),
    pytest.param(_head(_bearer(token()), _bearer(token())), id="two lines alike"),
    pytest.param(_head(_bearer(token()), ("authorization", "Basic eDp5")), id="a token and a password"),
    pytest.param(_head(_bearer(token()), query="access_token=x.y.z"), id="a bad one in the query as well"),
    pytest.param(_head(_bearer("x.y.z"), query=f"access_token={token()}"), id="a good one in the query as well"),
    pytest.param(_head(_bearer(token()), query=f"access_token={token(claims(sub='bob'))}"), id="two good ones"),
    pytest.param(_head(_bearer(f"{token()} x")), id="something behind"),
    pytest.param(_head(_bearer(token(kid="stranger"))), id="another key"),
    pytest.param(_head(_bearer(by_hand({"alg": "none"}))), id="no signature"),
    pytest.param(_head(_bearer(by_hand({"alg": "RS256", "kid": "x"}))), id="an unknown key"),
    pytest.param(_head(_bearer(token(claims(exp=NOW - 61)))), id="expired"),
    pytest.param(_head(_bearer(token(claims(nbf=NOW + 61)))), id="not valid yet"),
    pytest.param(_head(_bearer(token(claims(iss="x")))), id="another issuer"),
    pytest.param(_head(_bearer(token(claims(sub="a\nb")))), id="a claim that no header can carry"),
    pytest.param(_head(_bearer(token(claims(sub="a\ud800")))), id="a claim with half a character"),
    pytest.param(_head(_bearer("a" * 60_000)), id="very long"),
]


@pytest.mark.parametrize("head", MISSING)
def test_without_a_token_nobody_comes_in(head: RequestHead) -> None:
    """401, and the challenge names no error (RFC 6750 3.1)."""
    with pytest.raises(Unauthenticated) as caught:
        _door().on_request(head)
    assert caught.value.challenge == "Bearer" and verdict(caught.value).status == 401


@pytest.mark.parametrize("head", BAD)
def test_with_a_bad_token_nobody_comes_in(head: RequestHead) -> None:
    """401 with ``invalid_token``; neither the error nor a frame that raised it holds anything of the token."""
    with pytest.raises(Unauthenticated) as caught:
        _door().on_request(head)
    assert caught.value.challenge == 'Bearer error="invalid_token"'
    told = told_by(caught.value)
    assert token()[-20:] not in told and "eyJ" not in told


def test_a_token_for_somebody_else_is_403() -> None:
    """As Envoy answers; the token is good, so asking again with it would not help."""
    with pytest.raises(PermissionDenied):
        _door().on_request(_head(_bearer(token(claims(aud="x")))))


TEXTS = [
    pytest.param("alice", b"alice", id="a text"),
    pytest.param("é ü", "é ü".encode(), id="a text in UTF-8"),
    pytest.param("", b"", id="an empty text"),
    pytest.param(3, b"3", id="a number"),
    pytest.param(1.5, b"1.5", id="a fraction"),
    pytest.param(True, b"true", id="true"),
    pytest.param(False, b"false", id="false"),
    pytest.param(None, None, id="null"),
    pytest.param([1, 2], None, id="a list"),
    pytest.param({"a": 1}, None, id="an object"),
    pytest.param(..., None, id="none at all"),
]


@pytest.mark.parametrize(("claim", "value"), TEXTS)
def test_claims_become_headers(claim: object, value: bytes | None) -> None:
    """As text; and what the client has written there itself is gone in any case."""
    unit: dict[str, object] = {} if claim is ... else {"unit": claim}
    head = _head(_bearer(token(claims(org=unit))), ("x-unit", "root"), ("x-sub", "root"), ("x-unit", "admin"))
    after = _door().on_request(head)
    assert after.values(b"x-unit") == (() if value is None else (value,)) and after.values(b"x-sub") == (b"alice",)


def test_without_sanitize_the_token_goes_on() -> None:
    """As in Envoy Gateway."""
    head = _head(_bearer(token()))
    assert _door(sanitize=False).on_request(head).first(b"authorization") == head.first(b"authorization")


def test_optional_lets_in_who_has_none_and_nobody_with_a_bad_one() -> None:
    """Envoy Gateway, jwt.optional."""
    door = _door(optional=True)
    after = door.on_request(_head(("x-sub", "root"), ("authorization", "Basic eDp5")))
    assert after.headers == ((b"authorization", b"Basic eDp5"),) and after.client is None
    for text in ("x.y.z", token(claims(exp=1)), token(kid="stranger")):
        with pytest.raises(Unauthenticated):
            door.on_request(_head(_bearer(text)))
    with pytest.raises(PermissionDenied):
        door.on_request(_head(_bearer(token(claims(aud="x")))))
    assert door.on_request(_head(_bearer(token()))).first(b"x-sub") == b"alice"


def test_fail_open_lets_in_anybody_and_vouches_for_nobody() -> None:
    """Envoy Gateway, jwt.failOpen: what is known is only what a good token says."""
    door = _door(fail_open=True, sanitize=False)
    for text in ("x.y.z", token(claims(exp=1)), token(kid="stranger"), token(claims(aud="x"))):
        after = door.on_request(_head(_bearer(text), ("x-sub", "root")))
        assert after.headers == _head(_bearer(text)).headers and after.client is None
    assert door.on_request(_head(_bearer(token()))).first(b"x-sub") == b"alice"


def test_any_provider_may_vouch() -> None:
    """The one that does is the one whose claims are known."""
    other = JWTProvider("q", KeySet(jwks("ec")), Expectations(issuer="https://q.test"), (InHeader("X-Q"),))
    door = _door(PROVIDER, other)
    by_q = token(claims(iss="https://q.test"), kid="ec", alg="ES256")
    after = door.on_request(_head(("x-q", by_q)))
    assert after.client is not None and list(after.client.claims) == ["q"]
    both = door.on_request(_head(("x-q", by_q), _bearer(token())))
    assert both.client is not None and list(both.client.claims) == ["p"] and both.headers == ((b"x-sub", b"alice"),)
    with pytest.raises(Unauthenticated, match="no key has signed"):
        door.on_request(_head(("x-q", token())))


class _Source:
    """Keys that must be fetched; notes what it is asked for."""

    def __init__(self, *later: KeySet) -> None:
        self.keys: KeySet | None = None
        self.later = list(later)
        self.asked: list[str] = []

    def current(self) -> KeySet:
        if self.keys is None:
            raise KeysUnavailable("nothing yet")
        return self.keys

    async def prepare(self) -> None:
        self.asked.append("prepare")
        if self.keys is None and self.later:
            self.keys = self.later.pop(0)

    async def renew(self) -> None:
        self.asked.append("renew")
        if self.later:
            self.keys = self.later.pop(0)


async def test_keys_are_prepared_for_requests_with_a_token_only() -> None:
    """Who shows nothing makes nobody fetch anything."""
    source = _Source(KeySet(jwks("rsa")))
    door = _door(replace(PROVIDER, keys=source))
    assert door.waits and not _door().waits
    for head in (_head(), _head(_bearer("x.y.z")), _head(("authorization", "Basic eDp5"))):
        await door.prepare(head)
    assert source.asked == []
    await door.prepare(_head(_bearer(token())))
    assert source.asked == ["prepare"] and door.on_request(_head(_bearer(token()))).first(b"x-sub") == b"alice"


async def test_an_unknown_key_is_looked_for_before_the_token_is_refused() -> None:
    """So that the first token after a rotation counts."""
    source = _Source(KeySet(jwks("ec")), KeySet(jwks("ec", "rsa")))
    door = _door(replace(PROVIDER, keys=source))
    head = _head(_bearer(token()))
    await door.prepare(head)
    assert source.asked == ["prepare", "renew"] and door.on_request(head).first(b"x-sub") == b"alice"


async def test_without_keys_nobody_comes_in() -> None:
    """503: it is not the client's fault; and a client without a token is told that it needs one."""
    door = _door(replace(PROVIDER, keys=_Source()))
    head = _head(_bearer(token()))
    await door.prepare(head)
    with pytest.raises(KeysUnavailable) as caught:
        door.on_request(head)
    assert verdict(caught.value).status == 503
    with pytest.raises(Unauthenticated):
        door.on_request(_head())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: JWTAuth(()), "there", id="no provider"),
        pytest.param(lambda: JWTAuth((PROVIDER, PROVIDER)), "differ", id="two of one name"),
        pytest.param(lambda: replace(PROVIDER, places=()), "place", id="no place"),
        pytest.param(lambda: replace(PROVIDER, claim_to_headers=(("sub", "Host"),)), "tell", id="a claim as Host"),
        pytest.param(lambda: replace(PROVIDER, claim_to_headers=(("sub", "a b"),)), "token", id="no header"),
    ],
)
def test_what_cannot_work_is_refused_at_construction(make: Any, words: str) -> None:
    """Nothing bad waits for a request."""
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_doors_are_values() -> None:
    """Equal providers make equal filters, whose text shows no key."""
    one, other = JWTAuth((PROVIDER,)), JWTAuth((replace(PROVIDER),))
    assert one == other and hash(one) == hash(other) and one != JWTAuth((PROVIDER,), optional=True)
    assert "KeySet(rsa, ec)" in repr(one)
