"""RequestHeaderModifier and ResponseHeaderModifier (Gateway API, HTTPHeaderFilter).

``set`` replaces all values of a name, ``add`` appends a value as a line of its own, ``remove`` drops all.
Names compare without regard to case and one name stands in one action only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead, ResponseHead
from gateway_filters.message.headers import HOP_BY_HOP, Headers, without
from gateway_filters.message.text import field_value, header_name, settle

Fields = Mapping[str, str] | Sequence[tuple[str, str]]
"""Header fields as a mapping or as pairs of text."""

# The message's frame and destination: changing them is URLRewrite's or the transport's business.
_NOT_OURS = HOP_BY_HOP | {b"host", b"content-length"}


class HeaderChange:
    """What set, add and remove make of header pairs, with all encoding done beforehand."""

    __slots__ = ("_appended", "_dropped")

    def __init__(self, set_: Fields, add: Fields, remove: Iterable[str]) -> None:
        replaced, added = _pairs(set_), _pairs(add)
        if isinstance(remove, str):
            raise ConfigurationError(f"remove takes names, not one text: ({remove!r},)")
        removed = tuple(_modifiable(name) for name in remove)
        _refuse_repeated([name for name, _ in replaced], {name for name, _ in added}, removed)
        self._dropped = frozenset((*(name for name, _ in replaced), *removed))
        self._appended = (*replaced, *added)

    @property
    def written(self) -> frozenset[bytes]:
        """The names that are set or added, in lower case."""
        return frozenset(name for name, _ in self._appended)

    def apply(self, headers: Headers) -> Headers:
        """The changed pairs: kept ones first, in their order, then those set, then those added."""
        kept = without(headers, self._dropped) if self._dropped else headers
        return (*kept, *self._appended)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeaderModifier(Filter):
    set: Fields = ()
    add: Fields = ()
    remove: tuple[str, ...] = ()
    _change: HeaderChange = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        change = HeaderChange(self.set, self.add, self.remove)
        settle(self, set=_texts(self.set), add=_texts(self.add), remove=tuple(self.remove), _change=change)

    @property
    def written(self) -> frozenset[bytes]:
        """The names that are set or added, in lower case."""
        return self._change.written


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaderModifier(_HeaderModifier):
    """Sets, adds and removes request headers.

    ``set`` and ``add`` are mappings or pairs of text, ``remove`` names. Raises ``ConfigurationError`` for a
    name or value that no header can have, a name in two actions, and Host, Content-Length or a hop-by-hop
    header (the Host is ``URLRewrite``'s).
    """

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head with the changed headers."""
        return head.with_headers(self._change.apply(head.headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHeaderModifier(_HeaderModifier):
    """Sets, adds and removes response headers; arguments and errors as for ``RequestHeaderModifier``."""

    def on_response(self, head: ResponseHead, request: RequestHead) -> ResponseHead:
        """The head with the changed headers."""
        del request
        return head.with_headers(self._change.apply(head.headers))


def _texts(fields: Fields) -> tuple[tuple[str, str], ...]:
    return tuple(fields) if isinstance(fields, Sequence) else tuple(fields.items())


def _pairs(fields: Fields) -> Headers:
    return tuple((_modifiable(name), field_value(value, f"value of header {name!r}")) for name, value in _texts(fields))


def _modifiable(text: str) -> bytes:
    name = header_name(text)
    if name in _NOT_OURS:
        raise ConfigurationError(f"header {text!r} cannot be modified by a header filter")
    return name


def _refuse_repeated(replaced: list[bytes], added: set[bytes], removed: tuple[bytes, ...]) -> None:
    names = [*replaced, *added, *set(removed)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"header {name.decode()!r} stands twice among what is set, added and removed")
