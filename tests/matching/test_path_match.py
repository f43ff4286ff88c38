"""Conditions on the raw path."""

import pytest

from gateway_filters.errors import ConfigurationError
from gateway_filters.matching import ExactMatch, PathMatch, PrefixMatch
from gateway_filters.message.head import RequestHead


def _get(path: bytes) -> RequestHead:
    return RequestHead(b"GET", path, query=b"p=/v2")


@pytest.mark.parametrize(
    ("condition", "path", "reason"),
    [
        pytest.param(PrefixMatch("/v2"), b"/v2", None, id="a prefix takes itself"),
        pytest.param(PrefixMatch("/v2"), b"/v2/", None, id="a prefix takes itself with a slash"),
        pytest.param(PrefixMatch("/v2"), b"/v2/x", None, id="a prefix takes what is below it"),
        pytest.param(PrefixMatch("/v2"), b"/v2x", "path is not under /v2", id="a prefix takes no longer segment"),
        pytest.param(PrefixMatch("/v2"), b"/foo/v2", "path is not under /v2", id="a prefix stands at the beginning"),
        pytest.param(PrefixMatch("/v2"), b"/V2", "path is not under /v2", id="a prefix counts case"),
        pytest.param(PrefixMatch("/v2"), b"/", "path is not under /v2", id="a prefix takes nothing above it"),
        pytest.param(PrefixMatch("/match/"), b"/match", None, id="a prefix's trailing slash does not count"),
        pytest.param(PrefixMatch("/match/"), b"/match/x", None, id="a prefix with a slash takes what is below it"),
        pytest.param(PrefixMatch("/m/"), b"/mx", "path is not under /m/", id="a prefix with a slash ends its segment"),
        pytest.param(PrefixMatch("/"), b"/", None, id="the prefix slash takes the root"),
        pytest.param(PrefixMatch("/"), b"/a%2Fb//c", None, id="the prefix slash takes everything"),
        pytest.param(PrefixMatch(), b"/any", None, id="the default prefix takes everything"),
        pytest.param(PrefixMatch("/a"), b"/a%2Fb", "path is not under /a", id="an encoded slash ends no segment"),
        pytest.param(ExactMatch("/abc"), b"/abc", None, id="an exact path takes itself"),
        pytest.param(ExactMatch("/abc"), b"/abc/", "path is not /abc", id="an exact path takes no further slash"),
        pytest.param(ExactMatch("/abc"), b"/Abc", "path is not /abc", id="an exact path counts case"),
        pytest.param(ExactMatch("/abc"), b"/abcd", "path is not /abc", id="an exact path takes no longer one"),
        pytest.param(ExactMatch("/abc/"), b"/abc", "path is not /abc/", id="an exact path's trailing slash counts"),
        pytest.param(ExactMatch("/a%2Fb"), b"/a%2Fb", None, id="an exact path compares escapes as they are"),
        pytest.param(ExactMatch("/a%2Fb"), b"/a/b", "path is not /a%2Fb", id="an exact path decodes nothing"),
        pytest.param(ExactMatch("/"), b"/", None, id="an exact slash takes the root"),
        pytest.param(ExactMatch("/"), b"/a", "path is not /", id="an exact slash takes nothing else"),
    ],
)
def test_a_path_matches_or_says_why_not(condition: PathMatch, path: bytes, reason: str | None) -> None:
    """The raw path without its query is compared; a mismatch has its reason."""
    assert condition.mismatch(_get(path)) == reason


@pytest.mark.parametrize("kind", [PrefixMatch, ExactMatch])
@pytest.mark.parametrize("value", ["", "v1", "/a?b", "/a#b", "/a b", "/a\nb", "/é"])
def test_a_value_that_no_path_has_is_refused(kind: type[PathMatch], value: str) -> None:
    """A value that no raw path can equal is refused when the condition is built."""
    with pytest.raises(ConfigurationError, match="path"):
        kind(value)


@pytest.mark.parametrize("kind", [PrefixMatch, ExactMatch])
def test_path_conditions_are_values(kind: type[PathMatch]) -> None:
    """Conditions are equal by what they ask for, and an exact path is no prefix."""
    assert kind("/a") == kind("/a") and hash(kind("/a")) == hash(kind("/a"))
    assert kind("/a") != kind("/b")
    assert len({PrefixMatch("/a"), ExactMatch("/a")}) == 2
    assert repr(kind("/a")) == f"{kind.__name__}(value='/a')"
