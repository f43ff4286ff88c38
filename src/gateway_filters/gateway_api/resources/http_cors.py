"""The CORS filter of an HTTPRoute."""

from typing import Annotated, Literal, LiteralString, TypeVar

from pydantic import AfterValidator, Field, StringConstraints

from gateway_filters.gateway_api.resources.part import DISTINCT, Items, Part, refusal
from gateway_filters.gateway_api.resources.scalars import HeaderName

T = TypeVar("T", bound=str)

CORSMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"]
CORSOrigin = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        pattern=r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)",
    ),
]


def _star_alone(sentence: LiteralString) -> AfterValidator:
    def check(items: tuple[T, ...]) -> tuple[T, ...]:
        if len(items) > 1 and "*" in items:
            raise refusal(sentence, items.index("*"))  # pyright: ignore[reportArgumentType]
        return items

    return AfterValidator(check)


class HTTPCORSFilter(Part):
    """Which cross-origin requests browsers may make."""

    allow_credentials: bool | None = None
    allow_headers: Annotated[
        Items[HeaderName],
        Field(max_length=64),
        DISTINCT,
        _star_alone("'*' in allowHeaders must be its only item"),
    ] = ()
    allow_methods: Annotated[
        Items[CORSMethod],
        Field(max_length=9),
        DISTINCT,
        _star_alone("'*' in allowMethods must be its only item"),
    ] = ()
    allow_origins: Annotated[
        Items[CORSOrigin],
        Field(max_length=64),
        DISTINCT,
        _star_alone("'*' in allowOrigins must be its only item"),
    ] = ()
    expose_headers: Annotated[Items[HeaderName], Field(max_length=64), DISTINCT] = ()
    max_age: Annotated[int, Field(ge=1, le=2**31 - 1)] = 5
