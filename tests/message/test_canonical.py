"""Canonical paths: one spelling of each path, Envoy's, and the same however often it is asked for."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway_filters.errors import BadRequest
from gateway_filters.message.canonical import EscapedSlashes, canonical_path

OBSERVED = Path(__file__).parents[3] / "shared/envoy/observed.json"
QUICK = settings(derandomize=True, max_examples=300)

# Pieces that are likely to meet: what is decoded, kept, refused or removed, and what could make new escapes.
PIECE = st.sampled_from(
    rb"/ / / . .. %2e %2E a b1 %41 %7e % %% %4 4 F %zz %25 \ "
    rb'" { | < ; ;x : %C3 %c3 %35 %3b [ %3F %20 // + %2B'.split()
)
PATH = st.lists(PIECE, max_size=9).map(lambda pieces: b"/" + b"".join(pieces))
SLASHED = st.lists(PIECE | st.sampled_from([b"%2f", b"%2F", b"%5c", b"%5C"]), max_size=9).map(
    lambda pieces: b"/" + b"".join(pieces)
)
ANYTHING = st.binary(max_size=12).map(lambda rest: b"/" + rest)


def _segments(path: bytes) -> list[bytes]:
    return path.split(b"/")[1:]


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        # Dot segments
        pytest.param(b"/v1/../v1/x", b"/v1/x", id="two dots take the segment before them away"),
        pytest.param(b"/v1/./x", b"/v1/x", id="one dot is nothing"),
        pytest.param(b"/v1/x/..", b"/v1/", id="two dots at the end leave the folder"),
        pytest.param(b"/v1/.", b"/v1/", id="one dot at the end leaves the folder"),
        pytest.param(b"/v1/..", b"/", id="the root remains"),
        pytest.param(b"/../../v1", b"/v1", id="nothing is above the root"),
        pytest.param(b"/v1/%2e%2e/admin", b"/admin", id="encoded dots are dots"),
        pytest.param(b"/v1/%2E%2E/admin", b"/admin", id="encoded dots in capitals are dots"),
        pytest.param(b"/v1/.%2e/admin", b"/admin", id="half encoded dots are dots"),
        pytest.param(b"/a//../b", b"/a/b", id="an empty segment is a segment to dots"),
        pytest.param(b"/a\\..\\b", b"/b", id="dots between backslashes are dots"),
        pytest.param(b"/a/..;x=1/b", b"/b", id="parameters do not hide dots"),
        pytest.param(b"/a/.;x/b", b"/a/b", id="parameters do not hide one dot"),
        pytest.param(b"/a/%2e%2e;/b", b"/b", id="parameters do not hide encoded dots"),
        pytest.param(b"/a/..;\\b", b"/b", id="a backslash ends the parameters of dots"),
        pytest.param(b"/a/.../b", b"/a/.../b", id="three dots are a name"),
        pytest.param(b"/a/..b/.c/d..", b"/a/..b/.c/d..", id="dots in a name are part of it"),
        pytest.param(b"/a/..%3b/b", b"/a/..%3b/b", id="an encoded semicolon begins no parameters"),
        # Slashes
        pytest.param(b"//v1/x", b"/v1/x", id="slashes merge at the beginning"),
        pytest.param(b"/v1///x//y", b"/v1/x/y", id="slashes merge in the middle"),
        pytest.param(b"/v1/x//", b"/v1/x/", id="slashes merge at the end"),
        pytest.param(b"//", b"/", id="nothing but slashes is the root"),
        pytest.param(b"/v1\\x", b"/v1/x", id="a backslash is a slash"),
        pytest.param(b"/\\", b"/", id="a backslash merges with a slash"),
        # Escapes
        pytest.param(b"/%76%31/x", b"/v1/x", id="escaped letters and digits are decoded"),
        pytest.param(b"/%7euser%2D%5f%2e", b"/~user-_.", id="escaped unreserved marks are decoded"),
        pytest.param(b"/v1/%252e%252e/admin", b"/v1/%252e%252e/admin", id="nothing is decoded twice"),
        pytest.param(b"/%%34%31", b"/%2541", id="decoding makes no new escape"),
        pytest.param(b"/%4%31b", b"/%2541b", id="half an escape and a decoded digit make no new escape"),
        pytest.param(b"/%%41b", b"/%25Ab", id="a decoded digit and a plain one make no new escape"),
        pytest.param(b"/%%7a", b"/%z", id="a percent sign stays where no escape can come about"),
        pytest.param(b'/%"/b', b"/%%22/b", id="a percent sign stays before an encoded character"),
        pytest.param(b'/"<>^`{|}', b"/%22%3C%3E%5E%60%7B%7C%7D", id="characters that no URL has are encoded"),
    ],
)
def test_a_path_has_one_spelling(path: bytes, canonical: bytes) -> None:
    """Paths that mean the same are written the same."""
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(b"/", id="the root"),
        pytest.param(b"/compatible-mode/v1/chat/completions", id="an ordinary path"),
        pytest.param(b"/v1/", id="a slash at the end"),
        pytest.param(b"/v1/%C3%A9%c3%a9", id="encoded UTF-8 in either case"),
        pytest.param(b"/v1/%zz/%/%4", id="invalid escapes"),
        pytest.param(b"/v1/a%20b%3f%23", id="escapes of reserved characters"),
        pytest.param(b"/v1/x;p=1/!$&'()*+,:=@[]", id="reserved characters"),
        pytest.param(b"/v1/%7f%01", id="escaped control characters"),
    ],
)
def test_a_canonical_path_is_given_back_itself(path: bytes) -> None:
    """What is canonical already comes back as the very same object, so a caller can tell with ``is``."""
    assert canonical_path(path) is path
    assert canonical_path(path, escaped_slashes="keep") is path


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"*", id="an asterisk"),
        pytest.param(b"v1/x", id="a path without a slash"),
        pytest.param(b"\\v1", id="a path that begins with a backslash"),
        pytest.param(b"/v1/%00", id="an encoded NUL"),
        pytest.param(b"/v1/\0", id="a NUL"),
        pytest.param(b"/v1/a b", id="a space"),
        pytest.param(b"/v1/a\tb", id="a tab"),
        pytest.param(b"/v1/a\r\nb", id="a line end"),
        pytest.param(b"/v1/x\n", id="a line end at the end"),
        pytest.param(b"/v1/\x7f", id="a control character at the end of ASCII"),
        pytest.param("/v1/é".encode(), id="a byte beyond ASCII"),
        pytest.param(b"/v1/x#part", id="a fragment"),
        pytest.param(b"/v1/x?q", id="a query"),
        pytest.param(b"/v1/../%00", id="an encoded NUL beside dots"),
    ],
)
def test_a_path_without_canonical_form_is_refused(path: bytes) -> None:
    """What a URL's path cannot hold is the client's error, whatever is chosen for escaped slashes."""
    with pytest.raises(BadRequest):
        canonical_path(path)
    with pytest.raises(BadRequest):
        canonical_path(path, escaped_slashes="keep")


@pytest.mark.parametrize("path", [b"/v1%2Fx", b"/v1/%2f", b"/v1/%5cx", b"/v1/a%5C", b"/v1/..%2fadmin"])
def test_escaped_slashes_are_refused_or_kept(path: bytes) -> None:
    """An escaped slash or backslash is refused, and kept byte for byte where the operator says so."""
    with pytest.raises(BadRequest):
        canonical_path(path)
    assert canonical_path(path, escaped_slashes="keep") is path


def test_the_refusal_says_nothing_of_the_path() -> None:
    """A path may hold a secret: the error, which is logged, does not repeat it."""
    with pytest.raises(BadRequest) as caught:
        canonical_path(b"/sk-not-a-real-key/%00")
    assert "sk-not" not in str(caught.value)


@QUICK
@given(path=PATH)
@example(path=b"/%%%34%31%%41")
def test_the_form_is_canonical(path: bytes) -> None:
    """Asked for again it is the same object; it has no dot segment and no double slash, decoded once or not."""
    result = canonical_path(path)
    assert canonical_path(result) is result
    assert result.startswith(b"/")
    assert not {b".", b".."} & {segment.partition(b";")[0] for segment in _segments(result)}
    for spelling in (result, unquote_to_bytes(result)):
        assert b"//" not in spelling
        assert not {b".", b".."} & {*_segments(spelling)}


@QUICK
@given(path=SLASHED)
def test_the_form_is_canonical_where_escaped_slashes_are_kept(path: bytes) -> None:
    """Escaped slashes in it, the form still stays what it is."""
    result = canonical_path(path, escaped_slashes="keep")
    assert canonical_path(result, escaped_slashes="keep") is result
    assert b"//" not in result


@QUICK
@given(path=SLASHED)
def test_the_form_is_canonical_where_escaped_slashes_are_slashes(path: bytes) -> None:
    """It is that of the path with slashes in their place, stays what it is, and has none escaped, decoded once."""
    result = canonical_path(path, escaped_slashes="forward")
    assert result == canonical_path(re.sub(rb"%(2f|5c)", b"/", path, flags=re.IGNORECASE))
    assert canonical_path(result, escaped_slashes="forward") is result
    assert canonical_path(result) is result
    assert not {b".", b".."} & {*_segments(unquote_to_bytes(result))}


@QUICK
@given(path=SLASHED, choice=st.sampled_from(("keep", "forward")))
def test_escaped_per_cent_signs_make_no_slashes(path: bytes, choice: EscapedSlashes) -> None:
    """Whatever becomes of escaped slashes, the escape of an escape is none."""
    result = canonical_path(path.replace(b"%", b"%25"), escaped_slashes=choice)
    assert not re.search(rb"%(2f|5c)", result, flags=re.IGNORECASE)


@QUICK
@given(path=ANYTHING)
def test_any_bytes_are_refused_or_become_canonical(path: bytes) -> None:
    """Whatever the bytes are, the result holds visible ASCII alone, or there is none."""
    try:
        result = canonical_path(path)
    except BadRequest:
        return
    assert canonical_path(result) is result
    assert re.fullmatch(rb"/[!-~]*", result)


@QUICK
@given(path=PATH)
def test_nothing_is_decoded_twice(path: bytes) -> None:
    """A path whose percent signs are all escaped loses none of them and gains no other escape by decoding."""
    escaped = path.replace(b"%", b"%25")
    decoded = unquote_to_bytes(canonical_path(escaped))
    assert canonical_path(escaped).count(b"%25") == decoded.count(b"%")
    flat = escaped.replace(b"/", b"").replace(b"\\", b"").replace(b";", b"").replace(b".", b"")
    assert unquote_to_bytes(canonical_path(b"/" + flat)) == b"/" + unquote_to_bytes(flat)


def _observed() -> list[Any]:
    """The raw requests that the real Envoy was asked, as far as they concern paths; one row to skip without them."""
    if not OBSERVED.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="shared/envoy/observed.json is not here"), id="absent")]
    exchanges: list[dict[str, Any]] = json.loads(OBSERVED.read_text())
    return [pytest.param(each, id=each["name"]) for each in exchanges if each["name"].startswith("path ")]


def _refused_by_envoy(answer: str) -> bool:
    # 307: Envoy unescapes slashes and redirects, we refuse them; 431: a length is no matter of form.
    return answer.split()[1] in ("307", "400")


@pytest.mark.parametrize("exchange", _observed())
def test_envoy_was_seen_to_make_the_same_of_it(exchange: dict[str, Any]) -> None:
    """What the real Envoy sent on, or answered, for each path that it was asked."""
    raw = (
        exchange["client_sent"]
        .encode("latin-1")
        .removeprefix(b"GET ")
        .partition(b" HTTP/1.1\r\n")[0]
        .partition(b"?")[0]
    )
    if _refused_by_envoy(exchange["client_got"]):
        with pytest.raises(BadRequest):
            canonical_path(raw)
    elif exchange["upstream_requests"]:
        target = exchange["upstream_requests"][0]["head"].split(" ")[1].partition("?")[0]
        sent = target.replace("/compatible-mode/v1", "/v1", 1).encode()
        assert canonical_path(raw) == sent
    else:
        canonical = canonical_path(raw)
        assert exchange["client_got"].split()[1] == ("431" if len(raw) > 60_000 else "404")
        assert len(raw) > 60_000 or (canonical != b"/v1" and not canonical.startswith(b"/v1/"))
