"""Sends a ``Reply`` as ASGI messages."""

from starlette.types import Send

from gateway_filters.message.head import Reply
from gateway_filters.message.headers import first


async def send_reply(reply: Reply, send: Send) -> None:
    """The reply's head, with a length where it has none, and its body."""
    headers = reply.head.headers
    if first(headers, b"content-length") is None and _may_have_length(reply.head.status):
        headers = (*headers, (b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.head.status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


def _may_have_length(status: int) -> bool:
    # RFC 9110 8.6: no Content-Length in 1xx and 204; in 304 it would speak of another body.
    return status >= 200 and status not in (204, 304)
