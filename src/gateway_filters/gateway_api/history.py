"""What a controller remembers from load to load: generations, and since when a condition is as it is."""

from typing import Any, cast

from gateway_filters.gateway_api.objects import Key, Objects
from gateway_filters.gateway_api.status import Json


class History:
    """Counts the generations of objects by their spec, and carries the times of unchanged conditions."""

    def __init__(self) -> None:
        self._specs: dict[Key, tuple[Any, int]] = {}
        self._statuses: dict[Key, Json] = {}

    def generations(self, objects: Objects) -> dict[Key, int]:
        """The generation of each object: 1 at first, one more when its spec is another than at the last call."""
        specs: dict[Key, tuple[Any, int]] = {}
        for each in objects:
            key, value = each.key, each.document.value
            spec = value.get("spec") if isinstance(value, dict) else None
            known, generation = self._specs.get(key, (spec, each.resource.metadata.generation or 1))
            specs[key] = (spec, generation if known == spec else generation + 1)
        self._specs = specs
        return {key: generation for key, (_, generation) in specs.items()}

    def keep_times(self, statuses: dict[Key, Json]) -> None:
        """Give conditions that say what they said before the time from before."""
        for key, status in statuses.items():
            before = self._statuses.get(key)
            if before is not status:
                _carry(before, status)
        self._statuses = statuses


def _carry(before: object, now: object) -> None:
    if isinstance(now, dict) and isinstance(before, dict):
        old, new = cast("Json", before), cast("Json", now)
        _carry_condition(old, new)
        for name, value in new.items():
            _carry(old.get(name), value)
    elif isinstance(now, list) and isinstance(before, list):
        for one, other in zip(cast("list[object]", before), cast("list[object]", now), strict=False):
            _carry(one, other)


def _carry_condition(before: dict[str, Any], now: dict[str, Any]) -> None:
    if "lastTransitionTime" in now and _said(before) == _said(now):
        now["lastTransitionTime"] = before["lastTransitionTime"]


def _said(condition: dict[str, Any]) -> tuple[Any, Any]:
    return condition.get("type"), condition.get("status")
