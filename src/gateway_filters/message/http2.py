"""What HTTP/2 needs here: the one place that knows the extra, and that keeps its library quiet.

The library itself is imported by the rooms that speak HTTP/2, and only when they do.
"""

import logging
from importlib.util import find_spec

from gateway_filters.errors import ConfigurationError

# hpack writes every header that it packs and unpacks to these at level DEBUG, credentials included.
_TALKATIVE = ("hpack.hpack", "hpack.table")


def require_http2(what: str) -> None:
    """Raises ``ConfigurationError`` where the library for HTTP/2 is not installed; ``what`` is who asks for it.

    From then on no header is written to a log by it, whatever the level.
    """
    if find_spec("h2") is None:
        raise ConfigurationError(f"{what} speaks HTTP/2 and needs the extra gateway-filters[http2]")
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False
