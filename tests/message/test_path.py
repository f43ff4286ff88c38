"""Raw paths: prefixes by whole segments, replaced byte for byte, cut at mount points."""

from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.message.path import cut_root, replace_prefix, under_prefix

QUICK = settings(derandomize=True, max_examples=50)

SEGMENT = st.sampled_from([b"v1", b"v1beta", b"a", b"a%2Fb", b"%E4%BD%A0", b"%2e%2e", b"..", b"x:y", b"%zz", b"%"])
SEGMENTS = st.lists(SEGMENT, max_size=4)
SLASH = st.sampled_from([b"", b"/"])


def _joined(segments: list[bytes]) -> bytes:
    return b"".join(b"/" + segment for segment in segments)


@pytest.mark.parametrize(
    ("path", "prefix", "replacement", "forwarded"),
    [
        # The eleven rows of the Gateway API's own table (HTTPPathModifier, replacePrefixMatch).
        pytest.param(b"/foo/bar", b"/foo", b"/xyz", b"/xyz/bar", id="what is below the prefix stays"),
        pytest.param(b"/foo/bar", b"/foo", b"/xyz/", b"/xyz/bar", id="the replacement's slash does not double"),
        pytest.param(b"/foo/bar", b"/foo/", b"/xyz", b"/xyz/bar", id="the prefix's slash does not vanish"),
        pytest.param(b"/foo/bar", b"/foo/", b"/xyz/", b"/xyz/bar", id="slashes of both make one"),
        pytest.param(b"/foo", b"/foo", b"/xyz", b"/xyz", id="the prefix alone becomes the replacement"),
        pytest.param(b"/foo/", b"/foo", b"/xyz", b"/xyz/", id="the request's last slash stays"),
        pytest.param(b"/foo/bar", b"/foo", b"", b"/bar", id="an empty replacement cuts the prefix off"),
        pytest.param(b"/foo/", b"/foo", b"", b"/", id="an empty replacement leaves the request's last slash"),
        pytest.param(b"/foo", b"/foo", b"", b"/", id="an empty replacement leaves no empty path"),
        pytest.param(b"/foo/", b"/foo", b"/", b"/", id="a replacement of a slash does not double the last one"),
        pytest.param(b"/foo", b"/foo", b"/", b"/", id="a replacement of a slash leaves a slash"),
        # The same algorithm where the table has no row.
        pytest.param(b"/", b"/", b"/xyz", b"/xyz/", id="the prefix slash is put before the root"),
        pytest.param(b"/a", b"/", b"/xyz", b"/xyz/a", id="the prefix slash is put before a path"),
        pytest.param(b"/a", b"/", b"/", b"/a", id="slash for slash changes nothing"),
        pytest.param(b"/foo", b"/foo/", b"/xyz", b"/xyz", id="a prefix with a slash takes the path without one"),
        pytest.param(b"/foo", b"/foo/", b"/", b"/", id="a prefix with a slash leaves no empty path"),
        # Nothing is decoded, normalised or encoded.
        pytest.param(b"/v1/a%2Fb", b"/v1", b"/c/v1", b"/c/v1/a%2Fb", id="an encoded slash stays encoded"),
        pytest.param(b"/v1/a%2fb", b"/v1", b"/c", b"/c/a%2fb", id="the case of an escape stays"),
        pytest.param(b"/v1/%E4%BD%A0", b"/v1", b"/c/v1", b"/c/v1/%E4%BD%A0", id="encoded UTF-8 stays encoded"),
        pytest.param(b"/v1/%zz%", b"/v1", b"/c", b"/c/%zz%", id="a broken escape stays"),
        pytest.param(b"/v1//x/", b"/v1", b"/c", b"/c//x/", id="double slashes of the rest stay"),
        pytest.param(b"/v1/../x", b"/v1", b"/c", b"/c/../x", id="dot segments of the rest stay"),
        pytest.param(b"/v1/v1", b"/v1", b"/c", b"/c/v1", id="a prefix that occurs twice is replaced once"),
    ],
)
def test_a_prefix_is_replaced(path: bytes, prefix: bytes, replacement: bytes, forwarded: bytes) -> None:
    """The matched prefix goes, the rest stays byte for byte, slashes at the seam neither double nor vanish."""
    assert replace_prefix(path, prefix, replacement) == forwarded


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        pytest.param(b"/v1", b"/v1", True, id="the prefix itself is under it"),
        pytest.param(b"/v1/", b"/v1", True, id="the prefix and a slash are under it"),
        pytest.param(b"/v1/models", b"/v1", True, id="a path below the prefix is under it"),
        pytest.param(b"/v1beta", b"/v1", False, id="a longer first segment is another segment"),
        pytest.param(b"/v1beta/models", b"/v1", False, id="a path below a longer segment is not under it"),
        pytest.param(b"/v", b"/v1", False, id="a shorter path is not under it"),
        pytest.param(b"/foo/v1", b"/v1", False, id="the prefix further down does not count"),
        pytest.param(b"/V1", b"/v1", False, id="case counts"),
        pytest.param(b"/v1", b"/v1/", True, id="the trailing slash of the prefix does not count"),
        pytest.param(b"/v1/x", b"/v1/", True, id="a path below a prefix with a trailing slash is under it"),
        pytest.param(b"/v1x", b"/v1/", False, id="a longer segment is not under a prefix with a trailing slash"),
        pytest.param(b"/", b"/", True, id="the root is under the slash"),
        pytest.param(b"/anything/at/all", b"/", True, id="everything is under the slash"),
        pytest.param(b"/v1%2Fmodels", b"/v1", False, id="an encoded slash ends no segment"),
        pytest.param(b"/%76%31/x", b"/v1", False, id="nothing is decoded"),
    ],
)
def test_prefixes_count_by_whole_segments(path: bytes, prefix: bytes, expected: bool) -> None:
    """A path is under a prefix when it equals it or goes on with a slash, a trailing one left aside."""
    assert under_prefix(path, prefix) is expected


@pytest.mark.parametrize(
    ("path", "root", "rest"),
    [
        pytest.param(b"/app/v1", b"/app", b"/v1", id="what follows the mount point stays"),
        pytest.param(b"/app", b"/app", b"", id="the mount point itself leaves nothing"),
        pytest.param(b"/app/", b"/app", b"/", id="the mount point and a slash leave the slash"),
        pytest.param(b"/v1", b"", b"/v1", id="without a mount point the path stays"),
        pytest.param(b"/apple", b"/app", None, id="a longer segment is not below it"),
        pytest.param(b"/ap", b"/app", None, id="a shorter path is not below it"),
        pytest.param(b"/other/v1", b"/app", None, id="another path is not below it"),
        pytest.param(b"/APP/v1", b"/app", None, id="case counts at a mount point"),
        pytest.param(b"/%61pp/v1", b"/app", b"/v1", id="an escape counts as the byte it stands for"),
        pytest.param(b"/app%2Fv1", b"/app", None, id="an encoded slash does not end the mount point"),
        pytest.param(b"/caf%C3%A9/a%2Fb", "/café".encode(), b"/a%2Fb", id="an encoded mount point leaves a raw rest"),
        pytest.param(b"/%E4%BD%A0/v1", "/你".encode(), b"/v1", id="an escape of either case is walked"),
        pytest.param(b"/%e4%bd%a0/v1", "/你".encode(), b"/v1", id="an escape of lower case is walked"),
        pytest.param(b"/a%20b/x%20y", b"/a b", b"/x%20y", id="an encoded blank in the mount point is walked"),
        pytest.param(b"/100%25/x", b"/100%", b"/x", id="an encoded percent sign is walked"),
        pytest.param(b"/a%2525/x", b"/a%25", b"/x", id="an escape is decoded once"),
        pytest.param(b"/a%zz", b"/ab", None, id="a broken escape is not below it"),
        pytest.param(b"/a%", b"/ab", None, id="a cut off escape is not below it"),
    ],
)
def test_a_mount_point_is_cut_off(path: bytes, root: bytes, rest: bytes | None) -> None:
    """A decoded mount point is cut off a raw path, whose rest stays raw; elsewhere there is None."""
    assert cut_root(path, root) == rest


@QUICK
@given(prefix=SEGMENTS, rest=SEGMENTS, slash=SLASH, replacement=SEGMENTS, end=SLASH)
def test_whatever_is_replaced_the_rest_stays(
    prefix: list[bytes], rest: list[bytes], slash: bytes, replacement: list[bytes], end: bytes
) -> None:
    """The result begins with a slash, is never empty and ends with the rest byte for byte."""
    path = _joined([*prefix, *rest]) or b"/"
    result = replace_prefix(path, _joined(prefix) + slash or b"/", _joined(replacement) + end)
    kept = path.removeprefix(_joined(prefix))
    assert result.startswith(b"/")
    assert result == (_joined(replacement) + kept or b"/")


@QUICK
@given(path=SEGMENTS, prefix=SEGMENTS, slash=SLASH)
def test_under_a_prefix_means_that_its_segments_come_first(
    path: list[bytes], prefix: list[bytes], slash: bytes
) -> None:
    """A path is under a prefix exactly when its list of segments begins with that of the prefix."""
    raw = _joined(path) or b"/"
    assert under_prefix(raw, _joined(prefix) + slash or b"/") is (path[: len(prefix)] == prefix)


@QUICK
@given(root=st.lists(st.text(min_size=1, max_size=4).filter(lambda text: "/" not in text), max_size=3), rest=SEGMENTS)
def test_any_encoded_mount_point_is_cut_off(root: list[str], rest: list[bytes]) -> None:
    """However a mount point is percent-encoded, what follows it comes out byte for byte."""
    plain = _joined([each.encode("utf-8", "surrogatepass") for each in root])
    encoded = quote_from_bytes(plain).encode()
    assert unquote_to_bytes(encoded) == plain
    assert cut_root(encoded + _joined(rest), plain) == _joined(rest)
    everything = b"".join(byte.to_bytes() if byte == 0x2F else b"%%%02X" % byte for byte in plain)
    assert cut_root(everything + _joined(rest), plain) == _joined(rest)
