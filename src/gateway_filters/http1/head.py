"""The head of a request as the parser tells it: what may not be served, and with which status. Pure.

The parser (llhttp) itself refuses two lengths, a length beside a coding, bad lengths, blanks before a colon and
control bytes. What it lets through and two servers could read differently is refused here (RFC 9112 3.2, 6.1).
"""

import re
from collections.abc import Sequence

from gateway_filters.errors import BadRequest
from gateway_filters.message.authority import checked_authority

Pairs = Sequence[tuple[bytes, bytes]]

_ORIGIN_FORM = re.compile(rb"/[!\"$-~]*|\*")
_ABSOLUTE_FORM = re.compile(rb"(https?)://([^/?#@]+)((?:/[!\"$-~]*)?(?:\?[!\"$-~]*)?)", re.IGNORECASE)
_TRACES = ("TRACE", "TRACK")
_NAME = re.compile(rb"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")


class Refused(Exception):
    """A request that is not served: the status, and why, for the log; no value of the client's is in it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_head(version: str, method: str, target: bytes, headers: Pairs) -> None:
    """Raises ``Refused`` for a head that must not be served; names of ``headers`` are in lower case."""
    if version != "1.1":
        raise Refused(426 if version in ("0.9", "1.0") else 505, f"HTTP/{version}")
    if method in _TRACES:
        raise Refused(405, "a method that echoes")
    if method == "CONNECT" or _ORIGIN_FORM.fullmatch(target) is None:
        raise Refused(400, "a target that is not in origin form")
    hosts = codings = lengths = 0
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise Refused(400, "a header's name or value")
        hosts += name == b"host"
        codings += name == b"transfer-encoding"
        lengths += name == b"content-length"
        if name == b"transfer-encoding" and value.strip(b" \t").lower() != b"chunked":
            raise Refused(501, "a transfer coding other than chunked")
        if name == b"expect" and value.strip(b" \t").lower() != b"100-continue":
            raise Refused(417, "an expectation")
    if hosts != 1:
        raise Refused(400, f"{hosts} Host lines")
    if codings + lengths > 1:
        raise Refused(400, "a body framed twice")


def settled(target: bytes, headers: list[tuple[bytes, bytes]], scheme: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Target in origin form, and the headers: an absolute target replaces what Host says (RFC 9112 3.2.2).

    Raises ``Refused`` for one of another scheme than the connection's, and for a Host that is none, although it does
    not count (RFC 9112 3.2).
    """
    found = _ABSOLUTE_FORM.fullmatch(target)
    if found is None:
        return target, headers
    if found[1].lower() != scheme.encode():
        raise Refused(400, "an absolute target of another scheme")
    for name, value in headers:
        if name == b"host" and value:
            _check_host(value)
    path = found[3] if found[3].startswith(b"/") else b"/" + found[3]
    return path, [(name, found[2] if name == b"host" else value) for name, value in headers]


def _check_host(value: bytes) -> None:
    try:
        checked_authority(value, "Host")
    except BadRequest as error:
        raise Refused(400, str(error)) from None
