"""A secret that cannot print itself, and the contract of the places where secrets come from.

Redaction lives in the value: no way of turning a ``Secret`` into text shows it, so no log line, traceback
or dump needs care. The bytes leave through ``reveal`` alone, which only the injecting filter calls.
"""

import hashlib
import hmac
import re
from abc import abstractmethod
from typing import NoReturn, Protocol

from gateway_filters.errors import ConfigurationError

# What may follow an ``Authorization:``: visible ASCII, blanks inside. No control byte, so no CR, LF or NUL.
_SENDABLE = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
_LONGEST = 16 * 1024


class Secret:
    """A credential as it goes into a header.

    Takes ``str`` or ``bytes``. Line ends after it and blanks round it are cut (``echo key | base64`` leaves
    a line end); anything else that a header cannot carry raises ``ConfigurationError``, which names ``what``
    and never the value. ``scheme`` is put in front unless the value already begins with it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes, *, scheme: str = "", what: str = "the secret") -> None:
        stripped = (value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value).strip(b" \t\r\n")
        defect = _defect(stripped) or _defect(_with_scheme(stripped, scheme.encode()))
        if defect:
            # A traceback may print the variables of its frames, and a Secret half built has no text.
            del self, value, stripped
            raise ConfigurationError(f"{what} {defect}")
        self._value = _with_scheme(stripped, scheme.encode())

    def reveal(self) -> bytes:
        """The value itself, for the one place that writes it into a header."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that tell one secret from another and give nothing of it away."""
        return fingerprint(self._value)

    def __repr__(self) -> str:
        return f"Secret(fingerprint={self.fingerprint!r})"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")


class SecretSource(Protocol):
    """Where a credential comes from. Reading never waits; what must wait happens in ``prepare``."""

    @abstractmethod
    def current(self) -> Secret:
        """The secret to use now; raises ``SecretUnavailable``, naming the reference, when there is none."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Wait for what ``current`` needs, before each request; nothing unless the source is remote."""
        return


def fingerprint(value: bytes) -> str:
    """Twelve hexadecimal digits of a SHA-256 over ``value``, marked so that it matches no other digest."""
    return hashlib.sha256(b"gateway-filters credential\0" + value).hexdigest()[:12]


def _defect(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if len(value) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    if not _SENDABLE.fullmatch(value):
        return "holds a line end or another byte that a header cannot carry"
    return None


def _with_scheme(value: bytes, scheme: bytes) -> bytes:
    if not scheme or value.lower().startswith(scheme.lower() + b" "):
        return value
    return scheme + b" " + value
