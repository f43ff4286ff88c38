"""JSON objects in one reading only: what two readers could take for two things is none."""

import json
from typing import Any, cast


def json_object(raw: bytes) -> dict[str, Any] | None:
    """The object that ``raw`` is (RFC 8259, UTF-8), or None: no name twice at any depth, no NaN, nothing too deep."""
    try:
        value: object = json.loads(raw.decode(), object_pairs_hook=_distinct, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
