"""Cookies among request headers (RFC 6265 4.2.1); HTTP/2 may send several Cookie lines. The Path of cookies to set."""

from collections.abc import Set as AbstractSet

from gateway_filters.errors import ConfigurationError
from gateway_filters.message.headers import Headers, values
from gateway_filters.message.text import path


def first_cookie(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first cookie ``name``, or None; quotes round it do not count (RFC 6265 4.1.1)."""
    for line in values(headers, b"cookie"):
        for pair in line.split(b";"):
            key, equals, value = pair.strip(b" \t").partition(b"=")
            if equals and key == name:
                return _unquoted(value)
    return None


def without_cookies(headers: Headers, names: AbstractSet[bytes]) -> Headers:
    """``headers`` without any cookie whose name is in ``names``; a line that holds no other one goes as a whole."""
    kept: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        line = _line_without(value, names) if name == b"cookie" else value
        if line or line == value:
            kept.append((name, line))
    return tuple(kept)


def cookie_path(text: str) -> bytes:
    """The Path of a cookie, as bytes; raises ``ConfigurationError`` for one that browsers take for another."""
    if ";" in text:
        raise ConfigurationError(f"cookie path {text!r} has a ';', which ends it")
    return path(text, "cookie path")


def _line_without(line: bytes, names: AbstractSet[bytes]) -> bytes:
    pairs = [pair.strip(b" \t") for pair in line.split(b";")]
    kept = [pair for pair in pairs if pair.partition(b"=")[0].rstrip(b" \t") not in names]
    return line if len(kept) == len(pairs) else b"; ".join(kept)


def _unquoted(value: bytes) -> bytes:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == ord('"') else value
