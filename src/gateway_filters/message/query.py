"""The raw query as parameters: cut at ``&``, names and values decoded only to be compared, the rest left as it is."""

from collections.abc import Set as AbstractSet
from urllib.parse import unquote_to_bytes


class _Bare(bytes):
    """A question mark with nothing behind it: no parameter, and yet something to send."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


BARE = _Bare()
"""The query of ``/v1?``, which is as empty as that of ``/v1`` but is sent with its mark."""


def path_and_query(target: bytes) -> tuple[bytes, bytes]:
    """The raw path and the raw query of a target in origin form; ``BARE`` where there is a mark alone."""
    path, mark, query = target.partition(b"?")
    return path, query or (BARE if mark else b"")


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
