"""Keys that tokens are checked with (RFC 7517), and where they come from. Needs the extra ``gateway-filters[jwt]``.

Facts
- A key says itself what it may be used for: its type and curve fix the algorithms, and its ``alg``, ``use`` and
  ``key_ops`` narrow them. What a token asks for never widens them, so no RSA key is ever taken for a secret.
- Keys that are not understood, weaker than RFC 7518 asks for or absurdly large are passed over (RFC 7517 5).
- Of private keys that somebody has put into a set, only the public part is kept.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from gateway_filters.credentials.json_object import json_object
from gateway_filters.errors import ConfigurationError

if TYPE_CHECKING:
    from joserfc.jwk import Key

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"),
)
"""What may sign a token. ``none`` is not among them."""

_MOST_KEYS = 100
_LARGEST_SET = 1024 * 1024
_RSA_BITS = range(2048, 8193)
_CURVES = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA", "Ed25519")}
# RFC 7518 3.2: a key of the size of the hash, or larger.
_HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_KEPT = frozenset(("kty", "n", "e", "crv", "x", "y", "k"))
_BASE64URL = re.compile("[A-Za-z0-9_-]+")
# Joserfc knows the signatures of EdDSA by the name of their curve.
_MODELS = {"EdDSA": "Ed25519"}


class KeySource(Protocol):
    """Where the keys come from that tokens are checked with."""

    def current(self) -> "KeySet":
        """The keys to use now; raises ``KeysUnavailable`` when there are none. Never waits."""
        ...

    async def prepare(self) -> None:
        """Wait for what ``current`` needs, before each request."""

    async def renew(self) -> None:
        """Look for newer keys, since a token names one that is not known; not each time that it is called."""


class _Model(Protocol):
    """What we use of an algorithm."""

    def verify(self, msg: bytes, sig: bytes, key: Any) -> bool: ...  # noqa: ANN401 - joserfc's signature


@dataclass(frozen=True, slots=True)
class _Usable:
    """A key, and what it may check."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: "Key"


class KeySet:
    """The keys in ``text``, a JSON Web Key Set; a source of itself, equal where the text is.

    Raises ``ConfigurationError``, naming ``what``, for text that is none, or that has no key which can check
    anything; and where the extra ``jwt`` is not installed.
    """

    __slots__ = ("_keys", "_text")

    def __init__(self, text: str, what: str = "the key set") -> None:
        self._text = text
        self._keys = tuple(_usable_keys(text, what))
        if not self._keys:
            raise ConfigurationError(f"{what} has no key that a token could be checked with")

    def current(self) -> "KeySet":
        """The set itself."""
        return self

    async def prepare(self) -> None:
        """Nothing to wait for."""

    async def renew(self) -> None:
        """There are no newer ones."""

    def knows(self, kid: str | None, algorithm: str) -> bool:
        """Whether a token that names this key and algorithm could be checked."""
        return any(self._candidates(kid, algorithm))

    def has_signed(self, signed: bytes, signature: bytes, kid: str | None, algorithm: str) -> bool:
        """Whether one of the keys has made ``signature`` over ``signed``; only keys for ``algorithm`` are tried.

        A key whose name is another one is passed over; one without a name is tried for every token.
        """
        candidates = self._candidates(kid, algorithm)
        return any(_model(algorithm).verify(signed, signature, each.key) for each in candidates)

    def _candidates(self, kid: str | None, algorithm: str) -> "Iterator[_Usable]":
        for each in self._keys:
            if algorithm in each.algorithms and (kid is None or each.kid in (None, kid)):
                yield each

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KeySet is neither pickled nor copied: it may hold secrets")

    def __repr__(self) -> str:
        # A set may hold secrets.
        return f"KeySet({', '.join(each.kid or '?' for each in self._keys)})"


def _usable_keys(text: str, what: str) -> Iterator[_Usable]:
    _require_joserfc(what)
    written = json_object(text.encode("utf-8", "replace")) if len(text) <= _LARGEST_SET else None
    keys: object = (written or {}).get("keys")
    if not isinstance(keys, list):
        raise ConfigurationError(f"{what} is not a JSON Web Key Set of at most {_LARGEST_SET} characters")
    for each in cast("list[object]", keys)[:_MOST_KEYS]:
        if isinstance(each, dict) and (usable := _usable(cast("dict[str, Any]", each))):
            yield usable


def _usable(written: dict[str, Any]) -> _Usable | None:
    from joserfc.errors import JoseError  # noqa: PLC0415 - an extra
    from joserfc.jwk import import_key  # noqa: PLC0415

    kid: object = written.get("kid")
    algorithms = tuple(each for each in _algorithms(written) if written.get("alg", each) == each)
    if not algorithms or not _may_verify(written) or not (kid is None or isinstance(kid, str)):
        return None
    try:
        return _Usable(kid, algorithms, import_key({name: written[name] for name in written.keys() & _KEPT}))
    except (JoseError, ValueError, TypeError):
        return None


def _may_verify(written: dict[str, Any]) -> bool:
    operations: object = written.get("key_ops", ["verify"])
    return written.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _algorithms(written: dict[str, Any]) -> tuple[str, ...]:
    """What a key of this type, curve and size can check."""
    match written.get("kty"):
        case "RSA":
            return ALGORITHMS[:6] if _size(written.get("n")) * 8 in _RSA_BITS else ()
        case "EC" | "OKP":
            curve: object = written.get("crv")
            return _CURVES.get(curve, ()) if isinstance(curve, str) else ()
        case "oct":
            return tuple(name for name, least in _HMAC_BYTES.items() if _size(written.get("k")) >= least)
        case _:
            return ()


def _size(value: object) -> int:
    """How many bytes a value in Base64url has; 0 for what is none."""
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        return 0
    try:
        return len(urlsafe_b64decode(value + "=" * (-len(value) % 4)).lstrip(b"\0"))
    except ValueError:
        return 0


def _model(algorithm: str) -> _Model:
    from joserfc.jws import JWSRegistry  # noqa: PLC0415 - an extra

    return JWSRegistry.algorithms[_MODELS.get(algorithm, algorithm)]


def _require_joserfc(what: str) -> None:
    try:
        import joserfc  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - an extra
    except ImportError as error:
        raise ConfigurationError(f"reading {what} needs the extra gateway-filters[jwt]") from error
