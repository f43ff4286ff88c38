"""What all tables of limits keep to, whatever they limit."""

from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol

from gateway_filters.errors import ConfigurationError


class Table(Protocol):
    """A dataclass of numbers."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def check_above_zero(limits: Table, what: str) -> None:
    """Raises ``ConfigurationError`` for the first of ``limits`` that is not above 0; None is no limit."""
    for each in fields(limits):
        value: float | None = getattr(limits, each.name)
        if value is not None and not value > 0:
            raise ConfigurationError(f"the {what} limit {each.name} of {value} must be above 0")
