"""Text at the public edge, bytes inside: one encoding, done at construction.

Configuration comes as ``str`` and HTTP speaks bytes. What goes into a request line or a header must be
printable ASCII, so anything else is refused where it is configured and never meets a request.
"""

import re
from ipaddress import IPv6Address
from typing import Any

from gateway_filters.errors import ConfigurationError

# RFC 9110 section 5.6.2: the characters of a header name, a method or any other token.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# A field value without its surrounding blanks: visible ASCII, with blanks and tabs inside.
_FIELD_VALUE = re.compile(rb"[!-~](?:[\t -~]*[!-~])?")
# What may stand in the path of a request line: visible ASCII without the marks of query and fragment.
_PATH_CHARACTERS = re.compile(rb"[!-\"$->@-~]*")
# A name has 255 characters at most (RFC 3986 3.2.2); what stands in brackets is an address of IPv6 and nothing else.
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~-]{1,255}|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")


def token(value: str, what: str) -> bytes:
    """``value`` as the bytes of an RFC 9110 token; ``what`` names it in the ``ConfigurationError``."""
    return _matching(_TOKEN, value, what, "an HTTP token")


def header_name(value: str) -> bytes:
    """A header's name as lower-case bytes, the form that ASGI and our header pairs have."""
    return token(value, "header name").lower()


def field_value(value: str, what: str) -> bytes:
    """A header's value as bytes: printable ASCII without blanks round it; the empty value is allowed."""
    raw = utf8(value, what)
    if raw and not _FIELD_VALUE.fullmatch(raw):
        # The value stays out of the sentence: it may be a credential.
        raise ConfigurationError(f"{what} is not printable ASCII without blanks round it")
    return raw


def utf8(value: str, what: str) -> bytes:
    """``value`` as UTF-8; a surrogate, which no text has, raises ``ConfigurationError`` without showing it."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{what} holds a surrogate, which is no character") from None


def path(value: str, what: str) -> bytes:
    """A path as raw bytes: printable ASCII, begins with ``/``, without ``?`` and ``#``."""
    if not value.startswith("/"):
        raise ConfigurationError(f"{what} {value!r} must begin with '/'")
    return _matching(_PATH_CHARACTERS, value, what, "a path of printable ASCII without '?' and '#'")


def authority(value: str, what: str) -> bytes:
    """A host name or address, with or without a port, as the bytes of a Host header."""
    raw = value.encode("utf-8", "surrogatepass")
    found = _AUTHORITY.fullmatch(raw)
    if found is None or not _is_ipv6(found["ipv6"]):
        raise ConfigurationError(f"{what} {value!r} is not a host name, optionally with a port")
    return raw


def settle(value: object, **fields: Any) -> None:  # noqa: ANN401 - the fields are the dataclass's own
    """Fill derived fields of a frozen dataclass while it is being built (``__post_init__`` only)."""
    for name, content in fields.items():
        object.__setattr__(value, name, content)


def _is_ipv6(literal: bytes | None) -> bool:
    """Whether what stood in brackets, if anything, is an address."""
    try:
        return literal is None or bool(IPv6Address(literal.decode("ascii")).packed)
    except ValueError:
        return False


def _matching(pattern: re.Pattern[bytes], value: str, what: str, expected: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    if not pattern.fullmatch(raw):
        raise ConfigurationError(f"{what} {value!r} is not {expected}")
    return raw
