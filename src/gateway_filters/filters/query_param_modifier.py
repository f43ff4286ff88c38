"""QueryParamModifier: parameters that a provider wants on every request, or that it must not get.

Gateway API has no such filter, so manifests cannot name it. Names compare once decoded, as in ``QueryParamMatch``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.message.query import without_parameters
from gateway_filters.message.text import settle, utf8

Parameters = Mapping[str, str] | tuple[tuple[str, str], ...]
"""Parameters as a mapping or as pairs of text, not encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParamModifier(Filter):
    """Sets and removes query parameters; all others stay byte for byte.

    ``set``, a mapping or pairs of text, replaces all values of a name by one, behind the other parameters; ``remove``
    are names to drop. Raises ``ConfigurationError`` for an empty name and for one that stands twice. Not for
    credentials: a URL is logged by whoever sees it.
    """

    set: Parameters = ()
    remove: tuple[str, ...] = ()
    _dropped: frozenset[bytes] = field(init=False, repr=False, compare=False)
    _appended: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.remove, str):
            raise ConfigurationError(f"remove takes names, not one text: ({self.remove!r},)")
        pairs = tuple(self.set.items() if isinstance(self.set, Mapping) else self.set)
        names = [_name(each) for each in (*(name for name, _ in pairs), *self.remove)]
        if len(names) != len(frozenset(names)):
            raise ConfigurationError("a query parameter stands twice among those that are set and removed")
        settle(self, set=pairs, remove=tuple(self.remove), _dropped=frozenset(names))
        settle(self, _appended=b"&".join(_encoded(name) + b"=" + _encoded(value) for name, value in pairs))

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head with the changed query."""
        kept = without_parameters(head.query, self._dropped)
        return head.with_query(b"&".join(part for part in (kept, self._appended) if part))


def _name(text: str) -> bytes:
    if not text:
        raise ConfigurationError("a query parameter has no name")
    return utf8(text, "name of a query parameter")


def _encoded(text: str) -> bytes:
    return quote(utf8(text, "value of a query parameter"), safe="").encode()
