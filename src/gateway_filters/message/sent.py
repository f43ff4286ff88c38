"""What a server gives for a message that it has written already: something to await that is over.

Whoever awaits it loses nothing, and whoever compares with it need not be a task: pieces of an answer can be handed on
in the very callback that brought them.
"""

from collections.abc import Generator
from typing import Any


class _Sent:
    """Awaited, it gives None at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


SENT = _Sent()
"""The one there is: compare with ``is``."""
