"""Conditions on the raw path of a request (Gateway API, HTTPPathMatch)."""

from dataclasses import dataclass, field

from gateway_filters.message.head import RequestHead
from gateway_filters.message.path import under_prefix
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
        """Sorts before other path conditions when smaller: after every exact one, the longer the earlier."""
        return (1, -len(self._raw))

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
        """Sorts before every prefix."""
        return (0, -len(self._raw))

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        return None if head.path == self._raw else f"path is not {self.value}"


PathMatch = PrefixMatch | ExactMatch
"""A condition on the path."""
