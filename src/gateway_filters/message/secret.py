"""A secret that cannot print itself, and the contract of the places where secrets come from.

Redaction lives in the value: no way of turning a ``Secret`` into text shows it, so no log line, traceback
or dump needs care. The bytes leave through ``reveal`` alone, which only the injecting filter calls.
"""

import codecs
import hmac
import os
import re
import secrets
from abc import abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from gateway_filters.errors import ConfigurationError, SecretUnavailable

LONGEST_SECRET = 8 * 1024
"""So many bytes a credential may have."""

FINGERPRINT_KEY = "GATEWAY_FILTERS_FINGERPRINT_KEY"
"""The environment variable with the key of fingerprints; without it each process has a key of its own."""

# What may follow an ``Authorization:``: visible ASCII, blanks inside. No control byte, so no CR, LF or NUL.
_SENDABLE = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
_BLANKS = b" \t\r\n"
# With a key that only this installation knows nobody can try guesses on a fingerprint.
_KEY = os.environ.get(FINGERPRINT_KEY, "").encode("utf-8", "surrogateescape") or secrets.token_bytes(32)


class Secret:
    """A credential as it goes into a header.

    Takes ``str`` or ``bytes``. Line ends after it and blanks round it are cut (``echo key | base64`` leaves
    a line end); anything else that a header cannot carry raises ``ConfigurationError``, which names ``what``
    and never the value. ``scheme`` is put in front unless the value already begins with it. ``trimmed`` says
    whether more than one line end was cut.
    """

    __slots__ = ("_value", "trimmed")

    def __init__(self, value: str | bytes, *, scheme: str = "", what: str = "the secret") -> None:
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        stripped = raw.strip(_BLANKS)
        defect = _defect(stripped) or _defect(_with_scheme(stripped, scheme.encode()))
        if defect:
            # A traceback may print the variables of its frames, and a Secret half built has no text.
            del self, value, raw, stripped
            raise ConfigurationError(f"{what} {defect}")
        self._value = _with_scheme(stripped, scheme.encode())
        self.trimmed = raw.removesuffix(b"\n").removesuffix(b"\r") != stripped

    def reveal(self) -> bytes:
        """The value itself, for the one place that writes it into a header."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that tell one secret from another and give nothing of it away."""
        return fingerprint(self._value)

    def __repr__(self) -> str:
        return f"Secret('***', fingerprint={self.fingerprint!r})"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")


@dataclass(frozen=True, slots=True)
class SecretState:
    """How a source stands, to be shown to whoever runs the gateway.

    ``fingerprint`` is that of the secret in use, None when there is none; ``since`` when the source got it, and
    ``confirmed`` when it last said that it holds, in seconds since 1970, where that is known. ``failure`` is why the
    source does not say so now, empty while it does.
    """

    fingerprint: str | None
    since: float | None = None
    confirmed: float | None = None
    failure: str = ""

    def __str__(self) -> str:
        parts = [f"fingerprint {self.fingerprint}" if self.fingerprint else "no credential"]
        if self.fingerprint and self.since is not None:
            parts.append(f"since {rfc3339(self.since)}")
        if self.failure:
            parts.append(self.failure)
        if self.failure and self.confirmed is not None:
            parts.append(f"last confirmed {rfc3339(self.confirmed)}")
        return ", ".join(parts)


class SecretSource(Protocol):
    """Where a credential comes from. Reading never waits; what must wait happens in ``prepare``."""

    @abstractmethod
    def current(self) -> Secret:
        """The secret to use now; raises ``SecretUnavailable``, naming the reference, when there is none."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Wait for what ``current`` needs, before each request; nothing unless the source is remote."""
        return

    def refused(self, secret: Secret) -> None:
        """An upstream has answered 401 to a request with ``secret``. Never waits or raises; nothing by default."""
        del secret

    def state(self) -> SecretState:
        """What is in use and how old it is; never raises."""
        try:
            return SecretState(self.current().fingerprint)
        except SecretUnavailable as error:
            return SecretState(None, failure=str(error))


def rfc3339(moment: float) -> str:
    """A time in seconds since 1970 as RFC 3339 writes it, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fingerprint(value: bytes) -> str:
    """Eight hexadecimal digits of an HMAC-SHA-256 over ``value``, under the key of this installation or process.

    A plain digest would let whoever sees it try guesses on it, and find the same credential elsewhere.
    """
    return hmac.digest(_KEY, b"gateway-filters credential\0" + value, "sha256").hex()[:8]


def _defect(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if len(value) > LONGEST_SECRET:
        return f"is longer than {LONGEST_SECRET} bytes"
    if _SENDABLE.fullmatch(value):
        return None
    return f"{_unsendable(value)}, which a header cannot carry"


def _unsendable(value: bytes) -> str:
    if value.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "begins with a byte order mark"
    if b"\r" in value or b"\n" in value:
        return "holds a line end"
    return "holds a control byte" if value.isascii() else "holds a character beyond ASCII"


def _with_scheme(value: bytes, scheme: bytes) -> bytes:
    if not scheme or value.lower().startswith(scheme.lower() + b" "):
        return value
    return scheme + b" " + value
