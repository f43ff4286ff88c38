"""An authority that a client gives: a host with or without a port, taken only when it can be nothing else."""

import re

from gateway_filters.errors import BadRequest, ConfigurationError
from gateway_filters.message.text import authority

_HIGHEST_PORT = 65535
# What nearly every Host looks like; everything else is looked at piece by piece.
_PLAIN = re.compile(rb"[A-Za-z0-9._~-]{1,255}(?::[1-9][0-9]{0,3})?")


def checked_authority(raw: bytes, what: str) -> bytes:
    """``raw`` itself; raises ``BadRequest``, naming ``what``, unless it is a host name or address.

    A port from 1 to 65535 may follow. So it can neither end a header nor lead a URL elsewhere.
    """
    if _PLAIN.fullmatch(raw) is None:
        split_authority(raw, what)
    return raw


def split_authority(raw: bytes, what: str) -> tuple[bytes, int | None]:
    """Host and port of ``raw``; raises ``BadRequest``, naming ``what``, as ``checked_authority`` does."""
    try:
        checked = authority(raw.decode("latin-1"), what)
    except ConfigurationError:
        # Its sentence shows the value, and this one is the client's.
        raise BadRequest(f"{what} is not a host name, optionally with a port") from None
    host, colon, port = checked.rpartition(b":")
    if not colon or checked.endswith(b"]"):
        return checked, None
    if not 0 < int(port) <= _HIGHEST_PORT:
        raise BadRequest(f"the port of {what} is not from 1 to {_HIGHEST_PORT}")
    return host, int(port)
