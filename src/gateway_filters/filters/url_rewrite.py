"""URLRewrite: another path, another Host (Gateway API, HTTPURLRewriteFilter; Envoy Gateway, HTTPURLRewriteFilter).

The query is never touched.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote_to_bytes

from gateway_filters.errors import BadRequest
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.message.path import replace_prefix, under_prefix
from gateway_filters.message.regex import Replacement
from gateway_filters.message.text import authority, path, settle

# A segment that climbs, written out or escaped, and whatever a later reader may take for its end.
_CLIMBS = re.compile(rb"(?:^|/|\\|%2[fF]|%5[cC])(?:\.|%2[eE]){2}(?:;|/|\\|%2[fF]|%5[cC]|$)")


class PathModifier(Protocol):
    """A change of a raw path."""

    def apply(self, raw: bytes) -> bytes:
        """The path to send instead of ``raw``."""
        ...


class HostnameModifier(Protocol):
    """A Host made out of a request."""

    def apply(self, head: RequestHead) -> bytes:
        """The Host to send."""
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
        rewrite = _remembered if len(raw) <= _LONGEST_KNOWN else _prefix_replaced
        return rewrite(raw, self._prefix, self._replacement)


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


@dataclass(frozen=True, slots=True)
class ReplaceRegexMatch:
    r"""Replaces all occurrences of ``pattern`` (RE2) in the raw path by ``substitution`` (Envoy Gateway).

    ``\1`` to ``\9`` in it are groups. A path without an occurrence stays as it is; an empty result means ``/``.
    Raises ``ConfigurationError`` for a pattern that RE2 refuses, a substitution that no path can hold, and
    without the extra ``re2``; ``apply`` raises ``PathTooLong`` for a path that the pattern cannot take, and
    ``BadRequest`` when what comes out does not begin with ``/`` or has a dot segment: ``^/files(.*)$`` to
    ``/shared/\1`` must not turn ``/files../key`` into ``/shared/../key``.
    """

    pattern: str
    substitution: str
    _replacement: Replacement = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path("/" + self.substitution.removeprefix("/"), "substitution")
        settle(self, _replacement=Replacement(self.pattern, self.substitution, "pattern of a path"))

    def apply(self, raw: bytes) -> bytes:
        """The path to send instead of ``raw``."""
        replaced = self._replacement.apply(raw)
        return raw if replaced is None else _sendable(replaced or b"/")


@dataclass(frozen=True, slots=True, kw_only=True)
class URLRewrite(Filter):
    """Changes Host and path of a request; each may be given alone.

    ``hostname`` becomes the Host: text (a port is allowed), a ``HostFromHeader`` or a ``HostFromPath``, which
    see the path as it was. ``path`` is a ``ReplacePrefixMatch``, a ``ReplaceFullPath`` or a ``ReplaceRegexMatch``.
    Raises ``ConfigurationError`` for a host name that no header can carry; ``on_request`` what the modifiers
    raise.
    """

    hostname: str | HostnameModifier | None = None
    path: PathModifier | None = None
    _authority: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _authority=authority(self.hostname, "hostname") if isinstance(self.hostname, str) else None)

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head with the new Host and path."""
        path = head.path if self.path is None else self.path.apply(head.path)
        return head.with_destination(path, self._host(head))

    def _host(self, head: RequestHead) -> bytes:
        if self._authority is not None:
            return self._authority
        if self.hostname is None or isinstance(self.hostname, str):
            return head.authority
        return self.hostname.apply(head)


def _prefix_replaced(raw: bytes, prefix: bytes, replacement: bytes) -> bytes:
    if not under_prefix(raw, prefix):
        return raw
    if _CLIMBS.search(raw) is not None:
        raise BadRequest("the path has a dot segment and could leave the replacement")
    return replace_prefix(raw, prefix, replacement)


# Few paths are common; what clients send must not fill the memory, so long ones are rewritten each time.
_LONGEST_KNOWN = 256
_remembered = lru_cache(maxsize=1024)(_prefix_replaced)


def _sendable(replaced: bytes) -> bytes:
    if not replaced.startswith(b"/"):
        raise BadRequest("the rewritten path does not begin with '/'")
    if not {b".", b".."}.isdisjoint(map(unquote_to_bytes, replaced.split(b"/"))):
        raise BadRequest("the rewritten path has a dot segment")
    return replaced
