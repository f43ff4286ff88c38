"""The log of ``gateway-filters run``, on stderr."""

import logging
import sys
from types import TracebackType

from gateway_filters.errors import one_line

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

# What they say of single requests may hold headers.
_NOISY = ("httpx", "httpcore", "uvicorn", "watchfiles")


def begin() -> None:
    """Log what matters, a line each: neither names out of manifests nor what an error says can begin another one."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """Keeps a message on its line; a traceback has several, which are set in."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without what follows it."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's name
        """The traceback. The error that it ends in may be anybody's, and say what a client has sent."""
        return "\n".join(f"  {one_line(line)}" for line in super().formatException(ei).split("\n"))
