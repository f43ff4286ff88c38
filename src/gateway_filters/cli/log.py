"""The log of ``gateway-filters run``, on stderr."""

import logging
import sys

from gateway_filters.errors import one_line

# What they say of single requests may hold headers.
_NOISY = ("httpx", "httpcore", "uvicorn", "watchfiles")


def begin() -> None:
    """Log what matters, a line each: names out of manifests cannot begin another one."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """Keeps a message on its line; a traceback has several."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without what follows it."""
        return one_line(super().formatMessage(record))
