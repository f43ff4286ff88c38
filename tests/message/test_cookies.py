"""Taking cookies off; how they are found is told in tests/matching/test_cookie_match.py."""

import pytest

from gateway_filters.message.cookies import first_cookie, without_cookies
from gateway_filters.message.headers import Headers


def _lines(*lines: bytes) -> Headers:
    return ((b"accept", b"key=1"), *((b"cookie", line) for line in lines), (b"x", b""))


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        pytest.param((b"key=1",), (), id="alone, the line goes"),
        pytest.param((b"a=b; key=1; c=d",), (b"a=b; c=d",), id="among others"),
        pytest.param((b"key=1; a=b; key=2",), (b"a=b",), id="twice"),
        pytest.param((b"a=b", b"key=1", b"c=d;key=2"), (b"a=b", b"c=d"), id="in several lines"),
        pytest.param((b"a=b;c=d ;;",), (b"a=b;c=d ;;",), id="a line without it stays byte for byte"),
        pytest.param((b"key =1; a=b",), (b"a=b",), id="with a blank behind its name, as lenient servers read it"),
        pytest.param((b"Key=1; xkey=2",), (b"Key=1; xkey=2",), id="other names stay"),
        pytest.param((b"",), (b"",), id="an empty line stays"),
    ],
)
def test_a_cookie_is_taken_off(lines: tuple[bytes, ...], kept: tuple[bytes, ...]) -> None:
    """Only cookies of that name go, and no other header."""
    after = without_cookies(_lines(*lines), {b"key"})
    assert after == _lines(*kept) and first_cookie(after, b"key") is None
