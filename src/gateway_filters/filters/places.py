"""Where in a request a client may show a credential: a header, a query parameter, a cookie.

Each place gives what stands there and takes it off the request; of several values all are taken off. As in Envoy
the first one counts as a key, while a token in a header is all that its lines say together, which of several is none.
"""

from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError
from gateway_filters.message.cookies import first_cookie, without_cookies
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import HOP_BY_HOP
from gateway_filters.message.query import first_parameter, without_parameters
from gateway_filters.message.text import header_name, settle, token, utf8

_NO_PLACE = HOP_BY_HOP | {b"host", b"content-length", b"cookie"}


@dataclass(frozen=True, slots=True)
class InHeader:
    """The header ``name`` (any case), behind ``prefix``; a value without the prefix is none.

    Raises ``ConfigurationError`` for a header that frames or routes a message, and for Cookie.
    """

    name: str
    prefix: str = ""
    _name: bytes = field(init=False, repr=False, compare=False)
    _prefix: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = header_name(self.name)
        if name in _NO_PLACE:
            raise ConfigurationError(f"header {self.name!r} cannot carry a credential of a client")
        settle(self, _name=name, _prefix=utf8(self.prefix, f"prefix in header {self.name!r}"))

    def find(self, head: RequestHead) -> bytes | None:
        """What stands in the first line, without the prefix; None for nothing."""
        return self._behind_prefix(head.first(self._name))

    def find_joined(self, head: RequestHead) -> bytes | None:
        """What stands in all lines, joined by commas (RFC 9110 5.3), without the prefix; None for nothing."""
        return self._behind_prefix(b",".join(head.values(self._name)))

    def clear(self, head: RequestHead) -> RequestHead:
        """The head without the header's lines that have the prefix."""
        kept = tuple(pair for pair in head.headers if pair[0] != self._name or not pair[1].startswith(self._prefix))
        return head if len(kept) == len(head.headers) else head.with_headers(kept)

    def _behind_prefix(self, value: bytes | None) -> bytes | None:
        if value is None or not value.startswith(self._prefix):
            return None
        return value[len(self._prefix) :].strip(b" \t") or None

    def __str__(self) -> str:
        return f"header {self.name}"


@dataclass(frozen=True, slots=True)
class InQuery:
    """The query parameter ``name``, both it and its value decoded."""

    name: str
    _name: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _name=utf8(self.name, "parameter name"))

    def find(self, head: RequestHead) -> bytes | None:
        """What stands there; None for nothing."""
        return first_parameter(head.query, self._name) or None if head.query else None

    find_joined = find

    def clear(self, head: RequestHead) -> RequestHead:
        """The head without the parameter; the rest of the query stays byte for byte."""
        if not head.query:
            return head
        query = without_parameters(head.query, {self._name})
        return head if query == head.query else head.with_query(query)

    def __str__(self) -> str:
        return f"query parameter {self.name}"


@dataclass(frozen=True, slots=True)
class InCookie:
    """The cookie ``name``; quotes round its value do not count."""

    name: str
    _name: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _name=token(self.name, "cookie name"))

    def find(self, head: RequestHead) -> bytes | None:
        """What stands there; None for nothing."""
        return first_cookie(head.headers, self._name) or None

    find_joined = find

    def clear(self, head: RequestHead) -> RequestHead:
        """The head without the cookie; the others stay."""
        headers = without_cookies(head.headers, {self._name})
        return head if headers == head.headers else head.with_headers(headers)

    def __str__(self) -> str:
        return f"cookie {self.name}"


Place = InHeader | InQuery | InCookie
"""Where a client may show a credential."""


def forwarded_name(header: str | None) -> bytes | None:
    """The header that tells who a client is as lower-case bytes; raises ``ConfigurationError`` for one that cannot."""
    if header is None:
        return None
    name = header_name(header)
    if name in _NO_PLACE:
        raise ConfigurationError(f"header {header!r} cannot tell who a client is")
    return name
