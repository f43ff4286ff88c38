"""Conditions on the raw path of a request (Gateway API, HTTPPathMatch)."""

from dataclasses import dataclass, field

from gateway_filters.message.head import RequestHead
from gateway_filters.message.path import under_prefix
from gateway_filters.message.regex import Pattern, compile_re2
from gateway_filters.message.text import path, settle


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """The path is ``value`` or below it, by whole segments; case counts, one trailing ``/`` of it does not."""

    value: str = "/"
    _raw: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _raw=path(self.value, "path prefix"))

    @property
    def precedence(self) -> tuple[int, int]:
        """Sorts before other path conditions when smaller: after exact ones and patterns, the longer the earlier."""
        return (2, -len(self._raw))

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        return None if under_prefix(head.path, self._raw) else f"path is not under {self.value}"


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """The path is ``value``, byte for byte."""

    value: str
    _raw: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _raw=path(self.value, "path"))

    @property
    def precedence(self) -> tuple[int, int]:
        """Sorts before every pattern and every prefix."""
        return (0, -len(self._raw))

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        return None if head.path == self._raw else f"path is not {self.value}"


@dataclass(frozen=True, slots=True)
class RegexMatch:
    """The whole raw path matches the regular expression ``value`` (RE2).

    Raises ``ConfigurationError`` for one that RE2 refuses, and without the extra ``re2``.
    """

    value: str
    _pattern: Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _pattern=compile_re2(self.value, "path"))

    @property
    def pattern(self) -> Pattern:
        """The expression, compiled."""
        return self._pattern

    @property
    def precedence(self) -> tuple[int, int]:
        """Sorts between exact ones and prefixes, the longer the earlier (Envoy Gateway; open in Gateway API)."""
        return (1, -len(self.value))

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        return None if self._pattern.fullmatch(head.path) else f"path does not match {self.value}"


PathMatch = PrefixMatch | ExactMatch | RegexMatch
"""A condition on the path."""
