"""Conditions on headers and query parameters (Gateway API, HTTPHeaderMatch and HTTPQueryParamMatch)."""

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from gateway_filters.message.head import RequestHead
from gateway_filters.message.text import field_value, header_name, settle


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """The header ``name`` (any case) has exactly ``value``; several lines of it count as joined by commas."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _value: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(
            self,
            _name=header_name(self.name),
            _value=field_value(self.value, f"value of header {self.name!r}"),
        )

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        found = (head.authority,) if self._name == b"host" else head.values(self._name)
        if not found:
            return f"header {self.name} is absent"
        return None if b",".join(found) == self._value else f"header {self.name} is not {self.value}"


@dataclass(frozen=True, slots=True)
class QueryParamMatch:
    """The first query parameter ``name`` has exactly ``value``; both compare with regard to case."""

    name: str
    value: str
    _name: bytes = field(init=False, repr=False, compare=False)
    _value: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _name=self.name.encode(), _value=self.value.encode())

    def mismatch(self, head: RequestHead) -> str | None:
        """Why the request is not matched; None when it is."""
        for part in head.query.split(b"&"):
            name, _, value = part.partition(b"=")
            if _decoded(name) == self._name:
                return None if _decoded(value) == self._value else f"parameter {self.name} is not {self.value}"
        return f"parameter {self.name} is absent"


def _decoded(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))
