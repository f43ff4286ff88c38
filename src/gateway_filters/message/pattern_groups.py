r"""Many regular expressions asked at once: which of them take all of a subject.

Facts
- RE2 asks a set of patterns in one pass, for little more than one of them costs, as long as what it has to remember of
  all of them together stays small. A path can be made so that it does not: of two thousand patterns like ``/.*/a/.*``
  in one set each byte cost half a millisecond. In groups of sixteen the worst that was found costs no more than asking
  one by one, and everything else a twentieth.
- A set that has no memory left says that nothing matches, and in Python nobody is told. So each has one pattern more
  that takes everything: an answer without it is none, and the patterns are asked one by one.
"""

from collections.abc import Iterable, Iterator, Sequence

from gateway_filters.message.regex import Pattern, PatternSet, engine

_TOGETHER = 16
_MEMORY = 1024 * 1024  # for what a group remembers
_EVERYTHING = rb"\C*"


class PatternGroups:
    """``patterns``, compiled ones, to be asked together."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        starts = range(0, len(patterns), _TOGETHER)
        self._groups = [group for start in starts for group in _groups(start, patterns[start : start + _TOGETHER])]

    def matching(self, subject: bytes) -> list[int]:
        """The places of those that take all of ``subject``, in order."""
        return [place for group in self._groups for place in group.matching(subject)]


class _Group:
    """Some patterns, of which the first has the place ``first``."""

    __slots__ = ("_all", "_first", "_patterns")

    def __init__(self, first: int, patterns: Sequence[Pattern], together: PatternSet | None) -> None:
        self._first = first
        self._patterns = patterns
        self._all = together

    def matching(self, subject: bytes) -> Iterable[int]:
        if self._all is not None:
            found = self._all.Match(subject)
            if len(self._patterns) in found:
                return sorted(self._first + place for place in found if place < len(self._patterns))
        return [place for place, each in enumerate(self._patterns, self._first) if each.fullmatch(subject)]


def _groups(first: int, patterns: Sequence[Pattern]) -> Iterator[_Group]:
    """One group of all; several of what is too much for one, down to patterns that stand alone."""
    together = _together(patterns)
    half = len(patterns) // 2
    if together is not None or not half:
        yield _Group(first, patterns, together)
    else:
        yield from _groups(first, patterns[:half])
        yield from _groups(first + half, patterns[half:])


def _together(patterns: Sequence[Pattern]) -> PatternSet | None:
    re2 = engine("a set of patterns")
    options = re2.Options()
    options.log_errors = False  # RE2 would write to standard error by itself
    options.max_mem = _MEMORY
    made = re2.Set.FullMatchSet(options)
    for each in patterns:
        made.Add(each.pattern)
    made.Add(_EVERYTHING)
    try:
        made.Compile()
    except re2.error:
        return None
    return made
