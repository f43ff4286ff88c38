"""ReplacePrefixMatch never lets a path out of its replacement, also where nobody made it canonical before."""

import pytest

from gateway_filters import BadRequest, ReplacePrefixMatch

CLIMBING = [
    b"/v1/..",
    b"/v1/../api/keys",
    b"/v1/a/../../api",
    b"/v1/%2e%2e/api",
    b"/v1/.%2E/api",
    b"/v1/..;x/api",
    b"/v1/..%2fapi",
    b"/v1/..%5Capi",
    b"/v1/..\\api",
    b"/v1/a%2f..%2f..%2fapi",
]


@pytest.mark.parametrize("path", CLIMBING)
def test_a_climbing_path_is_refused(path: bytes) -> None:
    """A segment that climbs is a 400, written out, escaped, or behind an escaped slash."""
    with pytest.raises(BadRequest, match="dot segment"):
        ReplacePrefixMatch("/v1", "/compatible-mode/v1").apply(path)


@pytest.mark.parametrize("path", [b"/v1/...", b"/v1/..a", b"/v1/a..", b"/v1/.", b"/v1/a.b", b"/v1/%2e%2ea"])
def test_dots_alone_do_not_climb(path: bytes) -> None:
    """Only a whole segment of two dots does."""
    assert ReplacePrefixMatch("/v1", "/c/v1").apply(path) == b"/c" + path
