"""Closing a connection, whatever its other side has just done."""

import asyncio


def part(transport: asyncio.Transport) -> None:
    """Close ``transport`` with the goodbye that TLS wants; what was written still leaves.

    Where the other side's goodbye came in the very bytes that are being handed to us, asyncio's and uvloop's TLS
    raise instead of saying ours: it is not waited for any more.
    """
    try:
        transport.close()
    except RuntimeError:
        transport.abort()
