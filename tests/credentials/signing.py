"""Keys and tokens for tests: signed by joserfc where a token is well made, by hand where it is not."""

import base64
import hmac
import json
from functools import cache
from typing import Any

from joserfc import jwk, jws

NOW = 1_800_000_000
"""The time of the tests, in seconds since 1970."""

ISSUER = "https://issuer.test"
AUDIENCE = "https://api.test"


@cache
def keys() -> dict[str, Any]:
    """One private key of each kind, by its ``kid``."""
    return {
        "rsa": jwk.RSAKey.generate_key(2048),
        "ec": jwk.ECKey.generate_key("P-256"),
        "ec384": jwk.ECKey.generate_key("P-384"),
        "ed": jwk.OKPKey.generate_key("Ed25519"),
        "secret": jwk.OctKey.generate_key(512),
        "stranger": jwk.RSAKey.generate_key(2048),
    }


def public(*kids: str, **more: object) -> dict[str, Any]:
    """A set of the public parts of these keys (of ``secret``, the secret)."""
    return {"keys": [{**keys()[kid].as_dict(private=kid == "secret"), "kid": kid, **more} for kid in kids]}


def jwks(*kids: str, **more: object) -> str:
    """The same as text."""
    return json.dumps(public(*kids, **more))


def claims(**changed: object) -> dict[str, object]:
    """Good claims, some changed; those that are ``...`` are left out."""
    good: dict[str, object] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 600}
    return {name: value for name, value in {**good, **changed}.items() if value is not ...}


def token(said: object = None, *, kid: str = "rsa", alg: str = "RS256", **header: object) -> str:
    """A token signed with the key ``kid``; ``said`` are its claims or its whole payload as text."""
    fields = {"alg": alg, "kid": kid, **header}
    payload = said if isinstance(said, str) else json.dumps(claims() if said is None else said)
    named: dict[str, Any] = {name: value for name, value in fields.items() if value is not ...}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(named, payload, keys()[kid], registry=registry)


def by_hand(header: object, payload: object = None, *, secret: bytes | None = None, kid: str = "rsa") -> str:
    """A token with any header (bytes as they are), signed by RS256, or by HS256 with ``secret``."""
    signed = f"{encoded(header)}.{encoded(claims() if payload is None else payload)}"
    if secret is not None:
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"
    model = jws.JWSRegistry.algorithms["RS256"]
    return f"{signed}.{encoded(model.sign(signed.encode(), keys()[kid]))}"


def encoded(value: object) -> str:
    """Base64url without padding, of bytes or of a value as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
