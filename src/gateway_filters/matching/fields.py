"""Conditions on headers, query parameters and cookies: a way to find the field, and a way to compare its value.

Rules: Gateway API, HTTPHeaderMatch and HTTPQueryParamMatch; Envoy Gateway, HTTPCookieMatch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from gateway_filters.errors import FieldTooLong
from gateway_filters.message.cookies import first_cookie
from gateway_filters.message.head import RequestHead
from gateway_filters.message.query import first_parameter
from gateway_filters.message.regex import compile_re2
from gateway_filters.message.text import field_value, header_name, settle, token, utf8


@dataclass(frozen=True, slots=True)
class Regex:
    """A value that all of ``pattern`` (RE2) matches; the condition that it stands in compiles it."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where fields of one kind stand: what they are called, how names and values are encoded, how one is found."""

    noun: str
    name: Callable[[str], bytes]
    value: Callable[[str, str], bytes]
    find: Callable[[RequestHead, bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """The field ``name`` has a ``value``: exactly this text, or one that a ``Regex`` matches.

    Raises ``ConfigurationError`` for a name or value that no request can have, for an expression that RE2
    refuses, and for any expression without the extra ``re2``.
    """

    name: str
    value: str | Regex
    _name: bytes = field(init=False, repr=False, compare=False)
    _fits: Callable[[bytes], object] = field(init=False, repr=False, compare=False)

    place: ClassVar[Place]

    def __post_init__(self) -> None:
        what = f"value of {self.place.noun} {self.name!r}"
        exactly = isinstance(self.value, str)
        settle(
            self,
            _name=self.place.name(self.name),
            _fits=self.place.value(self.text, what).__eq__ if exactly else _expression(self.text, what),
        )

    @property
    def exact(self) -> bool:
        """Whether the value is compared as it is."""
        return isinstance(self.value, str)

    @property
    def text(self) -> str:
        """The value, or the expression that it has to match."""
        return self.value if isinstance(self.value, str) else self.value.pattern

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is; raises ``FieldTooLong`` for too long a value."""
        found = self.place.find(head, self._name)
        if found is not None and self._fits(found):
            return None
        subject = f"{self.place.noun} {self.name}"
        if found is None:
            return f"{subject} is absent"
        return f"{subject} {'is not' if self.exact else 'does not match'} {self.text}"


def _expression(pattern: str, what: str) -> Callable[[bytes], object]:
    return compile_re2(pattern, what, too_long=FieldTooLong).fullmatch


def _header(head: RequestHead, name: bytes) -> bytes | None:
    found = (head.authority,) if name == b"host" else head.values(name)
    return b",".join(found) if found else None


def _parameter(head: RequestHead, name: bytes) -> bytes | None:
    return first_parameter(head.query, name)


def _cookie(head: RequestHead, name: bytes) -> bytes | None:
    return first_cookie(head.headers, name)


class HeaderMatch(FieldMatch):
    """The header ``name`` (any case) has the ``value``; several lines of it count as joined by commas."""

    __slots__ = ()
    place = Place("header", header_name, field_value, _header)


class QueryParamMatch(FieldMatch):
    """The first query parameter ``name`` has the ``value`` once decoded; name and value count case."""

    __slots__ = ()
    place = Place("parameter", partial(utf8, what="parameter name"), utf8, _parameter)


class CookieMatch(FieldMatch):
    """The first cookie ``name`` (with regard to case) has the ``value``; quotes round it do not count."""

    __slots__ = ()
    place = Place("cookie", partial(token, what="cookie name"), utf8, _cookie)
