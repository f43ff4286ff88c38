"""What every part of a Kubernetes object has in common: strict, frozen, spelled as in YAML.

Facts the models rest on:

* Unknown fields are refused, as kubectl's strict validation refuses them.
* Nothing is coerced: "80" is no port and true is no string.
* A null counts as absent, for the API server drops nulls before it applies defaults.
* Lists become tuples and defaults are those of the API server.
* A rule across fields is refused at the place that breaks it, in the YAML's own names.
* What validates a kind is built when the first object of it is read: most folders hold few of the kinds.
"""

from collections.abc import Callable, Hashable
from typing import Annotated, LiteralString, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PlainValidator,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

Items = Annotated[tuple[T, ...], Strict(strict=False)]
"""A YAML list, kept as a tuple; its items stay strict."""


class Part(BaseModel):
    """A mapping somewhere inside a Kubernetes object."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _nulls_are_absent(cls, written: object) -> object:
        if not isinstance(written, dict):
            return written
        fields = cast("dict[object, object]", written)
        if None not in fields.values():
            return fields
        return {name: value for name, value in fields.items() if value is not None}


def refusal(sentence: LiteralString, *place: str | int) -> ValidationError:
    """The error that a validator raises for a broken rule, at a place below the value it looks at."""
    error = PydanticCustomError("rule", sentence)
    # No input: an error may be printed, and what it is about may be secret.
    return ValidationError.from_exception_data("rule", [InitErrorDetails(type=error, loc=place, input=None)])


def unique_by(attribute: str) -> AfterValidator:
    """A list-map: no two items have the same value of the key attribute (`x-kubernetes-list-map-keys`)."""

    def check(items: tuple[T, ...]) -> tuple[T, ...]:
        if len(items) > 1:
            again = first_repeated(items, lambda item: getattr(item, attribute))
            if again is not None:
                raise refusal("two items of this list have the same key", again, attribute)
        return items

    return AfterValidator(check)


def _distinct(items: tuple[H, ...]) -> tuple[H, ...]:
    again = first_repeated(items, lambda item: item)
    if again is not None:
        raise refusal("an item of this list occurs twice", again)
    return items


DISTINCT = AfterValidator(_distinct)
"""A set: no item occurs twice (`x-kubernetes-list-type: set`)."""


def first_repeated(items: tuple[T, ...], key: Callable[[T], Hashable]) -> int | None:
    """The index of the first item whose key an earlier one has, if any."""
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        if (this := key(item)) in seen:
            return index
        seen.add(this)
    return None


def _nothing(_: object) -> None:
    return None


Ignored = Annotated[None, PlainValidator(_nothing)]
"""A field that may be written and is not read, such as `status`."""
