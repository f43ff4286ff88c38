"""Which header values are shown, and which only as a fingerprint: a credential's, whoever it came from."""

from collections.abc import Iterable

from gateway_filters.filters import CredentialInjection, Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers
from gateway_filters.message.secret import fingerprint
from gateway_filters.routing import Listener

CREDENTIALS = frozenset(
    (b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key", b"x-goog-api-key")
)
"""Headers that clients send credentials in."""


class Redaction:
    """Shows header values; those of ``CREDENTIALS`` and of ``names`` (lower case) as fingerprints."""

    def __init__(self, names: Iterable[bytes] = ()) -> None:
        self._hidden = CREDENTIALS | frozenset(names)

    @classmethod
    def of(cls, listeners: Iterable[Listener]) -> "Redaction":
        """One that also hides every header that a filter of the listeners' routes puts a credential into."""
        return cls(
            each.header.lower().encode() for each in _filters(listeners) if isinstance(each, CredentialInjection)
        )

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

    def joined(self, head: RequestHead, name: bytes) -> str | None:
        """All values of a header as they are shown, or None."""
        return ", ".join(self.shown(name, value) for value in head.values(name)) or None


def _filters(listeners: Iterable[Listener]) -> Iterable[Filter]:
    for listener in listeners:
        for route in listener.routes:
            yield from route.filters
            for backend in route.backends:
                yield from backend.filters
