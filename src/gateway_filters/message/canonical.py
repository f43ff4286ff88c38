"""One canonical form of a raw request path, made before matching: what is matched is what is sent.

Facts, as Envoy 1.40 does it under Envoy Gateway's defaults (``normalize_path``, ``merge_slashes``)
- Escapes of unreserved characters are decoded, once. Other escapes keep their bytes, the case of their digits
  too; an invalid one (``%zz``, a lone ``%``) stays, and its ``%`` becomes ``%25`` where decoding next to it
  would make a new escape (``%%34%31`` is ``%2541``, not ``%41``).
- ``\\`` becomes ``/``; ``" < > ^ ` { | }`` are encoded; ``[ ]`` and the other reserved characters stay.
- Dot segments are removed (RFC 3986 5.2.4, an empty segment counts as one), then ``//`` is merged.
- A dot segment with parameters (``..;x``) is a dot segment.

Different from Envoy on purpose: ``%2F`` and ``%5C`` are refused and not redirected; the form is canonical also
where Envoy's would change again when normalised twice (``//`` alone, ``%2e%2e;x``, a backslash by ``..;``).
"""

import re
from typing import Literal

from gateway_filters.errors import BadRequest

EscapedSlashes = Literal["reject", "keep", "forward"]
"""What becomes of ``%2F`` and ``%5C`` in a path: the request is refused, they stay as they are, or they are slashes."""

# Escapes of unreserved characters (RFC 3986 2.3): digits, letters, ``- . _ ~``.
_UNRESERVED = rb"3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|2[DdEe]|5[Ff]|7[Ee]"
_REFUSED: dict[EscapedSlashes, bytes] = {
    "reject": rb"00|2[Ff]|5[Cc]",
    "keep": rb"00",
    "forward": rb"00|2[Ff]|5[Cc]",
}
_PLAIN = rb"!$&'()*+,\-.0-9:;=@A-Z\[\]_a-z~"
_CHANGED = rb"\\\"<>^`{|}"

# Whatever keeps a path from being canonical. Python 3.11 has possessive quantifiers, which would tell it in one
# match, but they are wrong before 3.11.3: a path must not depend on that.
_ODD = {
    choice: re.compile(rb"[^/%%%b]|%%(?:%b|%b)|/(?:/|\.\.?(?:[/;]|\Z))|\A(?!/)" % (_PLAIN, _UNRESERVED, refused))
    for choice, refused in _REFUSED.items()
}
_BAD = {
    choice: re.compile(rb"\A(?!/)|[^/%%%b%b]|%%(?:%b)" % (_PLAIN, _CHANGED, refused))
    for choice, refused in _REFUSED.items()
}
_PIECE = re.compile(rb"%%(?P<unreserved>%b)|%%[0-9A-Fa-f]{2}|[%b%%]" % (_UNRESERVED, _CHANGED))
_SLASHES = re.compile(rb"/{2,}")
_ESCAPED_SLASH = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)

# No path holds NUL: it stands for the ``%`` of an invalid escape until what follows it is known.
_LONE = b"\0"
_LONE_BEFORE_DIGITS = re.compile(rb"\0(?=[0-9A-Fa-f]{2})")


def canonical_path(raw: bytes, *, escaped_slashes: EscapedSlashes = "reject") -> bytes:
    """The canonical form of the raw path ``raw``; the very same object when it is canonical already.

    Raises ``BadRequest`` for a path that does not begin with ``/``, for ``%00``, ``#``, ``?``, a space, a control
    byte or one from 0x80 on, and, if ``escaped_slashes`` is ``"reject"``, for ``%2F`` and ``%5C``.
    """
    if not _ODD[escaped_slashes].search(raw):
        return raw
    if escaped_slashes == "forward":
        raw = _ESCAPED_SLASH.sub(b"/", raw)
    if _BAD[escaped_slashes].search(raw):
        raise BadRequest("the path does not begin with '/' or holds a byte or an escape that may not be in a path")
    return _SLASHES.sub(b"/", _without_dot_segments(_with_canonical_characters(raw)))


def escapes_a_slash(raw: bytes) -> bool:
    """Whether there is a ``%2F`` or ``%5C`` in a raw path."""
    return _ESCAPED_SLASH.search(raw) is not None


def _with_canonical_characters(raw: bytes) -> bytes:
    spelled = _PIECE.sub(_spelled, raw)
    return _LONE_BEFORE_DIGITS.sub(b"%25", spelled).replace(_LONE, b"%")


def _spelled(piece: re.Match[bytes]) -> bytes:
    text = piece[0]
    if piece["unreserved"]:
        return bytes.fromhex(text[1:].decode())
    if text == b"\\":
        return b"/"
    if text == b"%":
        return _LONE
    return text if len(text) == 3 else b"%%%02X" % ord(text)


def _without_dot_segments(path: bytes) -> bytes:
    kept: list[bytes] = []
    dots = b""
    for segment in path.split(b"/")[1:]:
        dots = segment.partition(b";")[0]
        if dots == b"..":
            del kept[-1:]
        elif dots != b".":
            kept.append(segment)
    # A dot segment at the end leaves the folder that it means.
    return b"/" + b"/".join([*kept, b""] if dots in (b".", b"..") else kept)
