"""message/regex: how large a pattern may be, and how long a text for it."""

import random
import time
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from gateway_filters.errors import ClientError, ConfigurationError, FieldTooLong, PathTooLong, verdict
from gateway_filters.filters import HostFromPath, ReplaceRegexMatch, URLRewrite
from gateway_filters.filters.authorization import Operation
from gateway_filters.matching import CookieMatch, HeaderMatch, QueryParamMatch, Regex, RegexMatch
from gateway_filters.message.head import RequestHead
from gateway_filters.message.regex import compile_re2

pytestmark = pytest.mark.skipif(find_spec("re2") is None, reason="the extra gateway-filters[re2] is not installed")

MOST = 1024 * 1024
COUNTS = ".*a.{100}"  # RE2 has to remember a hundred places for each byte

SIZES = [
    pytest.param("/v1/.*", 16 * 1024, id="one as they mostly are takes what run takes"),
    pytest.param("^(a+)+$", 50_000, id="one that holds others up for ever takes fifty kilobytes"),
    pytest.param("/[a-z0-9-]{1,63}/.*", 3 * 1024, id="a name takes three kilobytes"),
    pytest.param("/[^/]{1,256}", 1024, id="a large one takes a kilobyte"),
    pytest.param(".*a.{500}", 1024, id="the largest take a kilobyte"),
]


@pytest.mark.parametrize(("value", "length"), SIZES)
def test_how_long_a_text_each_takes(value: str, length: int) -> None:
    """The steps of a program for each byte, a million together: the larger it is the shorter the text."""
    assert length <= compile_re2(value, "it").longest <= MOST


TOO_LARGE = [
    pytest.param(".*a.{1000}", id="a thousand times any character"),
    pytest.param(r"\pL{300}", id="three hundred times any letter"),
    pytest.param("(.*a.{100}){9}", id="repetitions of repetitions"),
]


@pytest.mark.parametrize("value", TOO_LARGE)
def test_what_is_too_large_is_refused_at_load(value: str) -> None:
    """A text of a kilobyte would take tens of milliseconds, whoever sends it."""
    with pytest.raises(ConfigurationError, match=r"^path .* is too large a regular expression: .* of 4096 at most$"):
        RegexMatch(value)


@pytest.mark.parametrize("value", [COUNTS, ".*a.{500}", r".*a\C{500}", ".*a[ab]{900}"])
def test_no_text_that_is_taken_holds_others_up(value: str) -> None:
    """The worst that is known of RE2: each byte is another state. It had taken a second for a header of 64 KiB."""
    pattern, draw, quickest = compile_re2(value, "it"), random.Random(1), 1.0
    for _ in range(5):
        text = bytes(draw.choice(b"ab") for _ in range(pattern.longest))
        begun = time.perf_counter()
        pattern.fullmatch(text)
        quickest = min(quickest, time.perf_counter() - begun)
    assert quickest < 0.1


def _head(text: bytes) -> RequestHead:
    fields = ((b"x", text), (b"cookie", b"x=" + text))
    return RequestHead(b"GET", b"/" + text, authority=b"h", query=b"x=" + text, headers=fields)


Asked = Callable[[RequestHead], object]
REFUSED: list[tuple[str, Callable[[], Asked], type[ClientError], int]] = [
    ("a header", lambda: HeaderMatch("x", Regex(COUNTS)).mismatch, FieldTooLong, 431),
    ("a cookie", lambda: CookieMatch("x", Regex(COUNTS)).mismatch, FieldTooLong, 431),
    ("a query parameter", lambda: QueryParamMatch("x", Regex(COUNTS)).mismatch, FieldTooLong, 431),
    ("a path that is matched", lambda: RegexMatch(COUNTS).mismatch, PathTooLong, 414),
    ("a path that is authorised", lambda: Operation(path=COUNTS, type="RegularExpression").covers, PathTooLong, 414),
    ("a path that is rewritten", lambda: URLRewrite(path=ReplaceRegexMatch(COUNTS, "/")).on_request, PathTooLong, 414),
    ("a path that becomes a host", lambda: HostFromPath("/.*a?.{100}", "h").apply, PathTooLong, 414),
]


@pytest.mark.parametrize(("make", "kind", "status"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_is_too_long_is_refused(make: Callable[[], Asked], kind: type[ClientError], status: int) -> None:
    """It is not taken for something that does not match: a weaker route, or nobody's denial, would have it."""
    asked = make()
    asked(_head(b"b" * 1023))
    with pytest.raises(kind, match=r"a text of 200[01] bytes is too long") as raised:
        asked(_head(b"b" * 2000))
    assert verdict(raised.value).status == status
