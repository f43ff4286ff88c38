"""URLRewrite: another path, another Host (Gateway API, HTTPURLRewriteFilter). The query is never touched."""

from dataclasses import dataclass, field
from typing import Protocol

from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.message.path import replace_prefix, under_prefix
from gateway_filters.message.text import authority, path, settle


class PathModifier(Protocol):
    """A change of a raw path."""

    def apply(self, raw: bytes) -> bytes:
        """The path to send instead of ``raw``."""
        ...


@dataclass(frozen=True, slots=True)
class ReplacePrefixMatch:
    """Replaces the matched prefix by ``replacement``, the rest of the raw path kept byte for byte.

    ``prefix`` and ``replacement`` begin with ``/``; an empty replacement means ``/``. Raises
    ``ConfigurationError`` for anything else. A path that is not under the prefix stays as it is.
    """

    prefix: str
    replacement: str
    _prefix: bytes = field(init=False, repr=False, compare=False)
    _replacement: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self,
            _prefix=path(self.prefix, "prefix"),
            _replacement=path(self.replacement or "/", "replacement"),
        )

    def apply(self, raw: bytes) -> bytes:
        """The path to send instead of ``raw``."""
        return replace_prefix(raw, self._prefix, self._replacement) if under_prefix(raw, self._prefix) else raw


@dataclass(frozen=True, slots=True)
class ReplaceFullPath:
    """Replaces the whole path by ``value``, literally; an empty value means ``/``."""

    value: str
    _value: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _value=path(self.value or "/", "path"))

    def apply(self, raw: bytes) -> bytes:
        """The path to send, whatever ``raw`` is."""
        del raw
        return self._value


@dataclass(frozen=True, slots=True, kw_only=True)
class URLRewrite(Filter):
    """Changes Host and path of a request; each may be given alone.

    ``hostname`` is text (a port is allowed) and becomes the Host, ``path`` a ``ReplacePrefixMatch`` or a
    ``ReplaceFullPath``. Raises ``ConfigurationError`` for a host name that no header can carry.
    """

    hostname: str | None = None
    path: PathModifier | None = None
    _authority: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _authority=None if self.hostname is None else authority(self.hostname, "hostname"))

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head with the new Host and path."""
        if self._authority is not None:
            head = head.with_authority(self._authority)
        if self.path is not None:
            head = head.with_path(self.path.apply(head.path))
        return head
