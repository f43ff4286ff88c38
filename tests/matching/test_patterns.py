"""matching/patterns: what stands under patterns that take a path, in order, and paths that are too long for them."""

from importlib.util import find_spec

import pytest

from gateway_filters.errors import PathTooLong, verdict
from gateway_filters.matching import RegexMatch
from gateway_filters.matching.patterns import Patterns

pytestmark = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")


def _of(*values: str) -> Patterns[int]:
    return Patterns((RegexMatch(value), place) for place, value in enumerate(values))


def test_all_that_take_the_path_come_in_the_order_given() -> None:
    """Also where things share a pattern that others stand between, and over the ends of groups."""
    others = [f"/other{number}" for number in range(40)]
    assert _of("/a.*", "/b", *others, "/.b", "/a.*", "/ab").taking(b"/ab") == [0, 42, 43, 44]


LENGTHS = [
    pytest.param(32, 32 * 1024, id="32 take 32 kilobytes"),
    pytest.param(64, 16 * 1024, id="64 take what run takes"),
    pytest.param(128, 8 * 1024, id="128 take eight kilobytes"),
    pytest.param(3000, 1024, id="however many there are they take a kilobyte"),
]


@pytest.mark.parametrize(("number", "longest"), LENGTHS)
def test_the_longest_path(number: int, longest: int) -> None:
    """More patterns take shorter paths; one that is longer is refused, not passed to weaker routes."""
    patterns = _of(*(f"/{each}x*" for each in range(number)))
    assert patterns.taking(b"/0" + b"x" * (longest - 2)) == [0]
    with pytest.raises(PathTooLong, match=f"{longest + 1} bytes") as raised:
        patterns.taking(b"/0" + b"x" * (longest - 1))
    assert verdict(raised.value).status == 414


def test_the_largest_of_them_says_how_long_a_path_may_be() -> None:
    """Wherever it stands: all are asked for each path."""
    patterns = _of("/a*", "/.{100}", "/b*")
    longest = RegexMatch("/.{100}").pattern.longest
    assert 1024 < longest < 2048
    assert patterns.taking(b"/" + b"a" * (longest - 1)) == [0]
    with pytest.raises(PathTooLong):
        patterns.taking(b"/" + b"a" * longest)


def test_equal_patterns_count_once() -> None:
    """A pattern that many rules share costs what one costs."""
    assert _of(*["/x*"] * 500).taking(b"/" + b"x" * 20_000) == list(range(500))
