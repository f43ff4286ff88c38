"""Finding by patterns of paths: all that may take a path, without trying one after the other."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from gateway_filters.errors import PathTooLong
from gateway_filters.matching.path import RegexMatch
from gateway_filters.message.pattern_groups import PatternGroups
from gateway_filters.message.regex import Pattern

T = TypeVar("T")

# The time that patterns take grows with their number and with the path: no client makes more of it than this, in bytes
# of paths, each once for each pattern, nor more than each of them takes. Five hundred of a kilobyte are a millisecond,
# or five where somebody tries hard.
_MOST = 1024 * 1024
_ALWAYS = 1024


class Patterns(Generic[T]):
    """Things, at least one, each under the pattern of its path."""

    def __init__(self, under: Iterable[tuple[RegexMatch, T]]) -> None:
        things: dict[str, list[tuple[int, T]]] = {}
        compiled: list[Pattern] = []
        for place, (path, thing) in enumerate(under):
            if path.value not in things:
                compiled.append(path.pattern)
            things.setdefault(path.value, []).append((place, thing))
        self._things = list(things.values())
        self._groups = PatternGroups(compiled)
        self._longest = min(max(_ALWAYS, _MOST // len(compiled)), *(each.longest for each in compiled))

    def taking(self, path: bytes) -> list[T]:
        """What stands under a pattern that takes the path, in the order it was given.

        Raises ``PathTooLong`` for one that would keep so many patterns busy for too long: a kilobyte never is.
        """
        if len(path) > self._longest:
            raise PathTooLong(f"a path of {len(path)} bytes is too long for {len(self._things)} patterns")
        found = [each for place in self._groups.matching(path) for each in self._things[place]]
        return [thing for _, thing in sorted(found, key=_place)]


def _place(each: tuple[int, object]) -> int:
    return each[0]
