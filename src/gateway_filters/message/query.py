"""The raw query as parameters: cut at ``&``, names and values decoded only to be compared, the rest left as it is."""

from collections.abc import Set as AbstractSet
from urllib.parse import unquote_to_bytes


def first_parameter(query: bytes, name: bytes) -> bytes | None:
    """The decoded value of the first parameter of the (decoded) ``name``, or None; ``+`` is a blank."""
    for part in query.split(b"&"):
        key, _, value = part.partition(b"=")
        if _decoded(key) == name:
            return _decoded(value)
    return None


def without_parameters(query: bytes, names: AbstractSet[bytes]) -> bytes:
    """The query without any parameter whose decoded name is in ``names``; all others byte for byte."""
    return b"&".join(part for part in query.split(b"&") if _decoded(part.partition(b"=")[0]) not in names)


def _decoded(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))
