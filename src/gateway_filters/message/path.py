"""Raw paths: bytes as they stand on the wire, cut at ``/``, never decoded.

``/a%2Fb`` and ``/a/b`` are different paths, and only the raw form can tell. Prefixes match by whole
segments (Gateway API, HTTPPathMatch): ``/v1`` takes ``/v1`` and ``/v1/models``, never ``/v1beta``.
"""

from urllib.parse import unquote_to_bytes


def under_prefix(path: bytes, prefix: bytes) -> bool:
    """Whether ``path`` is ``prefix`` or below it; one trailing ``/`` of the prefix does not count."""
    stem = prefix.removesuffix(b"/")
    return path.startswith(stem) and (len(path) == len(stem) or path[len(stem) : len(stem) + 1] == b"/")


def replace_prefix(path: bytes, prefix: bytes, replacement: bytes) -> bytes:
    """``path`` with ``prefix`` replaced, the rest kept byte for byte (Gateway API, ReplacePrefixMatch).

    The path must be under the prefix. Slashes at the seam neither double nor vanish, and the result is
    never empty.
    """
    rest = path[len(prefix.removesuffix(b"/")) :]
    return replacement.rstrip(b"/") + rest or b"/"


def cut_root(path: bytes, root: bytes) -> bytes | None:
    """What follows the mount point ``root`` (decoded) in the raw ``path``; None when it is not below it.

    A mount point is known decoded, a path raw, so both are walked in step, an escape counting as the one
    byte it stands for. Only whole segments count.
    """
    position = 0
    for byte in root:
        width = 3 if path[position : position + 1] == b"%" else 1
        if unquote_to_bytes(path[position : position + width]) != bytes((byte,)):
            return None
        position += width
    rest = path[position:]
    return rest if rest[:1] in (b"", b"/") else None
