"""JWTAuth: only who holds a token of a known issuer comes in (Envoy Gateway, SecurityPolicy, jwt; RFC 7519, 8725).

Facts
- A token that any of the providers vouches for lets in, with what it says known by the provider's name.
- Several different tokens at one provider's places are none: who is behind the gateway might take another one.
- 401 for a missing or bad token, 403 for a good one that is meant for somebody else, as Envoy answers; 503 while
  there are no keys to check it with.
- Headers for claims never hold what the client has written there, also where there is no token or no such claim.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway_filters.credentials.key_set import KeySet, KeySource
from gateway_filters.credentials.token import Expectations, Flaw, Signed, cut, opened
from gateway_filters.errors import ConfigurationError, KeysUnavailable, PermissionDenied, Unauthenticated
from gateway_filters.filters.authorization import claim_at
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.places import InHeader, InQuery, Place, forwarded_name
from gateway_filters.message.client import Claims, Client
from gateway_filters.message.head import RequestHead
from gateway_filters.message.text import settle

_MISSING = Flaw("there is no token")
_CONTROLS = frozenset((*range(32), 127))


@dataclass(frozen=True, slots=True)
class JWTProvider:
    """Somebody who signs tokens: ``name`` for rules, ``keys`` to check them with, ``expected`` of their claims.

    ``places`` say where a token may stand. ``claim_to_headers`` are claims, nested ones with dots, and the headers
    that get them as text; a list or an object gives none.
    """

    name: str
    keys: KeySource
    expected: Expectations = field(default_factory=Expectations)
    places: tuple[Place, ...] = (InHeader("Authorization", "Bearer "), InQuery("access_token"))
    claim_to_headers: tuple[tuple[str, str], ...] = ()
    _headers: tuple[tuple[str, bytes], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.places:
            raise ConfigurationError(f"a token of {self.name!r} needs a place where it may stand")
        headers = tuple((claim, forwarded_name(header) or b"") for claim, header in self.claim_to_headers)
        settle(self, places=tuple(self.places), _headers=headers)

    @property
    def headers(self) -> frozenset[bytes]:
        """The headers for claims, in lower case."""
        return frozenset(name for _, name in self._headers)

    def token(self, head: RequestHead) -> Signed | Flaw:
        """The token that the request shows, not checked."""
        found = {token for place in self.places if (token := place.find_joined(head)) is not None}
        if not found:
            return _MISSING
        return cut(found.pop()) if len(found) == 1 else Flaw("there are several tokens")

    def claims(self, token: Signed, now: float) -> Claims | Flaw:
        """What a token says that counts at the time ``now``; raises ``KeysUnavailable`` without keys."""
        claims = opened(token, self.keys.current())
        if isinstance(claims, Flaw):
            return claims
        return self.expected.flaw(claims, now) or claims

    def fields(self, claims: Claims) -> tuple[tuple[bytes, bytes], ...] | Flaw:
        """The headers for claims."""
        written = [(name, _text(claim_at(claims, claim))) for claim, name in self._headers]
        fields = tuple((name, value) for name, value in written if value is not None)
        if any(not _CONTROLS.isdisjoint(value) for _, value in fields):
            return Flaw("a claim of the token cannot stand in a header")
        return fields


@dataclass(frozen=True, slots=True)
class JWTAuth(Filter):
    """Lets requests pass with a token that one of ``providers`` vouches for, and refuses all others.

    With ``optional`` requests without any token pass too, with ``fail_open`` those with a bad one as well: what they
    may do is then for an ``Authorization`` to say. The token is taken off the request unless ``sanitize`` is false.
    ``clock`` gives the time in seconds since 1970.
    """

    providers: tuple[JWTProvider, ...]
    optional: bool = field(default=False, kw_only=True)
    fail_open: bool = field(default=False, kw_only=True)
    sanitize: bool = field(default=True, kw_only=True)
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)
    _headers: frozenset[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        providers = tuple(self.providers)
        if len({each.name for each in providers}) != len(providers) or not providers:
            raise ConfigurationError("providers of tokens must be there and differ in name")
        settle(self, providers=providers, _headers=frozenset[bytes]().union(*(each.headers for each in providers)))

    @property
    def waits(self) -> bool:
        """Only for keys that are fetched."""
        return any(not isinstance(each.keys, KeySet) for each in self.providers)

    async def prepare(self, head: RequestHead) -> None:
        """Let keys be fetched that are missing, too old, or named by the token and not known."""
        for provider in self.providers:
            token = provider.token(head)
            if isinstance(token, Signed):
                await provider.keys.prepare()
                if not _knows(provider.keys, token):
                    await provider.keys.renew()

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head of a client whose token counts; raises as the class says for any other."""
        outcomes = list(self._outcomes(head))
        found = next((each for each in outcomes if not isinstance(each, Flaw)), None)
        if found is None and not self._forgives(outcomes):
            raise _refusal(outcomes)
        head = self._cleared(head)
        if found is None:
            return head
        provider, claims, fields = found
        return head.with_headers((*head.headers, *fields)).with_client(_known(head, provider, claims))

    def _outcomes(self, head: RequestHead) -> "Iterator[_Found | Flaw]":
        """What comes of each provider, up to the first that vouches for a token."""
        now = self.clock()
        for provider in self.providers:
            outcome = _outcome(provider, head, now)
            yield outcome
            if not isinstance(outcome, Flaw):
                return

    def _forgives(self, flaws: "list[_Found | Flaw]") -> bool:
        return self.fail_open or (self.optional and all(each is _MISSING for each in flaws))

    def _cleared(self, head: RequestHead) -> RequestHead:
        if not self._headers.isdisjoint(name for name, _ in head.headers):
            head = head.without_header(*self._headers)
        if self.sanitize:
            for place in (place for provider in self.providers for place in provider.places):
                head = place.clear(head)
        return head


_Found = tuple[str, Claims, tuple[tuple[bytes, bytes], ...]]
_NO_KEYS = Flaw("there are no keys to check the token with")


def _outcome(provider: JWTProvider, head: RequestHead, now: float) -> _Found | Flaw:
    token = provider.token(head)
    if isinstance(token, Flaw):
        return token
    try:
        claims = provider.claims(token, now)
    except KeysUnavailable:
        return _NO_KEYS
    if isinstance(claims, Flaw):
        return claims
    fields = provider.fields(claims)
    return fields if isinstance(fields, Flaw) else (provider.name, claims, fields)


def _refusal(outcomes: "list[_Found | Flaw]") -> Unauthenticated | PermissionDenied | KeysUnavailable:
    """The error for flaws alone: that of the provider who came nearest."""
    flaws = [each for each in outcomes if isinstance(each, Flaw)]
    if _NO_KEYS in flaws:
        return KeysUnavailable(_NO_KEYS.reason)
    if all(each is _MISSING for each in flaws):
        return Unauthenticated(_MISSING.reason, "Bearer")
    for each in flaws:
        if each.of_audience:
            return PermissionDenied(each.reason)
    worst = next(each for each in flaws if each is not _MISSING)
    return Unauthenticated(worst.reason, 'Bearer error="invalid_token"')


def _known(head: RequestHead, provider: str, claims: Claims) -> Client:
    client = (head.client or Client()).with_claims(provider, claims)
    subject: object = claims.get("sub")
    return client.named(subject) if client.name is None and isinstance(subject, str) else client


def _knows(keys: KeySource, token: Signed) -> bool:
    try:
        return keys.current().knows(token.kid, token.algorithm)
    except KeysUnavailable:
        return True  # nothing could be fetched just now, and asking again would not help


def _text(claim: Any) -> bytes | None:  # noqa: ANN401 - JSON
    """A claim as a header's value; None for what is not there or has no such form."""
    match claim:
        case str():
            return _encoded(claim)
        case bool():
            return b"true" if claim else b"false"
        case int() | float():
            return repr(claim).encode()
        case _:
            return None


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return b"\0"  # half a character, which is none, becomes a byte that no header may hold
