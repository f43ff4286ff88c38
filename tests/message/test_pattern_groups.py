"""message/pattern_groups: many patterns asked at once say what each of them says."""

# pyright: reportPrivateUsage=false

from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.message.pattern_groups import PatternGroups
from gateway_filters.message.regex import compile_re2

pytestmark = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")

PIECE = st.sampled_from(
    ["/", "a", "b", "[^/]+", ".*", "(a|b)", "(/a)?", "a*", "(a+)+", "^", "$", "(?i)A", "é", r"\C", "|"]
)
PATTERN = st.lists(PIECE, min_size=1, max_size=5).map("".join)
SUBJECT = st.lists(st.sampled_from([b"/", b"a", b"b", b"A", "é".encode(), b"\xff", b"\n"]), max_size=8).map(b"".join)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(patterns=st.lists(PATTERN, max_size=40), subjects=st.lists(SUBJECT, min_size=1, max_size=5))
def test_together_they_say_what_each_says_alone(patterns: list[str], subjects: list[bytes]) -> None:
    """Whatever the patterns, over the ends of groups too, whatever the bytes."""
    compiled = [compile_re2(each, "a pattern") for each in patterns]
    groups = PatternGroups(compiled)
    for subject in subjects:
        alone = [place for place, each in enumerate(compiled) if each.fullmatch(subject)]
        assert groups.matching(subject) == alone


def test_patterns_that_are_too_large_for_a_group() -> None:
    """They stand in smaller ones, or alone, and nothing else is different."""
    numbers = (1, 2, *range(490, 501), 3, *range(480, 490))
    large = [f"/.{{{number}}}" for number in numbers] + ["/(.|..){200}"]
    compiled = [compile_re2(each, "a pattern") for each in large]
    groups = PatternGroups(compiled)
    assert len(groups._groups) > 1
    for number in (0, 1, 2, 3, 400, 485, 500):
        subject = b"/" + b"a" * number
        assert groups.matching(subject) == [place for place, each in enumerate(compiled) if each.fullmatch(subject)]


class OutOfMemory:
    """What a set of RE2's says that has no memory left: nothing."""

    def Add(self, pattern: bytes, /) -> int:  # noqa: N802
        raise NotImplementedError(pattern)

    def Compile(self) -> None:  # noqa: N802
        raise NotImplementedError

    def Match(self, text: bytes, /) -> list[int]:  # noqa: N802
        assert text
        return []


def test_a_set_without_memory_is_not_believed() -> None:
    """That nothing matches would send requests to weaker routes: the patterns are asked one by one."""
    groups = PatternGroups([compile_re2(f"/a{number}.*", "a pattern") for number in range(20)])
    for group in groups._groups:
        group._all = OutOfMemory()
    assert groups.matching(b"/a17x") == [1, 17]
