"""Tables as kubectl prints them: columns as wide as their widest cell, without lines."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows below their head, one line each."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "".join(f"{line.rstrip()}\n" for line in lines)
