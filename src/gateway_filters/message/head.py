"""Heads: what a filter sees of a request and of a response. Values; a change gives another one.

Plain classes with slots instead of frozen dataclasses, which cost five times as much to build; nothing in
the package assigns to one after ``__init__``. The authority is a field of its own and no header, so a
host rewrite touches no list and a Host can neither be doubled nor removed by a header filter.
"""

from collections.abc import Container

from gateway_filters.message.client import Client
from gateway_filters.message.headers import Headers, first, replaced, values, without

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""Methods that may be sent twice (RFC 9110 9.2.2), as text."""


class RequestHead:
    """The head of a request.

    All in bytes: ``method``, ``scheme`` (``http``, ``https``), ``authority`` (the Host, port included),
    ``path`` (raw, below the mount point, without query), ``query`` (raw, without ``?``) and ``headers``
    (pairs, names in lower case, without Host). ``cut_from`` is what still says exactly the same, if
    anything does: a changed head has none. ``injected`` are the credentials that were put on, which no answer
    may carry. Comparing heads passes both over.
    """

    __slots__ = ("authority", "cut_from", "headers", "injected", "method", "path", "query", "scheme")

    def __init__(
        self,
        method: bytes,
        path: bytes,
        authority: bytes = b"",
        query: bytes = b"",
        headers: Headers = (),
        scheme: bytes = b"http",
        cut_from: object = None,
        injected: tuple[bytes, ...] = (),
    ) -> None:
        self.method = method
        self.path = path
        self.authority = authority
        self.query = query
        self.headers = headers
        self.scheme = scheme
        self.cut_from = cut_from
        self.injected = injected

    @property
    def client(self) -> Client | None:
        """Who sends the request; None while nobody has asked."""
        return None

    @property
    def target(self) -> bytes:
        """The request target in origin form: path, and the query where there is one."""
        return self.path + b"?" + self.query if self.query else self.path

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """All values of the header ``name`` (lower case), in order."""
        return values(self.headers, name)

    def first(self, name: bytes) -> bytes | None:
        """The first value of the header ``name`` (lower case), or None."""
        return first(self.headers, name)

    def with_method(self, method: bytes) -> "RequestHead":
        """The same head for another method."""
        changed = self._but(self.path, self.authority, self.headers)
        changed.method = method
        return changed

    def with_path(self, path: bytes) -> "RequestHead":
        """The same head for another raw path."""
        return self._but(path, self.authority, self.headers)

    def with_authority(self, authority: bytes) -> "RequestHead":
        """The same head for another Host."""
        return self._but(self.path, authority, self.headers)

    def with_destination(self, path: bytes, authority: bytes) -> "RequestHead":
        """The same head for another raw path and another Host."""
        return self._but(path, authority, self.headers)

    def with_headers(self, headers: Headers) -> "RequestHead":
        """The same head with other header pairs."""
        return self._but(self.path, self.authority, headers)

    def with_header(self, name: bytes, value: bytes) -> "RequestHead":
        """The same head with exactly one ``name`` (lower case)."""
        return self.with_headers(replaced(self.headers, name, value))

    def with_credential(self, name: bytes, value: bytes, instead_of: Container[bytes]) -> "RequestHead":
        """The same head with the credential ``value`` in ``name``, instead of all the headers named."""
        headers = (*[pair for pair in self.headers if pair[0] not in instead_of], (name, value))
        changed = self._but(self.path, self.authority, headers)
        changed.injected = (*self.injected, value)
        return changed

    def without_header(self, *names: bytes) -> "RequestHead":
        """The same head without any header of these names (lower case)."""
        return self.with_headers(without(self.headers, names))

    def with_query(self, query: bytes) -> "RequestHead":
        """The same head with another raw query."""
        changed = self._but(self.path, self.authority, self.headers)
        changed.query = query
        return changed

    def with_client(self, client: Client) -> "RequestHead":
        """The same head, of which it is known who sends it."""
        return _HeadOfClient(self, client)

    def _but(self, path: bytes, authority: bytes, headers: Headers) -> "RequestHead":
        return RequestHead(self.method, path, authority, self.query, headers, self.scheme, None, self.injected)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestHead) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        # Header values and the query may hold credentials: names only.
        names = b" ".join(name for name, _ in self.headers).decode("latin-1")
        return f"RequestHead({self.method!r}, {self.path!r}, authority={self.authority!r}, names={names!r})"

    def _parts(self) -> tuple[object, ...]:
        return (self.method, self.path, self.authority, self.query, self.headers, self.scheme, self.client)


class _HeadOfClient(RequestHead):
    """A head of which it is known who sends it. A class of its own: most routes never ask, and should not pay."""

    __slots__ = ("_client",)

    def __init__(self, head: RequestHead, client: Client) -> None:
        super().__init__(
            head.method,
            head.path,
            authority=head.authority,
            query=head.query,
            headers=head.headers,
            scheme=head.scheme,
            cut_from=head.cut_from,
            injected=head.injected,
        )
        self._client = client

    @property
    def client(self) -> Client | None:
        """Who sends the request."""
        return self._client

    def _but(self, path: bytes, authority: bytes, headers: Headers) -> RequestHead:
        return _HeadOfClient(super()._but(path, authority, headers), self._client)


class ResponseHead:
    """The head of a response: ``status`` and ``headers`` (pairs, names in lower case)."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: Headers = ()) -> None:
        self.status = status
        self.headers = headers

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """All values of the header ``name`` (lower case), in order."""
        return values(self.headers, name)

    def with_headers(self, headers: Headers) -> "ResponseHead":
        """The same head with other header pairs."""
        return ResponseHead(self.status, headers)

    def with_header(self, name: bytes, value: bytes) -> "ResponseHead":
        """The same head with exactly one ``name`` (lower case)."""
        return ResponseHead(self.status, replaced(self.headers, name, value))

    def without_header(self, *names: bytes) -> "ResponseHead":
        """The same head without any header of these names (lower case)."""
        return ResponseHead(self.status, without(self.headers, names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResponseHead) and (self.status, self.headers) == (
            other.status,
            other.headers,
        )

    def __hash__(self) -> int:
        return hash((self.status, self.headers))

    def __repr__(self) -> str:
        names = b" ".join(name for name, _ in self.headers).decode("latin-1")
        return f"ResponseHead({self.status}, names={names!r})"


class Reply:
    """An answer that a filter gives itself instead of letting the request pass: a head and a whole body."""

    __slots__ = ("body", "head")

    def __init__(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        self.head = ResponseHead(status, headers)
        self.body = body

    def with_more(self, headers: Headers) -> "Reply":
        """The same answer, with ``headers`` behind its own."""
        return Reply(self.head.status, (*self.head.headers, *headers), self.body)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and (self.head, self.body) == (other.head, other.body)

    def __hash__(self) -> int:
        return hash((self.head, self.body))

    def __repr__(self) -> str:
        return f"Reply({self.head.status}, {len(self.body)} bytes)"
