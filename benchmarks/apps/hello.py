"""What uvicorn alone costs: an app that answers at once and goes nowhere."""

from starlette.types import Receive, Scope, Send

_BODY = b"x" * 500
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"500")]


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read the request's body and answer 500 bytes."""
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})
