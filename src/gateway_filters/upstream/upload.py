"""A request's body on its way out: framed, piece by piece, no faster than the upstream reads."""

from collections.abc import AsyncIterator, Awaitable, Callable

from gateway_filters.errors import BadRequest
from gateway_filters.upstream.connection import Connection
from gateway_filters.upstream.request_head import LAST_CHUNK, chunk
from gateway_filters.upstream.transport import Framing


async def pour(
    body: AsyncIterator[bytes], framing: Framing, connection: Connection, *, drained: Callable[[], Awaitable[None]]
) -> None:
    """Write all of ``body``; the next piece is asked for when ``drained`` says that there is room.

    Raises ``BadRequest`` when the body is not as long as the head says, and whatever ``body`` raises.
    """
    try:
        if framing == "chunked":
            await _in_chunks(body, connection, drained)
        else:
            await _by_length(body, framing or 0, connection, drained)
    finally:
        # A generator that is left half way would be closed by the loop, some time, in a task of its own.
        finish = getattr(body, "aclose", None)
        if finish is not None:
            await finish()


async def _in_chunks(
    body: AsyncIterator[bytes], connection: Connection, drained: Callable[[], Awaitable[None]]
) -> None:
    async for piece in body:
        if piece:
            connection.write(chunk(piece))
            if connection.write_paused:
                await drained()
    connection.write(LAST_CHUNK)


async def _by_length(
    body: AsyncIterator[bytes], length: int, connection: Connection, drained: Callable[[], Awaitable[None]]
) -> None:
    left = length
    async for piece in body:
        left -= len(piece)
        if left < 0:
            break
        connection.write(piece)
        if connection.write_paused:
            await drained()
    if left:
        raise BadRequest(f"the request's body is {'longer' if left < 0 else 'shorter'} than its head says")
