"""JSON Web Tokens, signed and in compact form (RFC 7515, 7519), under the rules of RFC 8725.

What a token says is looked at only once its signature has been found right; before, only the header is, and that
only to find the key. Nothing of a token is in a reason.
"""

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, cast

from gateway_filters.credentials.json_object import json_object
from gateway_filters.credentials.key_set import KeySet

Claims = dict[str, Any]

_LONGEST = 16 * 1024
_COMPACT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a token does not count; ``of_audience`` where it is good and meant for somebody else."""

    reason: str
    of_audience: bool = False


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a token must say beside its signature.

    ``issuer`` and one of ``audiences``, where they are given, to the letter (RFC 7519 4.1). Times may be off by
    ``leeway`` seconds, and a token that never ends is none where ``expires`` is true.
    """

    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    leeway: float = 60.0
    expires: bool = True

    def flaw(self, claims: Claims, now: float) -> Flaw | None:
        """The first thing that is wrong with the claims at the time ``now``, or None."""
        ends, begins = claims.get("exp"), claims.get("nbf")
        if not all(each is None or _is_time(each) for each in (ends, begins)) or _null(claims, "exp", "nbf"):
            return Flaw("a time of the token is not a number")
        if ends is None and self.expires:
            return Flaw("the token never ends")
        if ends is not None and now >= ends + self.leeway:
            return Flaw("the token has expired")
        if begins is not None and now < begins - self.leeway:
            return Flaw("the token is not valid yet")
        if self.issuer is not None and claims.get("iss") != self.issuer:
            return Flaw("the token is of another issuer")
        if self.audiences and _audiences(claims).isdisjoint(self.audiences):
            return Flaw("the token is for another audience", of_audience=True)
        return None


@dataclass(frozen=True, slots=True)
class Signed:
    """A token cut into its parts, not checked: the header's key and algorithm, and what they are to check."""

    kid: str | None
    algorithm: str
    signed: bytes
    payload: bytes
    signature: bytes


def cut(token: bytes) -> Signed | Flaw:
    """The parts of a token, or why it is none; ``crit`` names nothing that is understood (RFC 7515 4.1.11)."""
    found = _COMPACT.fullmatch(token) if len(token) <= _LONGEST else None
    parts = [] if found is None else [_decoded(part) for part in found.groups()]
    header = json_object(parts[0]) if parts and parts[0] is not None else None
    if found is None or header is None or None in parts:
        return Flaw("the token is not a signed one in compact form")
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(algorithm, str) or not (kid is None or isinstance(kid, str)) or "crit" in header:
        return Flaw("the header of the token is not understood")
    _, payload, signature = cast("list[bytes]", parts)
    return Signed(kid, algorithm, token[: found.end(2)], payload, signature)


def opened(token: Signed, keys: KeySet) -> Claims | Flaw:
    """What the token says, if one of ``keys`` has signed it."""
    if not keys.has_signed(token.signed, token.signature, token.kid, token.algorithm):
        return Flaw("no key has signed the token")
    claims = json_object(token.payload)
    return Flaw("the token does not hold claims") if claims is None else claims


def _decoded(part: bytes) -> bytes | None:
    """The bytes behind Base64url without padding (RFC 7515 2), or None."""
    try:
        return urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        return None


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def _null(claims: Claims, *names: str) -> bool:
    return any(name in claims and claims[name] is None for name in names)


def _audiences(claims: Claims) -> frozenset[str]:
    found: object = claims.get("aud")
    several = cast("list[object]", found) if isinstance(found, list) else [found]
    return frozenset(each for each in several if isinstance(each, str))
