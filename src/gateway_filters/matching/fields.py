"""Conditions on headers, query parameters and cookies, by value or by regular expression (RE2, all of the value).

Rules: Gateway API, HTTPHeaderMatch and HTTPQueryParamMatch; Envoy Gateway, HTTPCookieMatch. The kinds with a
regular expression raise ``ConfigurationError`` for one that RE2 refuses, and without the extra ``re2``.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from gateway_filters.message.head import RequestHead
from gateway_filters.message.regex import Pattern, compile_re2
from gateway_filters.message.text import field_value, header_name, settle, token, utf8


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """The header ``name`` (any case) has exactly ``value``; several lines of it count as joined by commas."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _value: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self,
            _name=header_name(self.name),
            _value=field_value(self.value, f"value of header {self.name!r}"),
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = _header(head, self._name)
        if found is None:
            return f"header {self.name} is absent"
        return None if found == self._value else f"header {self.name} is not {self.value}"


@dataclass(frozen=True, slots=True)
class HeaderRegexMatch:
    """The header ``name`` (any case) matches ``value``; several lines of it count as joined by commas."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _pattern: Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self,
            _name=header_name(self.name),
            _pattern=compile_re2(self.value, f"value of header {self.name!r}"),
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = _header(head, self._name)
        if found is None:
            return f"header {self.name} is absent"
        return None if self._pattern.fullmatch(found) else f"header {self.name} does not match {self.value}"


@dataclass(frozen=True, slots=True)
class QueryParamMatch:
    """The first query parameter ``name`` has exactly ``value``; both compare with regard to case."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _value: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self, _name=utf8(self.name, "parameter name"), _value=utf8(self.value, f"value of parameter {self.name!r}")
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = _parameter(head, self._name)
        if found is None:
            return f"parameter {self.name} is absent"
        return None if found == self._value else f"parameter {self.name} is not {self.value}"


@dataclass(frozen=True, slots=True)
class QueryParamRegexMatch:
    """The first query parameter ``name`` (with regard to case) matches ``value`` once it is decoded."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _pattern: Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self,
            _name=utf8(self.name, "parameter name"),
            _pattern=compile_re2(self.value, f"value of parameter {self.name!r}"),
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = _parameter(head, self._name)
        if found is None:
            return f"parameter {self.name} is absent"
        return None if self._pattern.fullmatch(found) else f"parameter {self.name} does not match {self.value}"


@dataclass(frozen=True, slots=True)
class CookieMatch:
    """The first cookie ``name`` (with regard to case) has exactly ``value``; quotes round it do not count."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _value: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self, _name=token(self.name, "cookie name"), _value=utf8(self.value, f"value of parameter {self.name!r}")
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = _cookie(head, self._name)
        if found is None:
            return f"cookie {self.name} is absent"
        return None if found == self._value else f"cookie {self.name} is not {self.value}"


@dataclass(frozen=True, slots=True)
class CookieRegexMatch:
    """The first cookie ``name`` (with regard to case) matches ``value``; quotes round it do not count."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _pattern: Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self,
            _name=token(self.name, "cookie name"),
            _pattern=compile_re2(self.value, f"value of cookie {self.name!r}"),
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = _cookie(head, self._name)
        if found is None:
            return f"cookie {self.name} is absent"
        return None if self._pattern.fullmatch(found) else f"cookie {self.name} does not match {self.value}"


def _header(head: RequestHead, name: bytes) -> bytes | None:
    found = (head.authority,) if name == b"host" else head.values(name)
    return b",".join(found) if found else None


def _parameter(head: RequestHead, wanted: bytes) -> bytes | None:
    for part in head.query.split(b"&"):
        name, _, value = part.partition(b"=")
        if _decoded(name) == wanted:
            return _decoded(value)
    return None


def _decoded(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))


def _cookie(head: RequestHead, wanted: bytes) -> bytes | None:
    """The value of the first cookie of that name (RFC 6265 4.2.1); HTTP/2 may send several Cookie lines."""
    for line in head.values(b"cookie"):
        for pair in line.split(b";"):
            name, equals, value = pair.strip(b" \t").partition(b"=")
            if equals and name == wanted:
                return _unquoted(value)
    return None


def _unquoted(value: bytes) -> bytes:
    # RFC 6265 4.1.1: a value may stand in quotes; like Envoy we do not count them to it.
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == ord('"') else value
