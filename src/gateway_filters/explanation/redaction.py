"""Which header values are shown, and which only as a fingerprint: a credential's, whoever it came from."""

from collections.abc import Iterable, Iterator

from gateway_filters.explanation.values import Change
from gateway_filters.filters import CredentialInjection, Filter, InHeader, InQuery
from gateway_filters.filters.places import Place
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers
from gateway_filters.message.query import first_parameter
from gateway_filters.message.secret import fingerprint
from gateway_filters.routing import Listener

CREDENTIALS = frozenset(
    (b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key", b"x-goog-api-key")
)
"""Headers that clients send credentials in."""


class Redaction:
    """Shows header values; those of ``CREDENTIALS`` and of ``names`` (lower case) as fingerprints."""

    def __init__(self, names: Iterable[bytes] = (), parameters: Iterable[bytes] = ()) -> None:
        self._hidden = CREDENTIALS | frozenset(names)
        self._parameters = frozenset(parameters)

    @classmethod
    def of(cls, listeners: Iterable[Listener]) -> "Redaction":
        """One that also hides where filters of the listeners' routes put credentials, or clients may show them."""
        listeners = tuple(listeners)
        injected = {
            each.header.lower().encode() for each in _filters(listeners) if isinstance(each, CredentialInjection)
        }
        places = set(_places(listeners))
        shown = {each.name.lower().encode() for each in places if isinstance(each, InHeader)}
        return cls(injected | shown, {each.name.encode() for each in places if isinstance(each, InQuery)})

    def hides(self, name: bytes) -> bool:
        """Whether the values of the header ``name`` (lower case) are hidden."""
        return name in self._hidden

    def shown(self, name: bytes, value: bytes) -> str:
        """The value of a header, or its fingerprint."""
        if self.hides(name):
            return f"fingerprint {fingerprint(value)}"
        return value.decode("utf-8", "replace")

    def pairs(self, headers: Headers) -> tuple[tuple[str, str], ...]:
        """Header pairs as they are shown."""
        return tuple((name.decode("latin-1"), self.shown(name, value)) for name, value in headers)

    def query(self, query: bytes) -> str:
        """The query, with fingerprints for the values of parameters that hold credentials."""
        return "&".join(self._parameter(part).decode("utf-8", "replace") for part in query.split(b"&"))

    def url(self, url: str) -> str:
        """A URL or target, with its query as it is shown."""
        place, mark, query = url.partition("?")
        return f"{place}{mark}{self.query(query.encode('utf-8', 'surrogateescape'))}"

    def changes(self, before: RequestHead, after: RequestHead) -> Iterator[Change]:
        """What is another in ``after``, as it is shown."""
        for what in ("path", "authority"):
            old, new = (getattr(head, what).decode("latin-1") for head in (before, after))
            if old != new:
                yield Change(what, old, new)
        if before.query != after.query:
            yield Change("query", self.query(before.query) or None, self.query(after.query) or None)
        for name in dict.fromkeys(name for name, _ in (*before.headers, *after.headers)):
            if before.values(name) != after.values(name):
                yield Change(f"header {name.decode('latin-1')}", self.joined(before, name), self.joined(after, name))

    def _parameter(self, part: bytes) -> bytes:
        name, equals, value = part.partition(b"=")
        hidden = any(first_parameter(part, each) is not None for each in self._parameters)
        return name + equals + f"fingerprint-{fingerprint(value)}".encode() if hidden and value else part

    def joined(self, head: RequestHead, name: bytes) -> str | None:
        """All values of a header as they are shown, or None."""
        return ", ".join(self.shown(name, value) for value in head.values(name)) or None


def _places(listeners: Iterable[Listener]) -> Iterator[Place]:
    for policy in {route.security for listener in listeners for route in listener.routes if route.security}:
        yield from policy.api_key_auth.places if policy.api_key_auth else ()
        for provider in policy.jwt.providers if policy.jwt else ():
            yield from provider.places


def _filters(listeners: Iterable[Listener]) -> Iterable[Filter]:
    for listener in listeners:
        for route in listener.routes:
            yield from route.filters
            for backend in route.backends:
                yield from backend.filters
