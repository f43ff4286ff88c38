"""Matches, filters and backends in words."""

from collections.abc import Iterator, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any, cast

from gateway_filters.explanation.redaction import Redaction
from gateway_filters.filters import Filter
from gateway_filters.matching import ExactMatch, FieldMatch, HeaderMatch, Match, PathMatch, PrefixMatch

_LONGEST = 60


def match_words(match: Match, redaction: Redaction) -> str:
    """The conditions of a match, the path first."""
    return ", ".join(_conditions(match, redaction))


def filter_words(value: Filter, redaction: Redaction) -> str:
    """A filter as its class and what was given to it; credentials are left out."""
    return _dataclass(value, redaction)


def hostname_words(hostname: str | None) -> str:
    """A host name of a listener or route; ``*`` for any."""
    return hostname or "*"


def percent(share: float) -> str:
    """A share from 0 to 1."""
    return f"{share * 100:.4g} %"


def _conditions(match: Match, redaction: Redaction) -> Iterator[str]:
    yield _path(match.path)
    if match.method is not None:
        yield f"method {match.method}"
    for each in match.headers:
        yield _field(each, header_value(each, redaction))
    for each in (*match.query_params, *match.cookies):
        yield _field(each, each.text)


def _field(condition: FieldMatch, wanted: str) -> str:
    verb = "is" if condition.exact else "matches"
    return f"{condition.place.noun} {condition.name} {verb} {wanted}"


def _path(path: PathMatch) -> str:
    match path:
        case PrefixMatch():
            return f"path under {path.value}"
        case ExactMatch():
            return f"path is {path.value}"
        case _:
            return f"path matches {path.value}"


def header_value(header: HeaderMatch, redaction: Redaction) -> str:
    """What a condition on a header wants, as it may be shown."""
    return redaction.shown(header.name.lower().encode(), header.text.encode())


def _dataclass(value: object, redaction: Redaction) -> str:
    if not is_dataclass(value):
        return type(value).__name__
    given = (
        f"{field.name}={shown}"
        for field in fields(value)
        if _was_given(field, value) and (shown := _value(getattr(value, field.name), redaction))
    )
    return f"{type(value).__name__}({', '.join(given)})"


def _was_given(field: Field[Any], value: object) -> bool:
    return field.init and field.repr and getattr(value, field.name) != field.default


def _value(value: object, redaction: Redaction) -> str:
    """What was given to a filter; nothing for a source of secrets."""
    if callable(getattr(value, "current", None)):
        return ""
    if isinstance(value, tuple):
        return f"[{', '.join(_item(each, redaction) for each in cast('tuple[object, ...]', value))}]"
    if is_dataclass(value):
        return _dataclass(value, redaction)
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _item(item: object, redaction: Redaction) -> str:
    if not isinstance(item, tuple):
        return _value(item, redaction)
    name, value = cast("Sequence[str]", item)
    return f"{name}: {redaction.shown(name.lower().encode(), value.encode())}"
