"""What is said to a client whose bytes are no request that anyone should see: a status, constant words, the end."""

import logging
import secrets
from http import HTTPStatus

from gateway_filters.asgi.failures import error_reply
from gateway_filters.errors import Verdict

_log = logging.getLogger("gateway_filters.run")

_WORDS = {
    400: "The request is malformed.",
    403: "The request is not permitted.",
    405: "The method is not allowed.",
    408: "The request took too long.",
    413: "The request body is too large.",
    414: "The request target is too long.",
    417: "The expectation cannot be met.",
    426: "HTTP/1.1 is needed.",
    431: "The request head is too large.",
    500: "The gateway failed.",
    501: "The transfer coding is not supported.",
    503: "The gateway is busy.",
    505: "The HTTP version is not supported.",
}


def refusal(status: int, reason: str) -> bytes:
    """A whole answer that ends the connection: ``refusal_body`` in HTTP/1.1."""
    body = refusal_body(status, reason)
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
    more = "upgrade: HTTP/1.1\r\n" if status == 426 else "retry-after: 1\r\n" if status == 503 else ""
    listed = "connection: upgrade, close\r\n" if status == 426 else "connection: close\r\n"
    return f"{head}{more}content-length: {len(body)}\r\n{listed}\r\n".encode() + body


def refusal_body(status: int, reason: str) -> bytes:
    """What a refusal says: the OpenAI error shape with a request id, which is logged with why."""
    request_id = secrets.token_hex(8)
    _log.info("%d to a client: %s [request %s]", status, reason, request_id)
    kind = "server_error" if status in (500, 503) else "invalid_request_error"
    return error_reply(Verdict(status, kind, _WORDS[status]), request_id=request_id).body
