"""The roll: who may come in, by digests of what they show. Nothing else of a credential is kept.

Facts
- Digests are keyed with bytes that only this process has. Who shows a guess cannot know its digest, so how long
  a look-up takes tells nothing about a credential; and a dump of the roll is of no use elsewhere.
- An unknown credential costs what a known one does: one digest, one look-up.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import NoReturn, Protocol

from gateway_filters.errors import ConfigurationError

_PROCESS_KEY = secrets.token_bytes(32)
_LONGEST = 16 * 1024
_SCHEME = "{SHA}"
# A name may go into a header: no control characters, no blanks round it.
_NAME = re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?")


class RollSource(Protocol):
    """Where the roll comes from; asked for each request."""

    def current(self) -> "Roll":
        """The roll as it is now; raises ``KeysUnavailable`` when there is none. Never waits."""
        ...


class Roll:
    """Names by the digests of their credentials; a source of itself.

    Two rolls of one process are equal when they let in the same names with the same credentials. Shows names only.
    """

    __slots__ = ("_names",)

    def __init__(self, names: Mapping[bytes, str]) -> None:
        for name in names.values():
            if not _NAME.fullmatch(name):
                raise ConfigurationError("a client's name is empty, has blanks round it or holds a control character")
        self._names = dict(names)

    @classmethod
    def of_keys(cls, keys: Iterable[tuple[str, bytes]]) -> "Roll":
        """A roll of names and their keys; of several keys of one name the first counts.

        Raises ``ConfigurationError`` for a key that is empty, or that two names have: nobody could tell who it is.
        """
        kept: dict[str, bytes] = {}
        for name, key in keys:
            if not key:
                raise ConfigurationError(f"the key of client {name!r} is empty")
            kept.setdefault(name, _digest(b"key", key))
        return cls(_by_digest(kept))

    @classmethod
    def of_passwords(cls, users: Mapping[str, str]) -> "Roll":
        """A roll of user names and their passwords, for HTTP Basic; raises ``ConfigurationError`` for a bad name."""
        hashed = {name: hashlib.sha1(password.encode()).digest() for name, password in users.items()}  # noqa: S324
        return _of_hashes(hashed)

    @classmethod
    def of_htpasswd(cls, text: str) -> "Roll":
        """A roll of the users in an htpasswd file with ``{SHA}`` hashes, the only ones that Envoy Gateway takes.

        Raises ``ConfigurationError``, naming the line and nothing of it, for anything else and for a user twice.
        """
        hashed: dict[str, bytes] = {}
        for number, line in enumerate(map(str.strip, text.split("\n")), 1):
            if line and not line.startswith("#"):
                name, _, written = line.partition(":")
                if name in hashed:
                    raise ConfigurationError(f"line {number} names a user again")
                hashed[name] = _sha1_of(written, number)
        if not hashed:
            raise ConfigurationError("there is no user")
        return _of_hashes(hashed)

    @classmethod
    def joined(cls, rolls: Iterable["Roll"]) -> "Roll":
        """All of them as one; of a name in several the first counts, a credential of two names as for ``of_keys``."""
        kept: dict[str, bytes] = {}
        for roll in rolls:
            for digest, name in roll._names.items():  # noqa: SLF001 - another roll's
                kept.setdefault(name, digest)
        return cls(_by_digest(kept))

    def current(self) -> "Roll":
        """The roll itself."""
        return self

    def of_key(self, key: bytes) -> str | None:
        """Whose key this is, or None."""
        return self._names.get(_digest(b"key", key)) if 0 < len(key) <= _LONGEST else None

    def of_password(self, user: bytes, password: bytes) -> str | None:
        """The user's name when the password is theirs, or None."""
        if len(password) > _LONGEST:
            return None
        return self._names.get(_password_digest(user, hashlib.sha1(password).digest()))  # noqa: S324 - htpasswd's {SHA}

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Roll) and self._names == other._names

    def __hash__(self) -> int:
        return hash(frozenset(self._names.items()))

    def __repr__(self) -> str:
        return f"Roll({', '.join(sorted(self._names.values()))})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Roll is neither pickled nor copied")


def _digest(kind: bytes, *parts: bytes) -> bytes:
    return hmac.digest(_PROCESS_KEY, b"\0".join((kind, *parts)), "sha256")


def _password_digest(user: bytes, hashed: bytes) -> bytes:
    # The hash is of a fixed length and comes first, so that no other user and hash give the same bytes.
    return _digest(b"password", hashed + user)


def _by_digest(kept: Mapping[str, bytes]) -> dict[bytes, str]:
    names: dict[bytes, str] = {}
    for name, digest in kept.items():
        other = names.setdefault(digest, name)
        if other != name:
            raise ConfigurationError(f"clients {other!r} and {name!r} have the same key")
    return names


def _of_hashes(hashed: Mapping[str, bytes]) -> Roll:
    if any(":" in name for name in hashed):
        raise ConfigurationError("the name of a user holds a colon")
    return Roll({_password_digest(name.encode(), digest): name for name, digest in hashed.items()})


def _sha1_of(written: str, number: int) -> bytes:
    """The SHA-1 that a line of an htpasswd file holds."""
    if not written.startswith(_SCHEME):
        raise ConfigurationError(f"line {number} is not name:{_SCHEME}hash, and no other kind of hash is taken")
    try:
        digest = base64.b64decode(written.removeprefix(_SCHEME), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != hashlib.sha1().digest_size:  # noqa: S324 - htpasswd's {SHA}
        raise ConfigurationError(f"the hash of line {number} is not one of SHA-1 in Base64")
    return digest
