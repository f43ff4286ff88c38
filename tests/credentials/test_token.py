"""Tokens: their form, their times, for whom they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("joserfc", reason="the extra gateway-filters[jwt] is not installed")

from credentials.signing import AUDIENCE, ISSUER, NOW, by_hand, claims, encoded, jwks, token
from gateway_filters.credentials import Expectations, KeySet
from gateway_filters.credentials.token import Flaw, Signed, cut, opened

KEYS = KeySet(jwks("rsa"))
GOOD = token()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")

NO_FORM = [
    pytest.param("", id="nothing"),
    pytest.param("..", id="two dots"),
    pytest.param(f"{HEADER}.{PAYLOAD}", id="two parts"),
    pytest.param(f"{GOOD}.", id="a dot behind"),
    pytest.param(f"{GOOD}.AAAA.AAAA", id="five parts, an encrypted one"),
    pytest.param(f"{HEADER}.{PAYLOAD}.", id="no signature"),
    pytest.param(f".{PAYLOAD}.{SIGNATURE}", id="no header"),
    pytest.param(f"{HEADER}..{SIGNATURE}", id="a payload somewhere else"),
    pytest.param(f"{GOOD}=", id="padding"),
    pytest.param(f'"{GOOD}"', id="quotes"),
    pytest.param(f" {GOOD}", id="a blank before"),
    pytest.param(f"{GOOD}\n", id="a line end behind"),
    pytest.param(f"{GOOD},{GOOD}", id="two with a comma"),
    pytest.param(GOOD.replace("_", "/").replace("-", "+") + "+", id="the other Base64"),
    pytest.param(f"A.{PAYLOAD}.{SIGNATURE}", id="one digit"),
    pytest.param("a" * 60_000, id="very long"),
    pytest.param(f"{HEADER}.{'A' * 20_000}.{SIGNATURE}", id="a very long payload"),
    pytest.param(by_hand(b"[]"), id="a header that is a list"),
    pytest.param(by_hand(b"{}"), id="an empty header"),
    pytest.param(by_hand(b"{"), id="a header that is cut off"),
    pytest.param(by_hand(b'{"alg":"none","alg":"RS256"}'), id="an algorithm twice"),
    pytest.param(by_hand(b'{"alg":"RS256","kid":"rsa","kid":"x"}'), id="a key twice"),
    pytest.param(by_hand({"alg": 256}), id="an algorithm that is a number"),
    pytest.param(by_hand({"alg": ["RS256"]}), id="an algorithm that is a list"),
    pytest.param(by_hand({"alg": None}), id="an algorithm that is null"),
    pytest.param(by_hand({"alg": "RS256", "kid": 1}), id="a key that is a number"),
    pytest.param(by_hand({"alg": "RS256", "kid": ["rsa"]}), id="a key that is a list"),
    pytest.param(by_hand({"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}), id="crit"),
    pytest.param(by_hand({"alg": "RS256", "kid": "rsa", "crit": []}), id="crit of nothing"),
    pytest.param(by_hand({"alg": "RS256", "crit": ["b64"], "b64": False}), id="a payload that is not encoded"),
    pytest.param(by_hand(b'{"alg":"RS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}"), id="a deep header"),
    pytest.param(by_hand(b'{"alg":"RS256","x":NaN}'), id="NaN"),
    pytest.param(by_hand(b'{"alg":"RS256","x":"\xff"}'), id="a header that is no UTF-8"),
]


@pytest.mark.parametrize("text", NO_FORM)
def test_what_has_not_the_form_of_a_token_is_none(text: str) -> None:
    """Refused before any key is asked, and the reason has nothing of it."""
    found = cut(text.encode())
    assert isinstance(found, Flaw) and HEADER not in found.reason


PAYLOADS = [
    pytest.param("hello", id="no JSON"),
    pytest.param("[1]", id="a list"),
    pytest.param('"x"', id="a text"),
    pytest.param(token(), id="another token"),
    pytest.param('{"iss":"a","iss":"b"}', id="a claim twice"),
    pytest.param('{"a":{"b":1,"b":2}}', id="a claim twice further in"),
    pytest.param('{"exp":NaN}', id="NaN"),
    pytest.param('{"exp":1e999}x', id="something behind"),
    pytest.param("[" * 5000 + "]" * 5000, id="deep lists"),
    pytest.param('{"a":' * 2000 + "1" + "}" * 2000, id="deep objects"),
    pytest.param('{"n":' + "9" * 9000 + "}", id="an endless number"),
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_key_has_signed_must_be_claims(payload: str) -> None:
    """A right signature does not make claims of it."""
    signed = cut(token(payload).encode())
    assert isinstance(signed, Signed)
    assert opened(signed, KEYS) == Flaw("the token does not hold claims")


def test_a_nested_token_is_none() -> None:
    """``cty: JWT`` says that the payload is a token again, and that one is not opened (RFC 7519 5.2)."""
    signed = cut(token(token(), cty="JWT").encode())
    assert isinstance(signed, Signed) and isinstance(opened(signed, KEYS), Flaw)


def test_a_good_token_says_what_it_says() -> None:
    """Its claims as they are, and unknown parts of its header mean nothing."""
    signed = cut(token(claims(x=[1, {"y": None}]), typ="at+jwt", other=1).encode())
    assert isinstance(signed, Signed)
    assert opened(signed, KEYS) == claims(x=[1, {"y": None}])


EXPECTED = Expectations(issuer=ISSUER, audiences=(AUDIENCE, "other"))
LASTING = Expectations(issuer=ISSUER, audiences=(AUDIENCE,), expires=False)
TIME, ENDLESS = Flaw("a time of the token is not a number"), Flaw("the token never ends")
EXPIRED, EARLY = Flaw("the token has expired"), Flaw("the token is not valid yet")
ISSUED, MEANT = Flaw("the token is of another issuer"), Flaw("the token is for another audience", of_audience=True)

CLAIMS = [
    pytest.param(claims(), None, id="good"),
    pytest.param(claims(exp=NOW + 0.5), None, id="a fraction of a second"),
    pytest.param(claims(exp=NOW - 59), None, id="expired within the leeway"),
    pytest.param(claims(exp=NOW - 60), EXPIRED, id="expired"),
    pytest.param(claims(exp=0), EXPIRED, id="expired in 1970"),
    pytest.param(claims(exp=...), ENDLESS, id="without an end"),
    pytest.param(claims(exp=None), TIME, id="an end that is null"),
    pytest.param(claims(exp=str(NOW + 600)), TIME, id="an end that is a text"),
    pytest.param(claims(exp=True), TIME, id="an end that is true"),
    pytest.param(claims(exp=-1), TIME, id="an end before 1970"),
    pytest.param(claims(exp=10**30), TIME, id="an end beyond all time"),
    pytest.param(claims(exp=float("inf")), TIME, id="an infinite end"),
    pytest.param(claims(exp=[NOW]), TIME, id="an end that is a list"),
    pytest.param(claims(nbf=NOW + 60), None, id="early within the leeway"),
    pytest.param(claims(nbf=NOW + 61), EARLY, id="early"),
    pytest.param(claims(nbf="x"), TIME, id="a beginning that is a text"),
    pytest.param(claims(nbf=None), TIME, id="a beginning that is null"),
    pytest.param(claims(iat=NOW + 9999), None, id="made in the future, which says nothing"),
    pytest.param(claims(iss="https://other.test"), ISSUED, id="another issuer"),
    pytest.param(claims(iss=f"{ISSUER}/"), ISSUED, id="nearly the issuer"),
    pytest.param(claims(iss=...), ISSUED, id="no issuer"),
    pytest.param(claims(iss=[ISSUER]), ISSUED, id="an issuer that is a list"),
    pytest.param(claims(aud="other"), None, id="the other audience"),
    pytest.param(claims(aud=["x", "other"]), None, id="one of several audiences"),
    pytest.param(claims(aud="x"), MEANT, id="another audience"),
    pytest.param(claims(aud=["x"]), MEANT, id="other audiences"),
    pytest.param(claims(aud=[]), MEANT, id="no audience in a list"),
    pytest.param(claims(aud=...), MEANT, id="no audience"),
    pytest.param(claims(aud=1), MEANT, id="an audience that is a number"),
    pytest.param(claims(aud=[["other"]]), MEANT, id="an audience in a list in a list"),
    pytest.param(claims(aud="api.test"), MEANT, id="an audience without its scheme, which Envoy takes"),
    pytest.param(claims(aud=f"{AUDIENCE}/"), MEANT, id="an audience with a slash more, which Envoy takes"),
]


@pytest.mark.parametrize(("said", "flaw"), CLAIMS)
def test_claims_are_held_against_what_is_expected(said: dict[str, object], flaw: Flaw | None) -> None:
    """Times are numbers (RFC 7519 2, NumericDate), names are compared to the letter."""
    assert EXPECTED.flaw(said, NOW) == flaw


def test_what_is_not_expected_is_not_asked_for() -> None:
    """Without an issuer, audiences or an end in the configuration, none is needed; times count where they are."""
    assert LASTING.flaw(claims(exp=...), NOW) is None
    assert LASTING.flaw(claims(exp=NOW - 100), NOW) == EXPIRED
    assert Expectations().flaw({"exp": NOW + 1}, NOW) is None
    assert Expectations(leeway=0).flaw({"exp": NOW}, NOW) == EXPIRED


@settings(derandomize=True, max_examples=300)
@given(st.binary(max_size=200) | st.text("abcAZ019-_.=", max_size=60).map(str.encode))
def test_nothing_breaks_the_reading(text: bytes) -> None:
    """Whatever a client sends is a flaw or has parts; nothing is raised."""
    assert isinstance(cut(text), Flaw | Signed)


@settings(derandomize=True, max_examples=150)
@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABab01-_.=!"))
def test_a_changed_token_does_not_count(at: int, digit: str) -> None:
    """One digit changed anywhere and no key has signed it, or it says the same."""
    changed = cut(f"{GOOD[:at]}{digit}{GOOD[at + 1 :]}".encode())
    said = opened(changed, KEYS) if isinstance(changed, Signed) else changed
    assert isinstance(said, Flaw) or said == claims()


def test_the_helpers_make_what_they_say() -> None:
    """A token made by hand is as good as one of the library's: what tests refuse is not refused for its form."""
    for text in (by_hand({"alg": "RS256", "kid": "rsa"}), f"{encoded({'alg': 'RS256'})}.{PAYLOAD}.AAAA"):
        signed = cut(text.encode())
        assert isinstance(signed, Signed)
        assert isinstance(opened(signed, KEYS), Flaw) == text.endswith("AAAA")
