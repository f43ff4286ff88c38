"""Key sets: which keys count, for what, and that a set shows none of them."""

import copy
import json
import pickle
from typing import Any

import pytest

pytest.importorskip("joserfc", reason="the extra gateway-filters[jwt] is not installed")

from credentials.signing import by_hand, encoded, jwks, keys, public, token
from gateway_filters.credentials import KeySet
from gateway_filters.credentials.token import Flaw, Signed, cut, opened
from gateway_filters.errors import ConfigurationError

# RFC 7515, appendix A.1 and A.3; RFC 8037, appendix A.4 and A.2.
HS256_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
EXAMPLES: list[Any] = [
    pytest.param(
        {"kty": "oct", "k": HS256_KEY},
        f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        id="HS256",
    ),
    pytest.param(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        f"eyJhbGciOiJFUzI1NiJ9.{JOE}."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        id="ES256",
    ),
    pytest.param(
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        id="EdDSA",
    ),
]


def _signed(text: str) -> Signed:
    found = cut(text.encode())
    assert isinstance(found, Signed), found
    return found


def _accepts(keys: KeySet, text: str) -> bool:
    signed = _signed(text)
    return keys.has_signed(signed.signed, signed.signature, signed.kid, signed.algorithm)


@pytest.mark.parametrize(("key", "text"), EXAMPLES)
def test_examples_of_the_standards(key: dict[str, str], text: str) -> None:
    """Signatures that others have made are right, and wrong with one bit changed in any part."""
    found = KeySet(json.dumps({"keys": [key]}))
    assert _accepts(found, text)
    header, payload, signature = text.split(".")
    assert not _accepts(found, f"{header}.{payload[:-2]}AA.{signature}")
    assert not _accepts(found, f"{header}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")


SIGNED = [
    ("rsa", "RS256"),
    ("rsa", "RS512"),
    ("rsa", "PS256"),
    ("ec", "ES256"),
    ("ec384", "ES384"),
    ("ed", "Ed25519"),
    ("secret", "HS256"),
    ("secret", "HS512"),
]


@pytest.mark.parametrize(("kid", "alg"), SIGNED)
def test_each_algorithm_is_checked_with_its_key_alone(kid: str, alg: str) -> None:
    """Another key of any kind, or the same one under another name, says nothing."""
    text = token(kid=kid, alg=alg)
    assert _accepts(KeySet(jwks("rsa", "ec", "ec384", "ed", "secret")), text)
    others = [each for each in keys() if each not in (kid, "stranger")]
    assert not _accepts(KeySet(jwks(*others, "stranger")), text)
    assert not _accepts(KeySet(jwks(kid).replace(f'"kid": "{kid}"', '"kid": "other"')), text)


def test_the_name_of_a_key_narrows_and_never_widens() -> None:
    """A token without a name is tried with all keys of its algorithm, a key without a name for all tokens."""
    named, nameless = KeySet(jwks("stranger", "rsa")), KeySet(json.dumps({"keys": [_without_kid("rsa")]}))
    assert _accepts(named, token(kid="rsa")) and _accepts(nameless, token(kid="rsa"))
    assert _accepts(named, by_hand({"alg": "RS256"}))
    assert not _accepts(named, by_hand({"alg": "RS256", "kid": "stranger"}))
    assert not _accepts(named, by_hand({"alg": "RS256", "kid": "unknown"}))
    assert named.knows("rsa", "RS256") and not named.knows("unknown", "RS256") and not named.knows("rsa", "ES256")
    assert nameless.knows("unknown", "RS256")


def _without_kid(kid: str) -> dict[str, Any]:
    return {name: value for name, value in public(kid)["keys"][0].items() if name != "kid"}


CONFUSIONS = [
    pytest.param(by_hand({"alg": "none"}), id="none"),
    pytest.param(by_hand({"alg": "None", "kid": "rsa"}), id="None"),
    pytest.param(by_hand({"alg": "NONE", "kid": "rsa"}), id="NONE"),
    pytest.param(f"{encoded({'alg': 'none'})}.{encoded({'sub': 'x'})}.AA", id="none with something for a signature"),
    pytest.param(by_hand({"alg": "HS256"}, secret=keys()["rsa"].as_pem(private=False)), id="the PEM as secret"),
    pytest.param(
        by_hand({"alg": "HS256", "kid": "rsa"}, secret=keys()["rsa"].as_pem(private=False).strip()),
        id="the PEM without its line end",
    ),
    pytest.param(by_hand({"alg": "HS256", "kid": "rsa"}, secret=keys()["rsa"].as_der(private=False)), id="the DER"),
    pytest.param(by_hand({"alg": "HS256", "kid": "rsa"}, secret=jwks("rsa").encode()), id="the set itself as secret"),
    pytest.param(by_hand({"alg": "HS256", "kid": "rsa"}, secret=b"x"), id="a secret of their own"),
    pytest.param(by_hand({"alg": "RS256", "kid": "rsa"}, kid="stranger"), id="a key of their own"),
    pytest.param(
        by_hand({"alg": "RS256", "jwk": public("stranger")["keys"][0]}, kid="stranger"), id="a key that they bring"
    ),
    pytest.param(by_hand({"alg": "RS256", "jku": "https://evil.test/"}, kid="stranger"), id="a set that they name"),
    pytest.param(by_hand({"alg": "ES256", "kid": "ec"}), id="a signature of RSA as one of ECDSA"),
    pytest.param(by_hand({"alg": "RS999", "kid": "rsa"}), id="an algorithm that nobody knows"),
    pytest.param(by_hand({"alg": "RSA-OAEP", "kid": "rsa"}), id="an algorithm for encryption"),
    pytest.param(f"{encoded({'alg': 'ES256'})}.{encoded({'sub': 'x'})}.{encoded(bytes(64))}", id="zeros"),
]


@pytest.mark.parametrize("text", CONFUSIONS)
def test_algorithms_are_not_confused(text: str) -> None:
    """What a token asks for never widens what a key is for (RFC 8725 3.1, 3.2)."""
    assert opened(_signed(text), KeySet(jwks("rsa", "ec", "ed"))) == Flaw("no key has signed the token")


PASSED_OVER: list[Any] = [
    pytest.param({**public("rsa")["keys"][0], "use": "enc"}, id="for encryption"),
    pytest.param({**public("rsa")["keys"][0], "key_ops": ["sign"]}, id="not for checking"),
    pytest.param({**public("rsa")["keys"][0], "key_ops": "verify"}, id="operations that are no list"),
    pytest.param({**public("rsa")["keys"][0], "alg": "RSA-OAEP"}, id="for another algorithm"),
    pytest.param({**public("rsa")["keys"][0], "alg": "ES256"}, id="for an algorithm of another kind"),
    pytest.param({**public("rsa")["keys"][0], "kid": 1}, id="a name that is no text"),
    pytest.param({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, id="a short RSA key"),
    pytest.param({"kty": "RSA", "n": encoded(b"\1" * 4000), "e": "AQAB"}, id="an absurdly long RSA key"),
    pytest.param({"kty": "RSA", "n": "====", "e": "AQAB"}, id="a modulus that is no Base64url"),
    pytest.param({"kty": "RSA", "e": "AQAB"}, id="no modulus"),
    pytest.param({"kty": "oct", "k": encoded(b"short")}, id="a short secret"),
    pytest.param({"kty": "oct"}, id="no secret"),
    pytest.param({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, id="a curve that is not taken"),
    pytest.param({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, id="no point of its curve"),
    pytest.param({"kty": "OKP", "crv": "X25519", "x": encoded(bytes(32))}, id="a curve for encryption"),
    pytest.param({"kty": "EC", "crv": ["P-256"]}, id="a curve that is no text"),
    pytest.param({"kty": "new"}, id="a kind that nobody knows"),
    pytest.param({}, id="nothing"),
    pytest.param("key", id="a text"),
    pytest.param(None, id="null"),
]


@pytest.mark.parametrize("key", PASSED_OVER)
def test_a_key_that_cannot_be_used_is_passed_over(key: object) -> None:
    """RFC 7517 5: the others count; a set of such keys alone is none."""
    both = KeySet(json.dumps({"keys": [key, public("ec")["keys"][0]]}))
    assert repr(both) == "KeySet(ec)"
    with pytest.raises(ConfigurationError, match="has no key"):
        KeySet(json.dumps({"keys": [key]}))


def test_a_secret_checks_what_it_is_long_enough_for() -> None:
    """RFC 7518 3.2."""
    found = KeySet(json.dumps({"keys": [{"kty": "oct", "k": encoded(bytes(range(1, 33)))}]}))
    assert found.knows(None, "HS256") and not found.knows(None, "HS384")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"keys": {}}',
        '{"keys": [], "keys": []}',
        "x" * 2_000_000,
        '{"keys": [' * 9000,
        "\ud800",
    ],
    ids=["empty", "null", "a list", "no keys", "an object", "twice", "too long", "too deep", "no character"],
)
def test_what_is_no_set_is_refused(text: str) -> None:
    """With a sentence that names the set and shows nothing of it."""
    with pytest.raises(ConfigurationError, match=r"^the keys of x (is not a JSON|has no key)"):
        KeySet(text, "the keys of x")


def test_a_set_shows_names_only() -> None:
    """Also of secrets and of private keys that somebody has put there."""
    private = {"keys": [{**keys()["rsa"].as_dict(private=True), "kid": "rsa"}, {**public("secret")["keys"][0]}]}
    found = KeySet(json.dumps(private))
    assert repr(found) == str(found) == "KeySet(rsa, secret)"
    assert _accepts(found, token(kid="rsa"))


def test_a_set_is_neither_pickled_nor_copied() -> None:
    """It may hold secrets."""
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(KeySet(jwks("secret")))


def test_sets_are_values() -> None:
    """Equal texts make equal sets, each its own source."""
    one, other = KeySet(jwks("rsa")), KeySet(jwks("rsa"))
    assert one == other and hash(one) == hash(other) and one != KeySet(jwks("ec")) and one.current() is one
